"""Systems without procfs, through psutil. Imports nothing that only POSIX has."""

import platform
import time

import psutil

from guest_agent.sample import Counters, Sample
from guest_agent.sources import SourceError

_KIB = 1024


class PsutilSource:
    """Levels only: psutil has no refaults, no PSI and no balloon, so no capability is claimed for them.

    Nor does it tell compressed memory from a disk: all swap is reported as on a disk.
    """

    __slots__ = ("boot_id", "capabilities", "os_name", "os_version")

    def __init__(self) -> None:
        self.capabilities = 0
        self.os_name, self.os_version = platform.system(), platform.release()
        self.boot_id = f"booted-{int(time.time() - time.monotonic())}"
        self.read_sample(0)

    def read_sample(self, uptime_ms: int) -> Sample:
        """Return what psutil says now; raise SourceError. Fields that this system does not have are 0."""
        try:
            memory, swap = psutil.virtual_memory(), psutil.swap_memory()
        except (OSError, RuntimeError, psutil.Error) as error:  # RuntimeError: its C part, or a file it cannot parse
            raise SourceError(f"psutil: {error}") from error
        shmem_kib = getattr(memory, "shared", 0) // _KIB
        cache_kib = (getattr(memory, "cached", 0) + getattr(memory, "buffers", 0)) // _KIB
        if memory.total < _KIB:
            raise SourceError("psutil: no total")
        return Sample(
            uptime_ms=uptime_ms,
            total_kib=memory.total // _KIB,
            free_kib=memory.free // _KIB,
            available_kib=memory.available // _KIB,
            file_cache_kib=max(0, cache_kib - shmem_kib),
            shmem_kib=shmem_kib,
            swap_total_kib=swap.total // _KIB,
            swap_used_kib=min(swap.used, swap.total) // _KIB,
        )

    def read_counters(self) -> Counters:
        """Return zeros: nothing of this is measured."""
        return Counters()

    can_free = False

    def read_balloon_gap_kib(self) -> int:
        """Raise SourceError: no system but Linux shows its balloon."""
        raise SourceError("the balloon is not shown here")

    def free_memory(self, kib: int) -> bool:
        """Raise SourceError."""
        raise SourceError(f"nothing can be freed here, not even {kib} KiB")

    def open_stalls(self) -> int:
        """Return -1: psutil knows of no stalls."""
        return -1

    def read_balloon_kib(self) -> int:
        """Raise SourceError: no system but Linux shows its balloon."""
        raise SourceError("the balloon's target is not shown here")

    def write_balloon_kib(self, kib: int) -> None:
        """Raise SourceError."""
        raise SourceError(f"the balloon's target cannot be set here, to {kib} KiB")
