"""What a guest needs, read off its reports."""

from dataclasses import replace
from typing import Any

import pytest

from dom0_arbiter.policy import Demand, History, estimate_demand, observe_report, urgent_kib
from dom0_arbiter.policy.demand import DONOR_RESERVE_KIB
from protocol import Report

MIB = 1024
STATIC_MAX_KIB = 768 * MIB
OFFSET_KIB = 62 * MIB


def report(*, at_s: float = 1.0, total: int = 194, available: int = 100, **more: Any) -> Report:
    fields = {"version": 1, "sequence": 1, "flags": 0, "free_kib": 0} | more
    return Report(uptime_ms=int(at_s * 1000), total_kib=total * MIB, available_kib=available * MIB, **fields)


def history_of(*reports: Report) -> History:
    history: History | None = None
    for each in reports:
        history = observe_report(history, each, each.uptime_ms / 1000)
    assert history is not None
    return history


def demand_of(
    history: History,
    *,
    now_s: float | None = None,
    dynamic_min: int = 64,
    ceiling: int = 768,
    reserved: int = 0,
    up_kib_s: float | None = None,
) -> Demand:
    return estimate_demand(
        history,
        offset_kib=OFFSET_KIB,
        dynamic_min_kib=dynamic_min * MIB,
        ceiling_kib=ceiling * MIB,
        static_max_kib=STATIC_MAX_KIB,
        now_s=history.arrived_s if now_s is None else now_s,
        reserved_burst_kib=reserved * MIB,
        up_kib_s=up_kib_s,
    )


def test_levels_ascend_from_what_is_used_in_xens_view() -> None:
    demand = demand_of(history_of(report()))
    assert demand.floor_kib == demand.working_set_kib == OFFSET_KIB + 94 * MIB
    assert demand.need_kib == demand.working_set_kib + urgent_kib(STATIC_MAX_KIB)
    assert demand.surge_kib == demand.need_kib
    assert demand.comfort_kib == demand.need_kib + 2 * urgent_kib(STATIC_MAX_KIB)


def test_shared_memory_is_used_memory_although_the_kernel_counts_it_as_cached() -> None:
    filled = report(available=20, shmem_kib=80 * MIB, file_cache_kib=10 * MIB)
    assert demand_of(history_of(filled)).working_set_kib == OFFSET_KIB + 174 * MIB


def test_a_growing_guest_gets_headroom_for_the_time_it_takes_to_serve_it() -> None:
    slow = demand_of(history_of(report(), report(at_s=2.0, available=90)))
    fast = demand_of(history_of(report(), report(at_s=2.0, available=30)))
    assert slow.need_kib == slow.working_set_kib + urgent_kib(STATIC_MAX_KIB)
    headroom_kib = fast.need_kib - fast.working_set_kib
    assert 70 * MIB <= headroom_kib <= 1.19 * 70 * MIB
    assert fast.surge_kib == fast.need_kib + 2 * 70 * MIB
    assert fast.comfort_kib == fast.need_kib + 2 * headroom_kib


def test_a_burst_is_forgotten_by_halves() -> None:
    burst = (report(), report(at_s=2.0, available=20))
    later = history_of(*burst, report(at_s=12.0, available=20))
    assert later.growth_kib_s == pytest.approx(40 * MIB)


def test_a_surge_lets_a_burst_go_on_for_as_much_as_it_has_brought() -> None:
    steady = [report(at_s=1.0 + n, available=180 - 20 * n) for n in range(9)]
    burst = demand_of(history_of(*steady))
    assert burst.surge_kib - burst.need_kib > 120 * MIB
    calm = demand_of(history_of(*steady, report(at_s=200.0, available=20), report(at_s=400.0, available=20)))
    assert calm.surge_kib == calm.need_kib


def test_a_burst_that_ended_is_no_burst() -> None:
    ended = history_of(report(), report(at_s=2.0, available=20), report(at_s=3.0, available=100))
    assert ended.burst_kib == 0


def test_growth_between_reports_that_follow_closely_is_measured_over_a_longer_span() -> None:
    bursts = [report(at_s=1.0 + 0.01 * n, available=100 - 2 * (n // 2)) for n in range(11)]
    assert history_of(*bursts).growth_kib_s == pytest.approx(100 * MIB, rel=0.2)


def test_a_restarted_clock_starts_a_new_history() -> None:
    assert history_of(report(at_s=5.0), report(at_s=2.0, available=0)).growth_kib_s == 0.0


def test_swapped_memory_is_working_set_until_nobody_asks_for_it() -> None:
    swapped = history_of(report(available=0, swap_total_kib=512 * MIB, swap_used_kib=128 * MIB))
    assert demand_of(swapped).working_set_kib == OFFSET_KIB + 194 * MIB + 128 * MIB
    assert demand_of(swapped, now_s=61.0 + 1.0).working_set_kib == OFFSET_KIB + 194 * MIB + 64 * MIB
    assert demand_of(swapped, now_s=1e6).working_set_kib == OFFSET_KIB + 194 * MIB


def test_what_swap_could_take_is_no_floor() -> None:
    roomy = history_of(report(available=0, anon_kib=100 * MIB, swap_total_kib=512 * MIB))
    assert demand_of(roomy).floor_kib == OFFSET_KIB + (194 - 50) * MIB


def test_a_report_licenses_half_of_what_it_shows_to_spare_and_no_more() -> None:
    shown = history_of(report(available=100))
    assert demand_of(shown).least_kib == OFFSET_KIB + 194 * MIB - (100 * MIB - DONOR_RESERVE_KIB) // 2
    tight = history_of(report(available=10))
    assert demand_of(tight).least_kib == OFFSET_KIB + 194 * MIB


def test_a_guest_asks_for_a_floor_of_its_own() -> None:
    assert demand_of(history_of(report(floor_kib=150 * MIB))).floor_kib == OFFSET_KIB + 150 * MIB


@pytest.mark.parametrize(
    ("up_mib_s", "reactions"),
    [
        pytest.param(None, 1, id="not known"),
        pytest.param(1700, 1, id="fast"),
        pytest.param(16, 2, id="needs two seconds for a headroom"),
        pytest.param(1, 4, id="longer than any reaction"),
    ],
)
def test_a_slow_balloon_gets_headroom_for_the_time_that_it_takes(up_mib_s: int | None, reactions: int) -> None:
    demand = demand_of(history_of(report(available=50)), up_kib_s=None if up_mib_s is None else up_mib_s * MIB)
    assert demand.need_kib == demand.working_set_kib + reactions * urgent_kib(STATIC_MAX_KIB)


@pytest.mark.parametrize(("reserved", "headroom"), [(200, 200), (10, 32)])
def test_need_has_the_larger_of_headroom_and_reserved_burst(reserved: int, headroom: int) -> None:
    demand = demand_of(history_of(report()), reserved=reserved)
    assert demand.secured_kib == demand.working_set_kib + reserved * MIB
    assert demand.need_kib == demand.working_set_kib + headroom * MIB
    assert demand.comfort_kib == demand.need_kib + 2 * urgent_kib(STATIC_MAX_KIB)
    assert demand_of(history_of(report()), reserved=4096).secured_kib == 768 * MIB


def test_no_level_leaves_the_owners_limits() -> None:
    small = demand_of(history_of(report(available=190)), dynamic_min=200)
    assert small.floor_kib == 200 * MIB
    capped = demand_of(history_of(report(available=0)), ceiling=128)
    levels = replace(capped, least_kib=0)
    assert {levels.floor_kib, levels.working_set_kib, levels.need_kib, levels.comfort_kib} == {128 * MIB}
