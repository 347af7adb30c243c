"""A played kernel: what it can give, at what cost, and what becomes of a guest that gets too little."""

from math import sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dom0_arbiter.simulator.guests.kernel import AGENT_KIB, CHURN_KIB, READ_KIB_S, TOUCH_KIB_S, TURNOVER_S, Kernel, Swap

MIB = 1024
STATIC_MAX_KIB = 1024 * MIB
KERNEL_KIB = 32 * MIB
DT_S = 0.01


def kernel_of(total: int = 512, *, swap: Swap = "none", swap_total: int = 512) -> Kernel:
    """MiB."""
    return Kernel(
        total_kib=total * MIB,
        kernel_kib=KERNEL_KIB,
        static_max_kib=STATIC_MAX_KIB,
        swap=swap,
        swap_total_kib=swap_total * MIB,
    )


def live(kernel: Kernel, for_s: float, *, anon: int = 0, cache: int = 0) -> None:
    """Programs that want so many MiB."""
    for _ in range(round(for_s / DT_S)):
        kernel.advance(anon * MIB, cache * MIB, DT_S)


def shrink(kernel: Kernel, to: int, *, anon: int, for_s: float = 10.0) -> None:
    """The balloon takes what it can get, down to a MemTotal of so many MiB, while programs want `anon` MiB."""
    for _ in range(round(for_s / DT_S)):
        kernel.release(max(0, kernel.total_kib - to * MIB), DT_S)
        kernel.advance(anon * MIB, 0, DT_S)


class Store:
    """A pool of a fixed size."""

    def __init__(self, kib: int) -> None:
        self.room_kib = kib
        self.swap_kib = self.clean_kib = 0

    def put_swap(self, kib: int) -> int:
        got_kib = min(kib, self.room_kib)
        self.swap_kib += got_kib
        self.room_kib -= got_kib
        return got_kib

    def get_swap(self, kib: int) -> int:
        got_kib = min(kib, self.swap_kib)
        self.drop_swap(got_kib)
        return got_kib

    def drop_swap(self, kib: int) -> None:
        assert kib <= self.swap_kib
        self.swap_kib -= kib
        self.room_kib += kib

    def put_clean(self, kib: int) -> None:
        self.clean_kib += kib

    def get_clean(self, kib: int) -> int:
        return min(kib, self.clean_kib)


def test_programs_touch_memory_at_their_pace() -> None:
    kernel = kernel_of()
    live(kernel, 0.5, anon=400)
    assert kernel.anon_kib == TOUCH_KIB_S // 2
    live(kernel, 1.0, anon=400)
    assert kernel.anon_kib == 400 * MIB


def test_cache_gives_way_to_programs_and_to_the_balloon() -> None:
    kernel = kernel_of()
    live(kernel, 5, cache=1024)
    assert kernel.cache_kib > 400 * MIB
    assert kernel.release(200 * MIB, DT_S) == 200 * MIB
    live(kernel, 5, anon=200)
    assert kernel.anon_kib == 200 * MIB
    assert kernel.psi_some_us_total == 0


def test_what_is_swapped_to_zram_frees_half_of_its_size() -> None:
    kernel = kernel_of(swap="zram")
    live(kernel, 5, anon=400)
    free_kib = kernel.free_kib - kernel.min_free_kib
    assert kernel.release(free_kib + 100 * MIB, 10.0) == pytest.approx(free_kib + 100 * MIB, abs=4)
    assert kernel.swapped_kib == pytest.approx(200 * MIB, abs=8)
    assert kernel.zram_kib == kernel.swapped_kib // 2


def test_what_is_swapped_to_a_disk_frees_all_of_it() -> None:
    kernel = kernel_of(swap="disk")
    live(kernel, 5, anon=400)
    free_kib = kernel.free_kib - kernel.min_free_kib
    kernel.release(free_kib + 100 * MIB, 10.0)
    assert kernel.swapped_kib == 100 * MIB
    assert kernel.zram_kib == 0


def test_the_balloon_gets_no_more_than_the_disk_takes_in_that_time() -> None:
    kernel = kernel_of(swap="disk")
    live(kernel, 5, anon=400)
    free_kib = kernel.free_kib - kernel.min_free_kib
    assert kernel.release(free_kib + 100 * MIB, 0.1) == pytest.approx(free_kib + 10_000, abs=4)


def test_without_swap_a_program_that_finds_no_memory_is_killed() -> None:
    kernel = kernel_of()
    live(kernel, 5, anon=600)
    assert kernel.oom_kills_total == 1, "and is not run again as long as it wants too much"
    assert kernel.anon_kib == 0
    live(kernel, 5, anon=300)
    assert (kernel.oom_kills_total, kernel.anon_kib) == (1, 300 * MIB)


@pytest.mark.parametrize("swap", ["disk", "zram"])
def test_with_swap_it_is_slow_instead(swap: Swap) -> None:
    kernel = kernel_of(swap=swap)
    live(kernel, 20, anon=600)
    assert kernel.oom_kills_total == 0
    assert kernel.held_kib == 600 * MIB
    assert kernel.swapped_kib > 0
    assert kernel.psi_some_us_total > kernel.psi_full_us_total > 0
    assert kernel.swap_in_total > 0


@pytest.mark.parametrize("swap", ["disk", "zram"])
def test_until_the_swap_is_full(swap: Swap) -> None:
    kernel = kernel_of(swap=swap, swap_total=100)
    live(kernel, 20, anon=700)
    assert kernel.oom_kills_total == 1


def test_zram_stalls_less_than_a_disk() -> None:
    stalled_us = {}
    for swap in ("disk", "zram"):
        kernel = kernel_of(swap="disk" if swap == "disk" else "zram")
        live(kernel, 20, anon=550)
        stalled_us[swap] = kernel.psi_some_us_total
    assert 0 < stalled_us["zram"] < stalled_us["disk"]


def test_with_nothing_larger_left_the_agent_is_what_is_killed() -> None:
    kernel = kernel_of(total=KERNEL_KIB // MIB + 6)
    live(kernel, 5, anon=AGENT_KIB // MIB)
    assert kernel.agent_killed


def test_above_the_least_size_nobody_is_killed_and_below_it_somebody_is() -> None:
    kernel = kernel_of(swap="disk", swap_total=100)
    live(kernel, 5, anon=300)
    least_mib = kernel.least_kib // MIB
    shrink(kernel, least_mib + 2, anon=300)
    assert kernel.oom_kills_total == 0
    kernel.total_kib = (least_mib - 2) * MIB
    live(kernel, 5, anon=300)
    assert kernel.oom_kills_total == 1


wishes = st.lists(st.tuples(st.integers(0, 1500), st.integers(0, 500), st.integers(48, 1024)), min_size=1, max_size=12)


@settings(deadline=None, max_examples=60)
@given(wishes, st.sampled_from(("none", "disk", "zram")), st.integers(0, 600))
def test_nobody_is_killed_while_there_is_swap_left_and_no_page_is_lost(
    wanted: list[tuple[int, int, int]], swap: Swap, swap_total: int
) -> None:
    kernel = kernel_of(swap=swap, swap_total=swap_total)
    for anon, cache, total in wanted:
        for _ in range(40):
            kills = kernel.oom_kills_total
            left_kib, swappable_kib = kernel.swap_total_kib - kernel.swapped_kib, kernel.anon_kib
            if kernel.total_kib > total * MIB:
                kernel.release(kernel.total_kib - total * MIB, 0.05)
            else:
                kernel.total_kib = total * MIB
            kernel.advance(anon * MIB, cache * MIB, 0.05)
            if kernel.oom_kills_total > kills:
                assert min(left_kib, swappable_kib) <= 2 * CHURN_KIB
            assert kernel.free_kib >= 0
            assert 0 <= kernel.swapped_kib <= kernel.swap_total_kib
            assert min(kernel.anon_kib, kernel.cache_kib, kernel.pooled_kib) >= 0
            assert kernel.available_kib <= kernel.total_kib
            assert kernel.psi_full_us_total <= kernel.psi_some_us_total


@pytest.mark.parametrize(("cached", "missed_ratio"), [(0, 1.0), (25, 0.5), (64, 0.2), (81, 0.1), (100, 0.0)])
def test_reads_miss_less_the_more_is_cached_and_the_popular_half_is_cached_first(
    cached: int, missed_ratio: float
) -> None:
    kernel = kernel_of()
    kernel.cache_kib = cached * MIB
    kernel.total_kib = KERNEL_KIB + kernel.cache_kib + kernel.reserve_kib  # no room for more
    live(kernel, 10, cache=100)
    assert missed_ratio == pytest.approx(1 - sqrt(cached / 100))
    assert kernel.cache_miss_kib == pytest.approx(100 * MIB / TURNOVER_S * 10 * missed_ratio)
    assert kernel.read_kib == pytest.approx(100 * MIB / TURNOVER_S * 10)


def test_what_dom0_has_cached_is_no_miss() -> None:
    kernel = kernel_of(total=KERNEL_KIB // MIB + 16)
    kernel.dom0_hit_ratio = 0.25
    live(kernel, 10, cache=100)
    assert kernel.dom0_hit_kib == pytest.approx(kernel.cache_miss_kib / 3)


def test_cache_is_filled_at_the_pace_of_a_disk_and_what_was_dropped_refaults() -> None:
    kernel = kernel_of()
    live(kernel, 1, cache=400)
    assert kernel.cache_kib == READ_KIB_S
    live(kernel, 2, cache=400)
    assert kernel.refaults_total == 0
    dropped_kib = kernel.cache_kib
    kernel.release(300 * MIB, DT_S)
    dropped_kib -= kernel.cache_kib
    kernel.total_kib += 300 * MIB
    live(kernel, 5, cache=400)
    assert kernel.refaults_total == pytest.approx(dropped_kib / 4, rel=0.001)


def test_what_a_pool_takes_costs_no_disk_and_comes_back() -> None:
    kernel = kernel_of()
    kernel.pool = store = Store(200 * MIB)
    live(kernel, 5, anon=400)
    shrink(kernel, 300, anon=400)
    assert kernel.held_kib == 400 * MIB
    assert kernel.pooled_kib == store.swap_kib > 100 * MIB
    assert (kernel.swap_out_total, kernel.oom_kills_total) == (0, 0)
    assert kernel.psi_some_us_total > 0
    kernel.total_kib = 512 * MIB
    live(kernel, 5, anon=400)
    assert (kernel.pooled_kib, store.swap_kib, kernel.anon_kib) == (0, 0, 400 * MIB)


def test_what_ends_or_is_killed_leaves_nothing_in_the_pool() -> None:
    for anon, kills in ((100, 0), (1000, 1)):
        kernel = kernel_of()
        kernel.pool = store = Store(150 * MIB)
        live(kernel, 5, anon=500)
        assert store.swap_kib > 0
        live(kernel, 5, anon=anon)
        if not kills:
            assert kernel.held_kib == anon * MIB
        assert kernel.oom_kills_total == kills
        assert store.swap_kib == kernel.pooled_kib


def test_clean_pages_found_in_a_pool_are_no_misses() -> None:
    kernel = kernel_of(total=KERNEL_KIB // MIB + 16)
    live(kernel, 10, cache=100)
    missed_kib = kernel.cache_miss_kib
    kernel.pool = Store(0)
    kernel.pool.put_clean(100 * MIB)
    live(kernel, 10, cache=100)
    assert missed_kib > 0
    assert kernel.cache_miss_kib - missed_kib < missed_kib / 50


@pytest.mark.parametrize("dt_s", [0.01, 0.25])
def test_what_is_missed_refaults_however_short_the_steps(dt_s: float) -> None:
    kernel = kernel_of()
    kernel.cache_kib = 90 * MIB
    kernel.total_kib = KERNEL_KIB + kernel.cache_kib + kernel.reserve_kib  # no room for more
    for _ in range(round(10 / dt_s)):
        kernel.advance(0, 100 * MIB, dt_s)
    assert 4 * kernel.refaults_total == pytest.approx(kernel.cache_miss_kib, rel=0.05)
