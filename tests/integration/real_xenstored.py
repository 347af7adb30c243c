"""Xen's own xenstored for a test: started, stalled, killed; with guests made as `xl` makes them."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from .guest_bridge import PAGE_BYTES, GuestBridge
from .plain_client import INTRODUCE, PlainClient

SHIM_SOURCE = Path(__file__).with_name("xs_shim.c")
START_DEADLINE_S = 10.0


def find_xenstored() -> Path | None:
    """The C daemon of Xen 4.17, the version whose libraries the shim stands in for."""
    path = Path("/usr/lib/xen-4.17/bin/xenstored")
    return path if path.exists() else None


def missing() -> str | None:
    """What this machine lacks for the real daemon, or None."""
    if find_xenstored() is None:
        return "the real xenstored is not here: it comes with Debian 12's xen-utils-4.17"
    if shutil.which("gcc") is None:
        return "gcc is not here: it compiles the shim that xenstored runs under"
    return None


def compile_shim(directory: Path) -> Path:
    """Compile the shim into `directory`; a warning is a failure."""
    shim = directory / "xs_shim.so"
    flags = ["-O2", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE", "-U_FORTIFY_SOURCE", "-fPIC", "-shared"]
    subprocess.run(["gcc", *flags, "-o", shim, SHIM_SOURCE, "-ldl"], check=True, timeout=60)
    return shim


@dataclass(frozen=True, slots=True, kw_only=True)
class _Guest:
    domid: int
    name: str
    target_kib: int
    static_max_kib: int


class RealXenstored:
    """One daemon in a directory of its own.

    `path` is dom0's Unix socket. All methods block, for milliseconds as a rule. A daemon started again knows nothing of
    before (as after a real death); the guests that were there are made again, as their toolstack would.
    """

    def __init__(self, shim: Path) -> None:
        # Not pytest's directory: the address of a Unix socket holds 107 bytes.
        self._temporary = tempfile.TemporaryDirectory(prefix="xenstored-")
        self.directory = Path(self._temporary.name)
        self.path = self.directory / "socket"
        self._shim = shim
        self._process: subprocess.Popen[bytes] | None = None
        self._bridge = GuestBridge(self.directory)
        self._guests: dict[int, _Guest] = {}

    @property
    def pid(self) -> int:
        assert self._process is not None, "xenstored has not been started"
        return self._process.pid

    def start(self) -> None:
        """Start the daemon and wait until it answers; make the guests of before again."""
        (self.directory / "ring-0").write_bytes(bytes(PAGE_BYTES))
        (self.directory / "xsd_port").write_text("1000")
        daemon = find_xenstored()
        assert daemon is not None, missing()
        directory = str(self.directory)
        own = {"LD_PRELOAD": str(self._shim), "XS_SHIM_DIR": directory}
        own |= {"XENSTORED_RUNDIR": directory, "XENSTORED_ROOTDIR": directory}
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [daemon, "--no-fork", "--internal-db=on"], env=os.environ | own, stdout=log, stderr=log
            )
        self._wait_for_answer()
        for guest in self._guests.values():
            self._make(guest)

    def _wait_for_answer(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_DEADLINE_S
        while True:
            try:
                with self.dom0() as dom0:
                    dom0.directory("/")
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    log = (self.directory / "log").read_text(errors="replace")
                    raise RuntimeError(f"xenstored did not start:\n{log}") from None
                time.sleep(0.005)
            else:
                return

    def kill(self) -> None:
        """SIGKILL: the connections break, the store is lost. Works on a stopped daemon too."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)

    def restart(self) -> None:
        """Kill the daemon and start a new one at the same path."""
        self.kill()
        self.start()

    def stop(self) -> None:
        """SIGSTOP: the daemon stays connected and answers nothing, until `cont`."""
        os.kill(self.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOWAIT)

    def cont(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def close(self) -> None:
        """End daemon, bridge and directory."""
        if self._process is not None:
            self.kill()
        self._bridge.close()
        self._temporary.cleanup()

    def dom0(self) -> PlainClient:
        """A plain client as dom0; the caller closes it."""
        return PlainClient(self.path)

    def guest(self, domid: int) -> PlainClient:
        """A plain client as that domain; the caller closes it."""
        return PlainClient(self.guest_path(domid))

    def guest_path(self, domid: int) -> Path:
        """The Unix socket on which a client, one at a time, is that domain: its permissions, quotas, relative paths."""
        return self._bridge.socket_path(domid)

    def add_guest(
        self, domid: int, *, name: str | None = None, target_kib: int = 524_288, static_max_kib: int = 1_048_576
    ) -> Path:
        """Make a domain and introduce it, which fires @introduceDomain; returns `guest_path(domid)`."""
        guest = _Guest(domid=domid, name=name or f"guest-{domid}", target_kib=target_kib, static_max_kib=static_max_kib)
        self._make(guest)
        self._guests[domid] = guest
        return self.guest_path(domid)

    def remove_guest(self, domid: int) -> None:
        """The domain dies (@releaseDomain), and its directories are removed, as by `xl destroy`."""
        del self._guests[domid]
        (self.directory / f"dom-{domid}").unlink()
        self._bridge.domain_died()
        self._bridge.remove(domid)
        with self.dom0() as dom0:
            for path in (f"/local/domain/{domid}", f"/vm/{_uuid(domid)}"):
                dom0.remove(path)

    def _make(self, guest: _Guest) -> None:
        """libxl's skeleton (libxl_create.c, libxl_dom.c): dom0 owns the directory, the guest `data` and a few more."""
        domid, home, vm = guest.domid, f"/local/domain/{guest.domid}", f"/vm/{_uuid(guest.domid)}"
        (self.directory / f"dom-{domid}").write_text("r")
        readable, owned = ("n0", f"r{domid}"), (f"n{domid}",)
        with self.dom0() as dom0:
            for path in (home, vm, *(f"{home}/{each}" for each in ("cpu", "memory", "device", "control"))):
                dom0.mkdir(path)
                dom0.set_perms(path, *readable)
            for each in ("control/shutdown", "data", "drivers", "feature", "hotplug", "attr", "error"):
                dom0.mkdir(f"{home}/{each}")
                dom0.set_perms(f"{home}/{each}", *owned)
            values = {
                f"{vm}/uuid": _uuid(domid),
                f"{vm}/name": guest.name,
                f"{home}/vm": vm,
                f"{home}/name": guest.name,
                f"{home}/domid": str(domid),
                f"{home}/memory/static-max": str(guest.static_max_kib),
                f"{home}/memory/target": str(guest.target_kib),
            }
            for path, value in values.items():
                dom0.write(path, value.encode())
                dom0.set_perms(path, *readable)
            if domid in self._guests:
                self._bridge.remove(domid)
            self._bridge.add(domid)
            dom0.request(INTRODUCE, f"{domid}\0001\0005\0".encode())


def _uuid(domid: int) -> str:
    return f"00000000-0000-4000-8000-{domid:012d}"
