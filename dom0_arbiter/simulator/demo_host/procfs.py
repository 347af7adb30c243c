"""A played guest's /proc, for a real agent to read."""

import os
from pathlib import Path

from dom0_arbiter.simulator.guests.kernel import Kernel

_ZRAM = "sys/block/zram0/mm_stat"  # where the agent looks below a root that is not /proc
_SWAP_DEVICES = {"disk": "/dev/xvdb", "zram": "/dev/zram0"}
_SWAPS_HEADER = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
_WIDTH = 10  # every number takes as many bytes as any other, so that a rewrite never moves what follows


class Procfs:
    """The files below one directory. Each rewrite is one write in place: the agent keeps them open.

    A kernel's swap stays of one kind, so that /proc/swaps keeps its length, too.
    """

    def __init__(self, root: Path, *, boot_id: str, min_free_kib: int) -> None:
        for name, text in (
            ("meminfo", ""),
            ("vmstat", ""),
            ("pressure/memory", ""),
            ("swaps", _SWAPS_HEADER),
            (_ZRAM, ""),
            ("sys/vm/min_free_kbytes", f"{min_free_kib}\n"),
            ("sys/kernel/random/boot_id", f"{boot_id}\n"),
        ):
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        shown = ("meminfo", "vmstat", "pressure/memory", "swaps", _ZRAM)
        self._files = {name: os.open(root / name, os.O_WRONLY) for name in shown}

    def show(self, kernel: Kernel) -> None:
        """Let the files say what the kernel would."""
        free_kib = max(0, kernel.free_kib)
        used_kib = kernel.kernel_kib + kernel.anon_kib + kernel.swapped_kib
        meminfo = {
            "MemTotal": kernel.total_kib,
            "MemFree": free_kib,
            "MemAvailable": min(kernel.available_kib, kernel.total_kib),
            "Buffers": 0,
            "Cached": kernel.cache_kib,
            "Active(file)": kernel.cache_kib,
            "Inactive(file)": 0,
            "Mlocked": 0,
            "SwapTotal": kernel.swap_total_kib,
            "SwapFree": kernel.swap_total_kib - kernel.swapped_kib,
            "AnonPages": kernel.anon_kib,
            "Shmem": 0,
            "SUnreclaim": kernel.kernel_kib,
            "KernelStack": 0,
            "PageTables": 0,
            "Committed_AS": used_kib,
        }
        vmstat = {
            "pswpin": kernel.swap_in_total,
            "pswpout": kernel.swap_out_total,
            "oom_kill": kernel.oom_kills_total,
            "workingset_refault_anon": 0,
            "workingset_refault_file": kernel.refaults_total,
        }
        stalls = [
            f"{word} avg10=0.00 avg60=0.00 avg300=0.00 total={stalled_us:<{_WIDTH + 6}}\n"
            for word, stalled_us in (("some", kernel.psi_some_us_total), ("full", kernel.psi_full_us_total))
        ]
        self._write("meminfo", "".join(f"{key + ':':<16}{kib:>{_WIDTH}} kB\n" for key, kib in meminfo.items()))
        self._write("vmstat", "".join(f"{key} {pages:<{_WIDTH}}\n" for key, pages in vmstat.items()))
        self._write("pressure/memory", "".join(stalls))
        device = _SWAP_DEVICES.get(kernel.swap)
        if device is not None:
            row = f"{device:<40}partition\t{kernel.swap_total_kib:<{_WIDTH}}\t{kernel.swapped_kib:<{_WIDTH}}\t-2\n"
            self._write("swaps", _SWAPS_HEADER + row)
        sizes = (kernel.swapped_kib if kernel.swap == "zram" else 0, kernel.zram_kib, kernel.zram_kib)
        mm_stat = [kib * 1024 for kib in sizes] + [0] * 6  # original, compressed, taken; and what nobody reads
        self._write(_ZRAM, " ".join(f"{number:>{_WIDTH + 6}}" for number in mm_stat) + "\n")

    def close(self) -> None:
        """Close the files."""
        for fd in self._files.values():
            os.close(fd)

    def _write(self, name: str, text: str) -> None:
        os.pwrite(self._files[name], text.encode(), 0)
