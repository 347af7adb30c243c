"""How fast the agent frees memory for a balloon that wants it, and when it lets that be. Pure.

Left alone, a balloon takes the pages that are free at hand, and then waits a second or more before it tries again
(drivers/xen/balloon.c): memory that nobody needs leaves a guest in sips. The agent has the kernel give up clean cache
first, then what compressed swap can hold, by cgroup v2's memory.reclaim (Linux 5.19), and wakes the balloon for it.
"""

from guest_agent.sample import Counters, Sample

STEP_MOST_KIB = 16 * 1024
"""Asked for at once: the call returns when that is done, and nothing is measured meanwhile."""
STEP_LEAST_KIB = 1024
RESERVE_RATIO = 3
"""What is free beyond so many times the kernel's own reserve is there for the balloon already."""
STALL_RATIO = 2
"""Somebody stalls for half of the time since the last step: harm. (Less may be the balloon's own, which reclaims when
it finds no page: at a tenth every shrink was given up. memory.reclaim counts as none, Linux 5.9.)"""
REFAULT_RATIO = 8
"""Of what was freed an eighth is read again: harm."""
PAUSE_MS = 10_000
"""After harm, the balloon is left alone for so long: what it finds free, it takes."""
PAGE_KIB = 4


class Shrinking:
    """What was freed lately, and what came of it. Mutable."""

    __slots__ = ("_at_ms", "_began", "_freed_kib", "_not_before_ms", "budget_kib_s")

    def __init__(self, budget_kib_s: int) -> None:
        self.budget_kib_s = budget_kib_s
        self._began: Counters | None = None  # as they were at the last step
        self._at_ms = self._not_before_ms = self._freed_kib = 0

    def may_free(self, sample: Sample, gap_kib: int) -> bool:
        """Whether the balloon should be helped at all now: only then counters are worth reading."""
        if gap_kib < STEP_LEAST_KIB:
            self._began = None
            return False
        return sample.uptime_ms >= self._not_before_ms

    def step_kib(self, sample: Sample, counters: Counters, *, gap_kib: int) -> int:
        """How much to free now for a balloon that has `gap_kib` still to take; 0: nothing. `freed` must follow a step.

        counters: as they are now.
        """
        now_ms = sample.uptime_ms
        if now_ms < self._not_before_ms:
            return 0
        elapsed_ms = now_ms - self._at_ms
        if self._began is not None and self._does_harm(self._began, counters, elapsed_ms):
            self._pause(now_ms)
            return 0
        lacking_kib = gap_kib - max(0, sample.free_kib - RESERVE_RATIO * counters.min_free_kib)
        budget_kib = STEP_LEAST_KIB if self._began is None else self.budget_kib_s * elapsed_ms // 1000
        step_kib = min(lacking_kib, budget_kib, STEP_MOST_KIB)
        if step_kib < STEP_LEAST_KIB:
            return 0
        self._began, self._at_ms = counters, now_ms
        return step_kib

    def freed(self, kib: int) -> None:
        """Take note that the last step brought so much; 0: there was nothing more to be had, or no way to it."""
        self._freed_kib = kib
        if not kib:
            self._pause(self._at_ms)

    def _pause(self, now_ms: int) -> None:
        self._began, self._not_before_ms = None, now_ms + PAUSE_MS

    def _does_harm(self, began: Counters, counters: Counters, elapsed_ms: int) -> bool:
        stalled_us = counters.psi_some_us_total - began.psi_some_us_total
        refaulted = counters.refault_file_total - began.refault_file_total
        refaulted += counters.refault_anon_total - began.refault_anon_total
        return stalled_us * STALL_RATIO > elapsed_ms * 1000 or refaulted * PAGE_KIB * REFAULT_RATIO > self._freed_kib
