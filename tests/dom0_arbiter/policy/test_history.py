"""What reports leave behind: memory that a guest needs although it calls it available, and how it grows."""

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dom0_arbiter.policy import ESTIMATORS, History, estimate_demand, observe_report
from dom0_arbiter.policy.history import PAGE_KIB, RECLAIMS_BELOW_RATIO, used_kib
from dom0_arbiter.policy.probe import NOTHING, PATIENCE_S
from protocol import Report
from tests.protocol.strategies import messages

MIB = 1024
TOTAL_KIB = 512 * MIB
MIN_FREE_KIB = 4 * MIB
RECLAIMING_KIB = RECLAIMS_BELOW_RATIO * MIN_FREE_KIB  # of free pages, and less


def report(at_s: float = 1.0, *, available: int = 100, **more: Any) -> Report:
    """A guest of 512 MiB that reclaims. `available`: MiB."""
    given_fields = {"version": 1, "sequence": 1, "flags": 0, "free_kib": RECLAIMING_KIB, "min_free_kib": MIN_FREE_KIB}
    return Report(
        **given_fields
        | {"uptime_ms": int(at_s * 1000), "total_kib": TOTAL_KIB, "available_kib": available * MIB}
        | more
    )


def history_of(*reports: Report) -> History:
    history: History | None = None
    for each in reports:
        history = observe_report(history, each, each.uptime_ms / 1000)
    assert history is not None
    return history


stalled: dict[str, int] = {"psi_some_us_total": 500_000}
swapping: dict[str, int] = {"swap_in_total": 1000}


@pytest.mark.parametrize("sign", [swapping, {"refault_anon_total": 1000}])
def test_pressure_while_the_kernel_reclaims_shows_memory_that_is_not_available_after_all(sign: dict[str, int]) -> None:
    assert history_of(report(1.0), report(2.0, **sign)).hidden.kib > 0


@pytest.mark.parametrize("sign", [stalled, swapping])
def test_a_guest_with_free_pages_is_not_short_of_them_whatever_stalls_in_a_container(sign: dict[str, int]) -> None:
    free_kib = RECLAIMING_KIB + 4
    assert history_of(report(1.0), report(2.0, free_kib=free_kib, **sign)).hidden == NOTHING
    assert history_of(report(1.0, free_kib=free_kib), report(2.0, **sign)).hidden == NOTHING  # it was before, maybe


def test_low_free_pages_alone_are_no_pressure() -> None:
    assert history_of(report(1.0), report(2.0)).hidden == NOTHING
    assert history_of(report(1.0), report(2.0, psi_some_us_total=10_000)).hidden == NOTHING, "1 % is noise"


def test_what_was_faulted_in_says_how_much_is_hidden() -> None:
    hidden = history_of(report(1.0), report(2.0, swap_in_total=2000, refault_anon_total=560)).hidden
    assert hidden.kib == 2560 * PAGE_KIB


def test_a_donor_that_stalls_while_its_cache_is_dropped_needs_no_more_for_that() -> None:
    """It was taken to need what it was giving in the lab, and the guest that waited for it was killed."""
    assert history_of(report(1.0), report(2.0, psi_some_us_total=1_000_000)).hidden == NOTHING


def test_hidden_need_adds_up_while_pressure_lasts() -> None:
    hidden = history_of(report(1.0), report(2.0, swap_in_total=2560), report(3.0, swap_in_total=5120)).hidden
    assert hidden.kib == 20 * MIB


def test_hidden_need_is_never_more_than_what_is_called_available() -> None:
    pressed = report(2.0, available=30, swap_in_total=100_000)
    assert history_of(report(1.0), pressed).hidden.kib == 30 * MIB
    assert history_of(report(1.0), pressed, report(3.0, available=10, swap_in_total=100_000)).hidden.kib == 10 * MIB
    assert history_of(report(1.0), pressed, report(3.0, available=0, swap_in_total=200_000)).hidden.kib == 0


def test_hidden_need_is_probed_downwards_once_pressure_has_ended() -> None:
    pressed = report(2.0, swap_in_total=2560)
    assert history_of(report(1.0), pressed, report(2.0 + PATIENCE_S, swap_in_total=2560)).hidden.kib == 10 * MIB
    later = history_of(report(1.0), pressed, report(62.0 + PATIENCE_S, swap_in_total=2560)).hidden
    assert later.kib == 5 * MIB


def test_a_restarted_clock_starts_anew() -> None:
    lived = history_of(report(1.0), report(60.0, refault_file_total=5000, **swapping), report(90.0, available=10))
    anew = observe_report(lived, report(5.0, available=70), 100.0)
    assert anew == observe_report(None, report(5.0, available=70), 100.0)
    assert (anew.hidden, anew.growth.total, anew.burst_kib) == (NOTHING, 0.0, 0)


def test_counters_from_before_we_listened_are_no_news() -> None:
    old = {"swap_in_total": 10**9, "refault_file_total": 10**9, "psi_some_us_total": 10**12}
    history = history_of(report(1.0, **old))
    assert history.hidden == NOTHING


def test_files_read_again_are_working_set_where_programs_stall_for_them() -> None:
    refaults = {"available": 100, "file_cache_kib": 50 * MIB, "refault_file_total": 2560}
    at_leisure = history_of(report(1.0), report(2.0, **refaults))
    assert at_leisure.hidden == NOTHING
    stalling = history_of(report(1.0), report(2.0, psi_some_us_total=20_000, **refaults))
    assert stalling.hidden.kib == 10 * MIB


@pytest.mark.parametrize("sign", [stalled, swapping])
def test_counters_that_go_backwards_are_no_pressure(sign: dict[str, int]) -> None:
    history = history_of(report(1.0, refault_file_total=9, **sign), report(2.0))
    assert (history.hidden, history.pressed_s) == (NOTHING, 1.0)


def at(uptime_ms: int, said: Report) -> Report:
    values = {field.name: said[field.index] for field in Report.FIELDS}
    return Report(**values | {"uptime_ms": uptime_ms})


UPTIME_MAX_MS = 10**9
reports = st.builds(at, st.integers(0, 10_000) | st.integers(0, UPTIME_MAX_MS), messages(Report))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(reports, min_size=1, max_size=6), st.booleans())
def test_whatever_a_guest_reports_no_amount_is_negative_and_nothing_is_raised(said: list[Report], ages: bool) -> None:
    history: History | None = None
    for now_s, each in enumerate(sorted(said, key=lambda each: each.uptime_ms) if ages else said):
        history = observe_report(history, each, float(now_s))
        amounts = (history.hidden.kib, history.burst_kib, history.calm_kib, history.growth_kib_s)
        assert min(amounts) >= 0
        assert all(estimator(history, now_s + 0.5) >= 0 for estimator in ESTIMATORS.values())
        demand = estimate_demand(
            history,
            offset_kib=64 * MIB,
            dynamic_min_kib=MIB,
            ceiling_kib=TOTAL_KIB,
            static_max_kib=TOTAL_KIB,
            now_s=now_s,
        )
        assert all(getattr(demand, field.name) >= 0 for field in fields(demand))


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 30_000), st.integers(0, 512), st.booleans(), st.booleans()), max_size=30))
def test_hidden_need_never_rises_but_under_pressure_of_a_kernel_that_reclaims(
    moments: list[tuple[int, int, bool, bool]],
) -> None:
    history, at_ms, swap_ins = history_of(report(1.0)), 1000, 0
    for span_ms, available, reclaims, faults in moments:
        at_ms += span_ms
        swap_ins += 5000 * faults
        free_kib = RECLAIMING_KIB if reclaims else RECLAIMING_KIB + MIB
        before = history.hidden.kib
        now = report(at_ms / 1000, available=available, free_kib=free_kib, swap_in_total=swap_ins)
        history = observe_report(history, now, at_ms / 1000)
        if not (reclaims and faults):
            assert history.hidden.kib <= min(before, now.available_kib)
        assert used_kib(now) <= TOTAL_KIB


def test_nor_while_pressure_goes_on_and_less_becomes_available() -> None:
    pressed = report(2.0, available=50, swap_in_total=100_000)
    more_used = report(3.0, available=20, swap_in_total=200_000)
    assert history_of(report(1.0), pressed, more_used).hidden.kib <= 20 * MIB
