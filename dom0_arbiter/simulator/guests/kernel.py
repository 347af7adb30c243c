"""A guest's kernel as the balloon and the agent meet it: pages in use, reclaim, swap, and the OOM killer.

Guest's view, KiB: `total_kib` is MemTotal. Only what decides is played: which pages can be had, how fast, at what cost.
"""

from math import isqrt, sqrt
from typing import Literal, Protocol

Swap = Literal["none", "disk", "zram"]

TOUCH_KIB_S = 400_000  # one program writing to fresh pages; a present processor manages several times that
READ_KIB_S = 200_000  # a disk filling the page cache
SWAP_KIB_S: dict[Swap, int] = {"none": 0, "disk": 100_000, "zram": 800_000}  # each way
ZRAM_DIVISOR = 2  # what is swapped to zram takes half of its size, in the guest's own memory
CHURN_KIB = 512  # what a living system allocates at any moment, however idle
OOM_AFTER_S = 0.1  # of an allocation without progress; then mm/page_alloc.c has given up reclaiming
# A tenth of the working set in swap stalls it for 40 % of the time, a quarter all the time; in zram, for 10 and 25 %.
THRASH_RATIO: dict[Swap, float] = {"none": 0.0, "disk": 4.0, "zram": 1.0}
POOL_THRASH_RATIO = 0.5  # a page from Xen costs a hypercall and a copy, one from zram a decompression
FULL_RATIO = 0.8  # of the time that some task stalls, all do
TURNOVER_S = 20.0  # in which programs read as much as their cached files' size, the popular ones more often
AGENT_KIB = 16_384  # with no program larger than this, the agent is what the OOM killer takes


class Pool(Protocol):
    """Memory outside the guest that takes pages it drops: transcendent memory (Magenheimer 2009). KiB."""

    def put_swap(self, kib: int) -> int:
        """Take pages that are being swapped out; return how many."""

    def get_swap(self, kib: int) -> int:
        """Give so many of them back; return how many it had."""

    def drop_swap(self, kib: int) -> None:
        """Their program has exited."""

    def put_clean(self, kib: int) -> None:
        """Clean cache was evicted: keep it if there is room."""

    def get_clean(self, kib: int) -> int:
        """So much of the cache is missed: return how much of that is here."""


class Kernel:
    """Mutable; `advance` plays a span of time, `release` and `total_kib` are the balloon driver's side."""

    __slots__ = (
        "_refaulted_kib",
        "agent_killed",
        "anon_kib",
        "cache_kib",
        "cache_miss_kib",
        "deaf_above_kib",
        "dom0_hit_kib",
        "dom0_hit_ratio",
        "evicted_kib",
        "kernel_kib",
        "min_free_kib",
        "oom_kills_total",
        "pool",
        "pooled_kib",
        "psi_full_us_total",
        "psi_some_us_total",
        "read_kib",
        "stalled_s",
        "swap",
        "swap_in_total",
        "swap_out_total",
        "swap_total_kib",
        "swapped_kib",
        "total_kib",
    )

    def __init__(
        self, *, total_kib: int, kernel_kib: int, static_max_kib: int, swap: Swap = "none", swap_total_kib: int = 0
    ) -> None:
        self.total_kib = total_kib
        self.kernel_kib = kernel_kib  # slab, stacks, page tables, daemons: cannot be given up
        self.min_free_kib = isqrt(static_max_kib * 16)  # mm/page_alloc.c, init_per_zone_wmark_min
        self.swap = swap
        self.swap_total_kib = swap_total_kib if swap != "none" else 0
        self.pool: Pool | None = None
        self.pooled_kib = 0  # pages of programs that lie in the pool
        self.evicted_kib = 0  # cache that was dropped, and is a refault if it is read again
        self.read_kib = 0.0  # what programs read of files, from wherever
        self._refaulted_kib = 0.0
        self.dom0_hit_ratio = 0.0  # of what is missed here, so much lies in dom0's cache
        self.dom0_hit_kib = 0.0
        self.cache_miss_kib = 0.0  # what came from the disk
        self.anon_kib = self.swapped_kib = self.cache_kib = 0
        self.swap_in_total = self.swap_out_total = self.oom_kills_total = 0  # pages; pages; ...
        self.psi_some_us_total = self.psi_full_us_total = 0
        self.stalled_s = 0.0
        self.deaf_above_kib: int | None = None  # a killed program is not restarted until less than this is wanted
        self.agent_killed = False

    @property
    def free_kib(self) -> int:
        """MemFree."""
        return self.total_kib - self.kernel_kib - self.anon_kib - self.cache_kib - self.zram_kib

    @property
    def refaults_total(self) -> int:
        """workingset_refault_file, pages."""
        return int(self._refaulted_kib) // 4

    @property
    def zram_kib(self) -> int:
        """What compressed swap takes."""
        return self.swapped_kib // ZRAM_DIVISOR if self.swap == "zram" else 0

    @property
    def held_kib(self) -> int:
        """What programs have touched and not given back, wherever it lies."""
        return self.anon_kib + self.swapped_kib + self.pooled_kib

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
        return self.kernel_kib + self.held_kib + self.reserve_kib

    @property
    def least_kib(self) -> int:
        """The MemTotal below which the OOM killer is certain: what cannot be reclaimed, nor be swapped."""
        room_kib = min(self.anon_kib, self.swap_total_kib - self.swapped_kib)
        if self.swap == "zram":
            room_kib //= ZRAM_DIVISOR
        return self.kernel_kib + self.zram_kib + self.anon_kib - room_kib + self.min_free_kib + CHURN_KIB

    def advance(self, anon_want_kib: int, cache_want_kib: int, dt_s: float) -> bool:
        """Play programs that want so much anonymous memory and cache; return whether a level changed, or one waits."""
        if self.deaf_above_kib is not None:
            if anon_want_kib >= self.deaf_above_kib:
                anon_want_kib = 0
            else:
                self.deaf_above_kib = None
        held_kib = self.held_kib
        before = held_kib, self.swapped_kib, self.pooled_kib, self.cache_kib
        blocked = False
        if anon_want_kib < held_kib:
            self._exit(held_kib - anon_want_kib, held_kib)
        elif anon_want_kib > held_kib:
            asked_kib = min(anon_want_kib - held_kib, int(TOUCH_KIB_S * dt_s))
            got_kib = self._obtain(asked_kib)
            if got_kib < asked_kib:
                got_kib += self._swap_out(asked_kib - got_kib, dt_s)
            self.anon_kib += got_kib
            blocked = got_kib == 0 < asked_kib
        if self.pooled_kib:
            self._fetch(dt_s)
        if self.swapped_kib:
            self._swap_in(dt_s)
        if self.free_kib + self.cache_kib < self.min_free_kib + CHURN_KIB:
            blocked = blocked or not self._swap_out(CHURN_KIB, dt_s)
        if blocked:
            self._stall(1.0, dt_s)
            self.stalled_s += dt_s
            if self.stalled_s >= OOM_AFTER_S:
                self._kill(anon_want_kib)
        else:
            self.stalled_s = 0.0
        self._read(cache_want_kib, dt_s)
        return blocked or before != (self.held_kib, self.swapped_kib, self.pooled_kib, self.cache_kib)

    def release(self, kib: int, dt_s: float) -> int:
        """Give pages to the balloon, as many as reclaim yields (GFP_NORETRY), and return how many."""
        got_kib = self._obtain(kib)
        if got_kib < kib:
            got_kib += self._swap_out(kib - got_kib, dt_s)
        got_kib &= ~3
        self.total_kib -= got_kib
        return got_kib

    def _obtain(self, kib: int) -> int:
        """Make room without swapping: from free pages above the low reserve, then from the cache."""
        spare_kib = self.free_kib - self.min_free_kib
        if spare_kib < kib:
            dropped_kib = min(self.cache_kib, kib - spare_kib)
            self.cache_kib -= dropped_kib
            self.evicted_kib += dropped_kib
            if self.pool is not None:
                self.pool.put_clean(dropped_kib)
            spare_kib += dropped_kib
        return max(0, min(kib, spare_kib))

    def _swap_out(self, kib: int, dt_s: float) -> int:
        """Free so much by swapping, if it can be done in the time; return how much was freed."""
        freed_kib = 0
        if self.pool is not None:
            freed_kib = self.pool.put_swap(min(kib, self.anon_kib))
            self.anon_kib -= freed_kib
            self.pooled_kib += freed_kib
        divisor = ZRAM_DIVISOR if self.swap == "zram" else 1
        out_kib = min(
            divisor * (kib - freed_kib),
            self.anon_kib,
            self.swap_total_kib - self.swapped_kib,
            int(SWAP_KIB_S[self.swap] * dt_s),
        )
        if out_kib > 0:
            before_kib = self.free_kib
            self.anon_kib -= out_kib
            self.swapped_kib += out_kib
            self.swap_out_total += out_kib // 4
            freed_kib += self.free_kib - before_kib
        return freed_kib

    def _swap_in(self, dt_s: float) -> None:
        """Programs fault their pages back in; where there is no room, others go out for them: thrashing."""
        missing_ratio = self.swapped_kib / self.held_kib
        wanted_kib = min(int(SWAP_KIB_S[self.swap] * dt_s), self.swapped_kib)
        room_kib = self.free_kib + self.cache_kib - self.min_free_kib - CHURN_KIB
        got_kib = self._obtain(min(wanted_kib, max(0, room_kib)) & ~3)
        self.anon_kib += got_kib
        self.swapped_kib -= got_kib
        thrashed_kib = wanted_kib - got_kib
        self.swap_in_total += wanted_kib // 4
        self.swap_out_total += thrashed_kib // 4
        self._stall(min(1.0, THRASH_RATIO[self.swap] * missing_ratio), dt_s)

    def _fetch(self, dt_s: float) -> None:
        """Pages in the pool are wanted as well: they come back as far as there is room, or change places."""
        if self.pool is None:
            return
        missing_ratio = self.pooled_kib / self.held_kib
        got_kib = self.pool.get_swap(self._obtain(min(self.pooled_kib, int(TOUCH_KIB_S * dt_s))))
        self.anon_kib += got_kib
        self.pooled_kib -= got_kib
        self._stall(min(1.0, POOL_THRASH_RATIO * missing_ratio), dt_s)

    def _read(self, want_kib: int, dt_s: float) -> None:
        """Programs read files: what fits is cached; of what does not, the popular half is missed less.

        Of reads that go to a set of `want_kib`, sqrt(cache / want) hit: accesses whose frequency falls as rank^-1/2.
        """
        self.read_kib += want_kib / TURNOVER_S * dt_s
        missing_kib = want_kib - self.cache_kib
        if missing_kib <= 0:
            return
        room_kib = min(missing_kib, self.free_kib - self.reserve_kib, int(READ_KIB_S * dt_s))
        if room_kib >= 4:
            self.cache_kib += room_kib
            refaulted_kib = min(self.evicted_kib, room_kib)
            self.evicted_kib -= refaulted_kib
            self._refaulted_kib += refaulted_kib
            return
        missed_kib = want_kib / TURNOVER_S * (1.0 - sqrt(self.cache_kib / want_kib)) * dt_s
        if self.pool is not None:
            missed_kib -= self.pool.get_clean(int(missed_kib))
        self._refaulted_kib += missed_kib
        dom0_kib = missed_kib * self.dom0_hit_ratio
        self.dom0_hit_kib += dom0_kib
        self.cache_miss_kib += missed_kib - dom0_kib

    def _exit(self, kib: int, held_kib: int) -> None:
        """Free memory of programs, swapped or not in proportion."""
        swapped_kib = min(self.swapped_kib, -(-kib * self.swapped_kib // held_kib))
        pooled_kib = min(self.pooled_kib, kib - swapped_kib, -(-kib * self.pooled_kib // held_kib))
        self.swapped_kib -= swapped_kib
        self.pooled_kib -= pooled_kib
        if self.pool is not None and pooled_kib:
            self.pool.drop_swap(pooled_kib)
        self.anon_kib -= kib - swapped_kib - pooled_kib

    def _stall(self, ratio: float, dt_s: float) -> None:
        stalled_us = int(ratio * dt_s * 1_000_000)
        self.psi_some_us_total += stalled_us
        self.psi_full_us_total += int(stalled_us * FULL_RATIO)

    def _kill(self, anon_want_kib: int) -> None:
        self.oom_kills_total += 1
        self.stalled_s = 0.0
        if self.held_kib <= AGENT_KIB:
            self.agent_killed = True
        else:
            self.deaf_above_kib = max(4, anon_want_kib)
        if self.pool is not None and self.pooled_kib:
            self.pool.drop_swap(self.pooled_kib)
        self.anon_kib = self.swapped_kib = self.pooled_kib = 0
