"""The four messages of version 1. Positions are only ever appended; SPEC.md has the same tables in prose."""

from protocol.errors import ProtocolError
from protocol.fields import SAFE_INTEGER, U16, U32, Message, kib, text, whole

VERSION_LOWEST = 1
VERSION_HIGHEST = 1
VERSION_UNAGREED = 1
"""What reports are in while there is no welcome."""

# Report.flags
URGENT = 1 << 0  # available memory is below the threshold that `welcome` gave
FINAL = 1 << 1  # the agent is stopping in good order; silence from here on is no fault

# Hello.capabilities
HAS_VMSTAT = 1 << 0  # swap counters are measured, and refaults and OOM kills as far as the kernel counts them
HAS_PSI = 1 << 1  # psi_* are measured
HAS_BALLOON = 1 << 2  # balloon_target_kib is measured
TAKES_GRANTS = 1 << 3  # the agent grows its guest by itself within a grant


class Hello(Message):
    """Guest to dom0, once per agent start, domid or lost welcome. Its layout is the same in every version."""

    __slots__ = ()

    version_lowest: int = whole(low=1, high=U16)
    version_highest: int = whole(low=1, high=U16)
    agent_name: str = text(low=1, high=32)
    agent_version: str = text(low=1, high=32)
    os_name: str = text(low=1, high=32)
    os_version: str = text(high=64)
    capabilities: int = whole(high=U32)
    boot_id: str = text(low=1, high=64)  # differs after every boot of the guest

    def validate(self, error: type[ProtocolError]) -> None:
        """A range of versions runs upwards."""
        if self.version_lowest > self.version_highest:
            raise error("range", "version_lowest: at most version_highest expected")


class Report(Message):
    """Guest to dom0: what the guest's kernel says of its memory now. Counters are cumulative since boot."""

    __slots__ = ()

    version: int = whole(low=1, high=U16)
    sequence: int = whole(high=U32)  # counts this agent's reports, wraps
    uptime_ms: int = whole()  # CLOCK_MONOTONIC when the sample was taken
    flags: int = whole(high=U32)
    total_kib: int = kib()  # MemTotal
    free_kib: int = kib()  # MemFree
    available_kib: int = kib()  # MemAvailable
    file_cache_kib: int = kib(default=0)  # Active(file) + Inactive(file): what can be dropped or written back
    shmem_kib: int = kib(default=0)  # Shmem: counted in Cached, but cannot be dropped
    anon_kib: int = kib(default=0)  # AnonPages
    unevictable_kib: int = kib(default=0)  # SUnreclaim + KernelStack + PageTables + Mlocked
    committed_kib: int = kib(default=0)  # Committed_AS
    swap_total_kib: int = kib(default=0)
    swap_used_kib: int = kib(default=0)  # without what is in memory again (SwapCached)
    min_free_kib: int = kib(default=0)  # vm.min_free_kbytes: the kernel's own reserve
    floor_kib: int = kib(default=0)  # the least total_kib the guest asks to keep; 0: no wish
    balloon_target_kib: int = kib(default=0)  # what the balloon driver is aiming at; 0: unknown
    swap_in_total: int = whole(default=0)  # pages
    swap_out_total: int = whole(default=0)  # pages
    refault_file_total: int = whole(default=0)  # pages
    refault_anon_total: int = whole(default=0)  # pages
    oom_kill_total: int = whole(default=0)
    psi_some_us_total: int = whole(default=0)  # time in which some task stalled on memory
    psi_full_us_total: int = whole(default=0)  # time in which all tasks did
    swap_ram_kib: int = kib(default=0)  # memory that compressed swap (zram, zswap) takes; in none of the parts above
    swap_packed_kib: int = kib(default=0)  # how much of swap_used_kib is in there, uncompressed size; the rest: a disk

    def validate(self, error: type[ProtocolError]) -> None:
        """Parts are not larger than the whole."""
        if self.total_kib == 0:
            raise error("range", "total_kib: at least 1 expected")
        if self.free_kib > self.total_kib:
            raise error("range", "free_kib: at most total_kib expected")
        if self.available_kib > self.total_kib:
            raise error("range", "available_kib: at most total_kib expected")
        if self.swap_used_kib > self.swap_total_kib:
            raise error("range", "swap_used_kib: at most swap_total_kib expected")
        if self.swap_ram_kib > self.total_kib:
            raise error("range", "swap_ram_kib: at most total_kib expected")
        if self.swap_packed_kib > self.swap_used_kib:
            raise error("range", "swap_packed_kib: at most swap_used_kib expected")

    @property
    def urgent(self) -> bool:
        """Whether the agent saw less available memory than its threshold."""
        return bool(self.flags & URGENT)


class Welcome(Message):
    """Dom0 to guest: the version both speak, and how eagerly to report."""

    __slots__ = ()

    version: int = whole(high=U16)  # 0: none in common, see reason; the guest keeps its memory and stays quiet
    reason: str = text(high=128)
    heartbeat_ms: int = whole(low=100, high=3_600_000, default=60_000)  # report at least this often
    interval_min_ms: int = whole(low=1, high=60_000, default=10)  # sample at most this often
    interval_max_ms: int = whole(low=1, high=3_600_000, default=500)  # sample at least this often
    change_kib: int = whole(low=1, high=SAFE_INTEGER, default=4096)  # report when available memory moved by this
    urgent_kib: int = kib(default=32_768)  # available memory below this is urgent

    def validate(self, error: type[ProtocolError]) -> None:
        """The sampling interval's bounds run upwards."""
        if self.interval_min_ms > self.interval_max_ms:
            raise error("range", "interval_min_ms: at most interval_max_ms expected")


class Grant(Message):
    """Dom0 to guest: how much it may grow by itself, and until when. Void after a resume, and with another domid."""

    __slots__ = ()

    version: int = whole(low=1, high=U16)
    extra_kib: int = kib()  # beyond the balloon target of the report echoed below
    echo_uptime_ms: int = whole()  # uptime_ms of the report that this grant answers
    duration_ms: int = whole(high=3_600_000)  # the grant ends at echo_uptime_ms + duration_ms on the guest's clock
