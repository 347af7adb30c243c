"""A guest's kernel as the balloon and the agent meet it: pages in use, reclaim, swap, and the OOM killer.

Guest's view, KiB: `total_kib` is MemTotal. Only what decides is played: which pages can be had, how fast, at what cost.
"""

from math import isqrt

TOUCH_KIB_S = 400_000  # one program writing to fresh pages; a present processor manages several times that
READ_KIB_S = 200_000  # a disk filling the page cache
SWAP_KIB_S = 100_000  # each way
CHURN_KIB = 512  # what a living system allocates at any moment, however idle
OOM_AFTER_S = 0.1  # of an allocation without progress; then mm/page_alloc.c has given up reclaiming
THRASH_RATIO = 4  # a tenth of the working set in swap stalls it for 40 % of the time, a quarter all the time
AGENT_KIB = 16_384  # with no program larger than this, the agent is what the OOM killer takes


class Kernel:
    """Mutable; `advance` plays a span of time, `release` and `total_kib` are the balloon driver's side."""

    __slots__ = (
        "agent_killed",
        "anon_kib",
        "cache_kib",
        "deaf_above_kib",
        "kernel_kib",
        "min_free_kib",
        "oom_kills_total",
        "psi_some_us_total",
        "refaults_total",
        "stalled_s",
        "swap_in_total",
        "swap_out_total",
        "swap_total_kib",
        "swapped_kib",
        "total_kib",
    )

    def __init__(self, *, total_kib: int, kernel_kib: int, static_max_kib: int, swap_total_kib: int = 0) -> None:
        self.total_kib = total_kib
        self.kernel_kib = kernel_kib  # slab, stacks, page tables, daemons: cannot be given up
        self.min_free_kib = isqrt(static_max_kib * 16)  # mm/page_alloc.c, init_per_zone_wmark_min
        self.swap_total_kib = swap_total_kib
        self.anon_kib = self.swapped_kib = self.cache_kib = 0
        self.swap_in_total = self.swap_out_total = self.refaults_total = self.oom_kills_total = 0  # pages; pages; ...
        self.psi_some_us_total = 0
        self.stalled_s = 0.0
        self.deaf_above_kib: int | None = None  # a killed program is not restarted until less than this is wanted
        self.agent_killed = False

    @property
    def free_kib(self) -> int:
        """MemFree."""
        return self.total_kib - self.kernel_kib - self.anon_kib - self.cache_kib

    @property
    def reserve_kib(self) -> int:
        """What MemAvailable leaves out of the free pages: the high watermark."""
        return self.min_free_kib * 3 // 2

    @property
    def available_kib(self) -> int:
        """MemAvailable, as si_mem_available reckons it."""
        cache_kib = self.cache_kib - min(self.cache_kib // 2, self.min_free_kib * 5 // 4)
        return max(0, self.free_kib - self.reserve_kib + cache_kib)

    @property
    def working_set_kib(self) -> int:
        """The MemTotal with which nothing would have to be in swap; what was killed is not wanted any more."""
        return self.kernel_kib + self.anon_kib + self.swapped_kib + self.reserve_kib

    @property
    def least_kib(self) -> int:
        """The MemTotal below which the OOM killer is certain: what cannot be reclaimed, nor be swapped."""
        room_kib = min(self.anon_kib, self.swap_total_kib - self.swapped_kib)
        return self.kernel_kib + self.anon_kib - room_kib + self.min_free_kib + CHURN_KIB

    def advance(self, anon_want_kib: int, cache_want_kib: int, dt_s: float) -> bool:
        """Play programs that want so much anonymous memory and cache; return whether a level changed, or one waits."""
        if self.deaf_above_kib is not None:
            if anon_want_kib >= self.deaf_above_kib:
                anon_want_kib = 0
            else:
                self.deaf_above_kib = None
        held_kib = self.anon_kib + self.swapped_kib
        before = held_kib, self.swapped_kib, self.cache_kib
        blocked = False
        swap_kib = int(SWAP_KIB_S * dt_s)
        if anon_want_kib < held_kib:
            self._exit(held_kib - anon_want_kib, held_kib)
        elif anon_want_kib > held_kib:
            asked_kib = min(anon_want_kib - held_kib, int(TOUCH_KIB_S * dt_s))
            got_kib = self._obtain(asked_kib)
            if got_kib < asked_kib:
                got_kib += self._swap_out(min(asked_kib - got_kib, swap_kib))
            self.anon_kib += got_kib
            blocked = got_kib == 0 < asked_kib
        if self.swapped_kib:
            self._swap_in(swap_kib, dt_s)
        if self.free_kib + self.cache_kib < self.min_free_kib + CHURN_KIB:
            blocked = blocked or not self._swap_out(min(CHURN_KIB, swap_kib))
        if blocked:
            self._stall(1.0, dt_s)
            self.stalled_s += dt_s
            if self.stalled_s >= OOM_AFTER_S:
                self._kill(anon_want_kib)
        else:
            self.stalled_s = 0.0
        self._read(cache_want_kib, dt_s)
        return blocked or before != (self.anon_kib + self.swapped_kib, self.swapped_kib, self.cache_kib)

    def release(self, kib: int, dt_s: float) -> int:
        """Give pages to the balloon, as many as reclaim yields (GFP_NORETRY), and return how many."""
        got_kib = self._obtain(kib)
        if got_kib < kib:
            got_kib += self._swap_out(min(kib - got_kib, int(SWAP_KIB_S * dt_s)))
        got_kib &= ~3
        self.total_kib -= got_kib
        return got_kib

    def _obtain(self, kib: int) -> int:
        """Make room without swapping: from free pages above the low reserve, then from the cache."""
        spare_kib = self.free_kib - self.min_free_kib
        if spare_kib < kib:
            dropped_kib = min(self.cache_kib, kib - spare_kib)
            self.cache_kib -= dropped_kib
            spare_kib += dropped_kib
        return max(0, min(kib, spare_kib))

    def _swap_out(self, kib: int) -> int:
        kib = max(0, min(kib, self.anon_kib, self.swap_total_kib - self.swapped_kib))
        self.anon_kib -= kib
        self.swapped_kib += kib
        self.swap_out_total += kib // 4
        return kib

    def _swap_in(self, kib: int, dt_s: float) -> None:
        """Programs fault their pages back in; where there is no room, others go out for them: thrashing."""
        wanted_kib = min(kib, self.swapped_kib)
        got_kib = self._obtain(wanted_kib)
        self.anon_kib += got_kib
        self.swapped_kib -= got_kib
        thrashed_kib = wanted_kib - got_kib
        self.swap_in_total += wanted_kib // 4
        self.swap_out_total += thrashed_kib // 4
        missing_ratio = self.swapped_kib / max(1, self.anon_kib + self.swapped_kib)
        self._stall(min(1.0, THRASH_RATIO * missing_ratio), dt_s)

    def _read(self, want_kib: int, dt_s: float) -> None:
        room_kib = min(want_kib - self.cache_kib, self.free_kib - self.reserve_kib, int(READ_KIB_S * dt_s))
        if room_kib >= 4:
            self.cache_kib += room_kib
            self.refaults_total += room_kib // 4

    def _exit(self, kib: int, held_kib: int) -> None:
        """Free memory of programs, swapped or not in proportion."""
        swapped_kib = min(self.swapped_kib, -(-kib * self.swapped_kib // held_kib))
        self.swapped_kib -= swapped_kib
        self.anon_kib -= kib - swapped_kib

    def _stall(self, ratio: float, dt_s: float) -> None:
        self.psi_some_us_total += int(ratio * dt_s * 1_000_000)

    def _kill(self, anon_want_kib: int) -> None:
        self.oom_kills_total += 1
        self.stalled_s = 0.0
        if self.anon_kib + self.swapped_kib <= AGENT_KIB:
            self.agent_killed = True
        else:
            self.deaf_above_kib = max(4, anon_want_kib)
        self.anon_kib = self.swapped_kib = 0
