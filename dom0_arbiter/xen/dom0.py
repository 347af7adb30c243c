"""Dom0's own memory, and the arbiter's, through psutil."""

from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True, kw_only=True)
class Dom0Sample:
    """KiB; cpu_s is what the arbiter's process has used since it started."""

    total_kib: int
    available_kib: int
    arbiter_rss_kib: int
    arbiter_cpu_s: float


def sample_dom0() -> Dom0Sample:
    """Sample now."""
    memory = psutil.virtual_memory()
    me = psutil.Process()
    times = me.cpu_times()
    return Dom0Sample(
        total_kib=memory.total // 1024,
        available_kib=memory.available // 1024,
        arbiter_rss_kib=me.memory_info().rss // 1024,
        arbiter_cpu_s=times.user + times.system,
    )
