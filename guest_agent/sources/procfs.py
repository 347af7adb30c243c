"""Linux: /proc through descriptors that stay open, because opening costs more than reading."""

import errno
import os
import time

from guest_agent.sample import (
    Counters,
    Sample,
    Torn,
    parse_meminfo,
    parse_mm_stat,
    parse_number,
    parse_pressure,
    parse_swaps,
    parse_vmstat,
    parse_zswap,
)
from guest_agent.sources import SourceError
from protocol import HAS_BALLOON, HAS_PSI, HAS_VMSTAT, TAKES_GRANTS

BALLOON = "/sys/devices/system/xen_memory/xen_memory0/target_kb"
"""What the balloon driver aims at (drivers/xen/xen-balloon.c, Linux)."""
BALLOON_NOW = "/sys/devices/system/xen_memory/xen_memory0/info/current_kb"
"""And what it has come to, in the same measure."""
RECLAIM = "/sys/fs/cgroup/memory.reclaim"
"""Frees as many bytes as are written to it (Documentation/admin-guide/cgroup-v2.rst, Linux 5.19)."""
ZSWAP = "/sys/module/zswap/parameters/enabled"
CACHE_ONLY = b" swappiness=0"
"""And leaves anonymous memory alone (Linux 6.10)."""
BLOCK = "/sys/block"
"""Where each zram device says what it takes, in its mm_stat (drivers/block/zram/zram_drv.c, Linux 4.1)."""
STALLS = (b"some 50000 500000\0", b"some 200000 2000000\0")
"""PSI triggers, the first that is allowed: a tenth of so many microseconds in which some task stalled on memory.

Without CAP_SYS_RESOURCE windows are whole multiples of 2 s (kernel/sched/psi.c, Linux 6.5), before that there are none.
The NUL is needed: the kernel cuts off the last byte.
"""
_READ_BYTES = 32_768
_PAGE_NEARLY_FULL_BYTES = 3584
"""The kernel hands out such files by whole lines, a page at most per read: less than this was the last."""


class _KeptFile:
    """A file that is read again and again from its start."""

    __slots__ = ("_fd", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        self._fd = -1

    def read(self) -> bytes:
        """Return all of it; raise SourceError. A file that was replaced, or failed, is opened anew."""
        try:
            if self._fd < 0 or os.fstat(self._fd).st_nlink == 0:
                self.close()
                self._fd = os.open(self.path, os.O_RDONLY)
            text = part = os.pread(self._fd, _READ_BYTES, 0)
            while len(part) > _PAGE_NEARLY_FULL_BYTES:
                part = os.pread(self._fd, _READ_BYTES, len(text))
                text += part
        except OSError as error:
            self.close()
            raise SourceError(f"{self.path}: {error.strerror}") from error
        return text

    def close(self) -> None:
        """Close it; the next read opens it again."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)


class _ZramSwap:
    """What lies in swap on zram, and the memory that it takes."""

    __slots__ = ("_block", "_stats", "_swaps")

    def __init__(self, swaps: _KeptFile, block: str) -> None:
        self._swaps = swaps
        self._block = block
        self._stats: dict[str, _KeptFile] = {}

    def is_all_there_is(self) -> bool:
        """Whether no swap lies elsewhere; raise SourceError or Torn."""
        text = self._swaps.read()
        devices = text.splitlines()[1:]  # below a line of headings
        return len(parse_swaps(text)) == len(devices)

    def add_to(self, counters: Counters) -> None:
        """Add every device's use and cost; raise SourceError or Torn. Devices come and go with swapon and swapoff."""
        used_kib = parse_swaps(self._swaps.read())
        for name in [name for name in self._stats if name not in used_kib]:
            self._stats.pop(name).close()
        for name in used_kib:
            stat = self._stats.setdefault(name, _KeptFile(f"{self._block}/{name}/mm_stat"))
            try:
                text = stat.read()
            except SourceError:
                continue  # what is not known to be cheap counts as on a disk, as it does without this agent
            counters.swap_ram_kib += parse_mm_stat(text)
            counters.swap_packed_kib += used_kib[name]


class ProcfsSource:
    """Measurements from below `root`, which must have a `meminfo`; what else is there is found out once."""

    __slots__ = (
        "_balloon",
        "_balloon_now",
        "_can_spare_anon",
        "_meminfo",
        "_min_free",
        "_pressure",
        "_root",
        "_swapping_meminfo",
        "_vmstat",
        "_zram",
        "_zswap",
        "boot_id",
        "capabilities",
        "os_name",
        "os_version",
    )

    def __init__(self, root: str) -> None:
        self._root = root
        self._meminfo = _KeptFile(f"{root}/meminfo")
        self._meminfo.read()
        self._vmstat = _kept_if_readable(f"{root}/vmstat")
        self._pressure = _kept_if_readable(f"{root}/pressure/memory")  # with psi=0 it opens, but does not read
        self._min_free = _kept_if_readable(f"{root}/sys/vm/min_free_kbytes")
        # Another root is another kernel's, or none's: this machine's balloon would not be its own, nor its devices.
        self._balloon = _kept_if_readable(BALLOON) if root == "/proc" else None
        self._balloon_now = _kept_if_readable(BALLOON_NOW) if self._balloon else None
        self._zswap = _kept_if_readable(ZSWAP)
        self._can_spare_anon = True  # memory.reclaim takes CACHE_ONLY, until it says that it does not
        swaps = _kept_if_readable(f"{root}/swaps")
        self._zram = _ZramSwap(swaps, BLOCK if root == "/proc" else root + BLOCK) if swaps else None
        self._swapping_meminfo = b""  # the last sample's text, for the counters to read on; empty without swap
        self.capabilities = (
            (HAS_VMSTAT if self._vmstat else 0)
            | (HAS_PSI if self._pressure else 0)
            | (HAS_BALLOON if self._balloon else 0)
            | (TAKES_GRANTS if self._balloon and os.access(BALLOON, os.W_OK) else 0)
        )
        system = os.uname()
        self.os_name, self.os_version = system.sysname, system.release
        try:
            self.boot_id = _KeptFile(f"{root}/sys/kernel/random/boot_id").read().decode("ascii", "replace").strip()
        except SourceError:
            self.boot_id = f"booted-{int(time.time() - time.monotonic())}"

    def read_sample(self, uptime_ms: int) -> Sample:
        """Return what meminfo says now; raise SourceError."""
        try:
            text = self._meminfo.read()
            sample = parse_meminfo(text, uptime_ms)
        except Torn as error:
            raise SourceError(f"{self._meminfo.path}: {error}") from error
        self._swapping_meminfo = text if sample.swap_total_kib else b""
        return sample

    def read_balloon_kib(self) -> int:
        """Return what the balloon driver aims at; raise SourceError."""
        try:
            return parse_number(self._balloon.read()) if self._balloon else 0
        except Torn as error:
            raise SourceError(str(error)) from error

    def write_balloon_kib(self, kib: int) -> None:
        """Have the balloon driver aim at that; raise SourceError."""
        try:
            _write(BALLOON, b"%d" % kib)
        except OSError as error:
            raise SourceError(f"{BALLOON}: {error.strerror}") from error

    def read_balloon_gap_kib(self) -> int:
        """Return how much the balloon driver has yet to take from this guest, 0 or less: nothing; raise SourceError."""
        if not self._balloon or not self._balloon_now:
            return 0
        try:
            return parse_number(self._balloon_now.read()) - self.read_balloon_kib()
        except Torn as error:
            raise SourceError(str(error)) from error

    @property
    def can_free(self) -> bool:
        """Whether there is a balloon to free memory for, and a way to do it."""
        return self._balloon_now is not None and os.access(RECLAIM, os.W_OK)

    def free_memory(self, kib: int) -> bool:
        """Have the kernel free so much; return whether that was to be had; raise SourceError.

        Of cache first, then of what swap in memory (zram, zswap, wherever that may write back to) can hold. Where a
        kernel cannot be told to leave anonymous memory alone, and there is a swap disk, nothing is freed.
        """
        text = b"%dK" % kib
        try:
            if self._can_spare_anon:
                try:
                    if _reclaim(text + CACHE_ONLY):
                        return True
                except OSError as error:
                    if error.errno != errno.EINVAL:
                        raise
                    self._can_spare_anon = False
            return self._swaps_to_memory() and _reclaim(text)
        except Torn as error:
            raise SourceError(str(error)) from error
        except OSError as error:
            raise SourceError(f"{RECLAIM}: {error.strerror}") from error

    def _swaps_to_memory(self) -> bool:
        """Whether no swap is on a disk without zswap before it; without any swap, too. Raises SourceError or Torn."""
        if self._zswap and self._zswap.read().strip() == b"Y":
            return True
        return self._zram is None or self._zram.is_all_there_is()

    def open_stalls(self) -> int:
        """Return a descriptor that is readable out of band whenever programs stall (a PSI trigger); -1: none to be had.

        It is the caller's, and stands for the trigger: to close it ends that.
        """
        if not self._pressure or self._root != "/proc":
            return -1
        for trigger in STALLS:
            try:
                fd = os.open(self._pressure.path, os.O_RDWR | os.O_NONBLOCK)
            except OSError:
                break  # not allowed at all, as for whoever is not root: looks at intervals have to do
            try:
                os.write(fd, trigger)
            except OSError:
                os.close(fd)
            else:
                return fd
        return -1

    def read_counters(self) -> Counters:
        """Return what the other files say now, and of zswap what the last sample's did; raise SourceError."""
        counters = Counters()
        try:
            if self._vmstat:
                parse_vmstat(self._vmstat.read(), counters)
            if self._pressure:
                parse_pressure(self._pressure.read(), counters)
            if self._min_free:
                counters.min_free_kib = parse_number(self._min_free.read())
            if self._balloon:
                counters.balloon_target_kib = self.read_balloon_kib()
            if self._swapping_meminfo:
                parse_zswap(self._swapping_meminfo, counters)
                if self._zram:
                    self._zram.add_to(counters)
        except Torn as error:
            raise SourceError(str(error)) from error
        return counters


def _reclaim(text: bytes) -> bool:
    try:
        _write(RECLAIM, text)
    except BlockingIOError:  # EAGAIN: less than that was to be had
        return False
    return True


def _write(path: str, text: bytes) -> None:
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text)
    finally:
        os.close(fd)


def _kept_if_readable(path: str) -> _KeptFile | None:
    file = _KeptFile(path)
    try:
        file.read()
    except SourceError:
        return None  # this kernel, or this container, does not have it: a capability less
    return file
