"""QEMU: one emulated machine from start to end, under a watchdog."""

import shutil
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from tests.xenlab.catalogue import SERVED_IOPS, HostShape
from tests.xenlab.images import Images
from tests.xenlab.tools import system_environment

# With AVX state (-cpu max) the emulator corrupts processes at random; with SMAP dom0 dies early. PVH needs SVM.
CPU_PV = "Nehalem,-smap,-smep"
CPU_PVH = "Opteron_G3,+svm,+npt,-rdtscp,-smap,-smep"
# Xen's own, the domains' overheads and the ballast that makes free memory exact.
OVERHEAD_MIB = 288
DONE = "LAB-DONE status="
# Marks of a machine that the emulator spoiled, wherever they stand on the console.
FATAL = ("Panic on CPU", "triple fault", "Kernel panic", "Out of memory and no killable")
# A machine that says nothing for this long is stuck: the driver says a line at least once a run.
SILENT_MAX_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a machine ended: `status` is that of the driver, None where it never got to say; `reason` is for people."""

    status: int | None
    reason: str
    took_s: float


def machine_mib(shape: HostShape) -> int:
    """Memory for dom0, what is managed, the control guest and everything around them."""
    return shape.dom0_mib + shape.managed_mib + shape.static_max_mib + OVERHEAD_MIB


def command(images: Images, app: Path, shared: Path, shape: HostShape, more: Path | None = None) -> list[str]:
    """QEMU's command line: one pCPU, emulated. `more`: a file for the disk that the shape has beside the two."""
    memory_mib = machine_mib(shape)
    xen = f"com1=115200 console=com1 loglvl=warning xpti=no spec-ctrl=no dom0_mem={shape.dom0_mib}M,max:{memory_mib}M"
    kernel = f"{images.kernel} console=hvc0 quiet panic=1 mitigations=off"
    pace = f",throttling.iops-total={SERVED_IOPS}" if shape.served_disk_mib else ""
    disk = "file={},format=raw,if=virtio,readonly=on,cache=unsafe"
    return [
        *("qemu-system-x86_64", "-accel", "tcg,tb-size=512", "-smp", "1", "-m", str(memory_mib)),
        *("-cpu", CPU_PVH if shape.guest_type == "pvh" else CPU_PV),
        *("-display", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot", "-nic", "none"),
        *("-kernel", str(images.xen), "-append", xen, "-initrd", f"{kernel},{images.initramfs}"),
        *("-drive", disk.format(images.root), "-drive", disk.format(app)),
        *(("-drive", f"file={more},format=raw,if=virtio,cache=unsafe{pace}") if more is not None else ()),
        *("-virtfs", f"local,path={shared},mount_tag=lab,security_model=none,multidevs=remap"),
    ]


def run_machine(words: list[str], console: Path, *, limit_s: float, stop: threading.Event) -> Outcome:
    """Run it to its end, to the limit or until told to stop; its console goes to a file."""
    started_s = time.monotonic()
    with console.open("wb") as log:
        program = shutil.which(words[0], path=system_environment()["PATH"]) or words[0]
        process = subprocess.Popen([program, *words[1:]], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            reason = _watch(process, console, started_s + limit_s, stop)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.wait()
    text = console.read_text(errors="replace")
    status = None
    if DONE in text:
        status = int(text.rpartition(DONE)[2].split()[0])
        reason = "ended"
    elif found := next((mark for mark in FATAL if mark in text), None):
        reason = f"{found} on the console"
    return Outcome(status=status, reason=reason, took_s=time.monotonic() - started_s)


def _watch(process: subprocess.Popen[bytes], console: Path, end_s: float, stop: threading.Event) -> str:
    size, grew_s = 0, time.monotonic()
    while True:
        try:
            return f"QEMU ended by itself with status {process.wait(timeout=1)}"
        except subprocess.TimeoutExpired:
            pass
        now_s = time.monotonic()
        if console.stat().st_size > size:
            size, grew_s = console.stat().st_size, now_s
        if stop.is_set():
            return "was stopped"
        if now_s > end_s:
            return "ran into its time limit"
        if now_s - grew_s > SILENT_MAX_S:
            return f"nothing on its console for {SILENT_MAX_S:.0f} s"
