"""How fast the agent frees memory for a balloon that wants it, and when it lets that be. Pure.

Left alone, a balloon takes the pages that are free at hand, and then waits a second or more before it tries again
(drivers/xen/balloon.c): memory that nobody needs leaves a guest in sips. The agent has the kernel give up clean cache
first, then what compressed swap can hold, by cgroup v2's memory.reclaim (Linux 5.19), and wakes the balloon for it.
"""

from guest_agent.sample import Counters, Sample

STEP_MOST_KIB = 16 * 1024
"""Asked for at once: the call returns when that is done, and nothing is measured meanwhile."""
STEP_LEAST_KIB = 1024
STALL_RATIO = 10
"""Others stall for a tenth of the time since the last step: harm."""
REFAULT_RATIO = 8
"""Of what was freed an eighth is read again: harm."""
PAUSE_MS = 10_000
"""After harm, the balloon is left alone for so long: what it finds free, it takes."""
PAGE_KIB = 4


class Shrinking:
    """What was freed lately, and what came of it. Mutable."""

    __slots__ = ("_at_ms", "_began", "_freed_kib", "_not_before_ms", "_own_us", "budget_kib_s")

    def __init__(self, budget_kib_s: int) -> None:
        self.budget_kib_s = budget_kib_s
        self._began: Counters | None = None  # as they were at the last step
        self._at_ms = self._not_before_ms = 0
        self._freed_kib = self._own_us = 0

    def step_kib(self, sample: Sample, counters: Counters, *, gap_kib: int) -> int:
        """How much to free now for a balloon that has `gap_kib` still to take; 0: nothing."""
        now_ms = sample.uptime_ms
        if gap_kib < STEP_LEAST_KIB:
            self._began = None
            return 0
        if now_ms < self._not_before_ms:
            return 0
        elapsed_ms = now_ms - self._at_ms
        if self._began is not None and self._does_harm(self._began, counters, elapsed_ms):
            self._began, self._not_before_ms = None, now_ms + PAUSE_MS
            return 0
        is_first = self._began is None
        budget_kib = STEP_LEAST_KIB if is_first else self.budget_kib_s * elapsed_ms // 1000
        step_kib = min(gap_kib, budget_kib, STEP_MOST_KIB)
        if step_kib < min(STEP_LEAST_KIB, gap_kib):
            return 0
        self._began, self._at_ms = counters, now_ms
        return step_kib

    def freed(self, kib: int, took_us: int) -> None:
        """Take note that the last step brought so much, 0 where there was nothing more to be had, in so long."""
        self._freed_kib, self._own_us = kib, took_us
        if not kib:
            self._not_before_ms = self._at_ms + PAUSE_MS
            self._began = None

    def _does_harm(self, began: Counters, counters: Counters, elapsed_ms: int) -> bool:
        stalled_us = counters.psi_some_us_total - began.psi_some_us_total - self._own_us  # freeing is a stall itself
        refaulted = counters.refault_file_total - began.refault_file_total
        refaulted += counters.refault_anon_total - began.refault_anon_total
        return stalled_us * STALL_RATIO > elapsed_ms * 1000 or refaulted * PAGE_KIB * REFAULT_RATIO > self._freed_kib
