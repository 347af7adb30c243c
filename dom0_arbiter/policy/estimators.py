"""Estimates of a guest's working set from its reports, in the guest's view, KiB; one interface, so that they compare.

The settings name one; `working-set` is ours and the default, the others are there to be measured against it.
"""

from collections.abc import Callable, Mapping
from typing import Literal

from dom0_arbiter.policy.history import History, used_kib

Estimator = Callable[[History, float], int]
"""(history, now_s) -> KiB."""
EstimatorName = Literal["working-set", "available", "committed-as", "committed-as-cache", "used-margin"]

SWAPPED_HALF_LIFE_S = 60.0  # swapped memory that nobody asks for stops counting as working set at this pace
MARGIN_NUMERATOR, MARGIN_DENOMINATOR = 13, 10  # qmemman's CACHE_FACTOR (qubes-core-admin, qubes/qmemman/algo.py)
CACHE_DIVISOR = 3  # of the cache, as much as qmemman's factor leaves a guest whose memory is all used


def working_set(history: History, now_s: float) -> int:
    """Ours: what cannot be reclaimed, what lies in swap, and what pressure has shown beside.

    Swapped memory is counted at its full size less what it takes already (zram, zswap), and halved for every minute
    without swapping or stalls: what nobody asks for may stay there.
    """
    report = history.report
    halvings = min((now_s - history.pressed_s) // SWAPPED_HALF_LIFE_S, 40)
    packs_kib = max(0, report.swap_packed_kib - report.swap_ram_kib)
    swapped_kib = (report.swap_used_kib - report.swap_packed_kib + packs_kib) >> int(halvings)
    return used_kib(report) + swapped_kib + int(history.hidden.kib)


def available(history: History, _now_s: float) -> int:
    """MemTotal − MemAvailable (Linux 3.14, commit 34e431b0): what the kernel itself thinks it could not give."""
    return used_kib(history.report)


def committed_as(history: History, _now_s: float) -> int:
    """Committed_AS: all that programs were promised (Magenheimer, "Memory Overcommit without the Commitment", 2008)."""
    return int(history.report.committed_kib)


def committed_as_cache(history: History, _now_s: float) -> int:
    """Committed_AS and some cache (Rutkowska on xen-devel, 2010). How much she left open: we take a third of it."""
    return int(history.report.committed_kib + history.report.file_cache_kib // CACHE_DIVISOR)


def used_margin(history: History, _now_s: float) -> int:
    """Qmemman's: 1.3 times what is neither free nor cached, with swap. Shared memory counts as cached there."""
    report = history.report
    cached_kib = report.file_cache_kib + report.shmem_kib
    used = max(0, report.total_kib - report.free_kib - cached_kib) + report.swap_used_kib
    return used * MARGIN_NUMERATOR // MARGIN_DENOMINATOR


ESTIMATORS: Mapping[EstimatorName, Estimator] = {
    "working-set": working_set,
    "available": available,
    "committed-as": committed_as,
    "committed-as-cache": committed_as_cache,
    "used-margin": used_margin,
}
