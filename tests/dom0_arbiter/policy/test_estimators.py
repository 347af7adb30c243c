"""Each estimator of a working set, beside what it comes to by hand."""

from dataclasses import replace
from typing import Any, get_args

import pytest

from dom0_arbiter.policy import ESTIMATORS, EstimatorName, History, observe_report
from dom0_arbiter.policy.probe import Probe
from protocol import Report

MIB = 1024
QUIET_S = 1.0


def report(**more: Any) -> Report:
    """A guest of 1000 MiB: 300 free, 250 cache, 20 shared, 200 in swap; 400 available, 700 promised."""
    sizes = {
        "total_kib": 1000 * MIB,
        "free_kib": 300 * MIB,
        "available_kib": 400 * MIB,
        "file_cache_kib": 250 * MIB,
        "shmem_kib": 20 * MIB,
        "committed_kib": 700 * MIB,
        "swap_total_kib": 500 * MIB,
        "swap_used_kib": 200 * MIB,
    }
    return Report(**{"version": 1, "sequence": 1, "flags": 0, "uptime_ms": 1000} | sizes | more)


def heard(**more: Any) -> History:
    return observe_report(None, report(**more), QUIET_S)


def mib(name: EstimatorName, history: History, now_s: float = QUIET_S) -> float:
    return ESTIMATORS[name](history, now_s) / MIB


def test_all_that_settings_may_name_are_there() -> None:
    assert set(ESTIMATORS) == set(get_args(EstimatorName))


@pytest.mark.parametrize(
    ("name", "expected_mib"),
    [
        ("working-set", 600 + 200),  # what is not available, and what lies in swap
        ("available", 600),
        ("committed-as", 700),
        ("committed-as-cache", 700 + 250 / 3),
        ("used-margin", (1000 - 300 - 250 - 20 + 200) * 1.3),
    ],
)
def test_each_reads_what_it_says(name: EstimatorName, expected_mib: float) -> None:
    assert mib(name, heard()) == pytest.approx(expected_mib, abs=1 / MIB)


def test_swap_in_memory_counts_at_full_size_less_what_it_takes() -> None:
    packed = heard(swap_packed_kib=150 * MIB, swap_ram_kib=60 * MIB)
    assert mib("working-set", packed) == 600 + 50 + (150 - 60), "what it takes is not available already"


def test_swap_in_memory_that_does_not_shrink_anything_counts_once() -> None:
    incompressible = heard(swap_packed_kib=200 * MIB, swap_ram_kib=210 * MIB)
    assert mib("working-set", incompressible) == 600


@pytest.mark.parametrize(("minutes", "swapped_mib"), [(0.99, 200), (1, 100), (1.99, 100), (2, 50), (5, 6.25)])
def test_swapped_memory_counts_half_after_each_quiet_minute(minutes: float, swapped_mib: float) -> None:
    assert mib("working-set", heard(), QUIET_S + 60 * minutes) == 600 + swapped_mib


def test_in_the_end_what_nobody_asked_for_counts_nothing() -> None:
    assert mib("working-set", heard(), 1e9) == 600


def test_a_stall_or_a_swap_in_counts_it_in_full_again() -> None:
    for sign in ({"swap_in_total": 1}, {"swap_out_total": 1}, {"psi_some_us_total": 2_000_000}):
        pressed = observe_report(heard(), report(uptime_ms=121_000, **sign), 121.0)
        assert mib("working-set", pressed, 121.0) >= 600 + 200
        quiet = observe_report(heard(), report(uptime_ms=121_000), 121.0)
        assert mib("working-set", quiet, 121.0) == 600 + 50


def test_what_pressure_has_shown_beside_is_working_set() -> None:
    hidden = replace(heard(swap_used_kib=0), hidden=Probe(kib=80.0 * MIB))
    assert mib("working-set", hidden) == 680
    assert mib("available", hidden) == 600


def test_a_guest_without_anything_used_needs_nothing_by_qmemmans_reckoning() -> None:
    assert mib("used-margin", heard(free_kib=990 * MIB, swap_used_kib=0)) == 0
