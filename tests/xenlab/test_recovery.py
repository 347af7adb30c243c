"""When a guest is well again follows from its own PSI counters and the first write that raised its target."""

import pytest

from tests.xenlab.catalogue import HANDED_BACK, STORM, WATCHED
from tests.xenlab.made_runs import MIB, made_run, sample, target
from tests.xenlab.recovery import Recovery, compute_recovery, make_windows
from tests.xenlab.timeline import Timeline

STAT = {"SwapTotal": 512 * MIB, "SwapFree": 472 * MIB, "pswpin": 1000}
AFTER = {"SwapTotal": 512 * MIB, "SwapFree": 509 * MIB, "pswpin": 10_240}
GIVEN = [target(101.0, 192), target(131.0, 283), target(131.5, 300)]


def rows(*stalled_s: tuple[float, float], until_s: float = 70.0) -> list[list[int]]:
    """Each tenth of a second; all programs stall for a fifth of the stretches given, some for half."""
    found, full_us = [], 0
    for tenth in range(int(until_s * 10)):
        found.append([tenth * 100, full_us, full_us * 5 // 2])
        full_us += 20_000 * any(from_s <= tenth / 10 < to_s for from_s, to_s in stalled_s)
    return found


def stormy(
    *stalled_s: tuple[float, float],
    events: list[list[object]] | None = None,
    watched_s: float = 170.0,
    sizes: tuple[tuple[float, float], ...] = ((100.0, 254), (110.0, 192), (131.1, 250), (132.0, 300), (140.0, 300)),
) -> Timeline:
    """A storm from 115 s on, handed back at 130; the counters begin at 100 s."""
    facts = {
        "pressure": {"start_s": 100.0, "rows": rows(*stalled_s)},
        "wanted_mib": 110,
        "stat_in_storm": STAT,
        "stat_recovered": AFTER,
    }
    return made_run(
        facts=facts,
        marks=[(STORM, 115.0), (HANDED_BACK, 130.0), (WATCHED, watched_s)],
        events=GIVEN if events is None else events,
        samples=[sample(at_s, 67, (256, 257), (256, 257), (mib, 400)) for at_s, mib in sizes],
    )


def recovered(timeline: Timeline) -> Recovery:
    found = compute_recovery(timeline)
    assert found is not None
    return found


def test_a_guest_is_well_with_the_first_second_without_stalls_after_the_write() -> None:
    found = recovered(stormy((10.0, 33.0)))
    assert found.handed_back_to_target_s == pytest.approx(1.0)
    assert found.target_to_well_s == pytest.approx(3.0, abs=0.11)  # at 133.0 it stalls last, at 131.0 it was given
    assert found.target_to_well_for_good_s == pytest.approx(2.95, abs=0.15)
    assert found.full_before_ratio == pytest.approx(0.2, abs=0.01)
    assert found.some_before_ratio == pytest.approx(0.5, abs=0.01)


def test_a_guest_that_is_well_at_once_took_a_second() -> None:
    found = recovered(stormy((10.0, 30.0)))
    assert found.target_to_well_s == found.target_to_well_for_good_s == pytest.approx(1.0, abs=0.11)


def test_a_relapse_is_no_recovery_for_good() -> None:
    found = recovered(stormy((10.0, 33.0), (50.0, 50.5)))
    assert found.target_to_well_s == pytest.approx(3.0, abs=0.11)
    assert found.target_to_well_for_good_s == pytest.approx(20.3, abs=0.3)
    assert found.ill_after_s == pytest.approx(2.0, abs=0.2)  # seconds that the half second has part in


def test_what_stalls_once_the_lab_asks_for_counters_does_not_count() -> None:
    found = recovered(stormy((10.0, 33.0), (62.0, 62.5), watched_s=160.0))
    assert found.target_to_well_for_good_s == pytest.approx(2.95, abs=0.15)
    assert found.ill_after_s == 0


def test_a_guest_that_never_comes_out_has_no_time() -> None:
    found = recovered(stormy((10.0, 70.0)))
    assert found.target_to_well_s is None
    assert found.target_to_well_for_good_s is None


def test_a_guest_that_is_given_nothing_has_no_time() -> None:
    still = ((100.0, 254.0), (110.0, 192.0), (140.0, 192.0))
    found = recovered(stormy((10.0, 70.0), events=[target(101.0, 192), target(131.0, 200)], sizes=still))
    assert found.handed_back_to_target_s is None
    assert found.target_to_well_s is None


def test_a_guest_that_grew_before_the_write_was_heard_of_is_timed_from_its_growth() -> None:
    early = ((100.0, 254.0), (110.0, 192.0), (130.4, 250.0), (132.0, 300.0))
    found = recovered(stormy((10.0, 33.0), sizes=early))
    assert found.handed_back_to_target_s == pytest.approx(0.4)
    assert found.target_to_well_s == pytest.approx(3.6, abs=0.11)
    assert found.handed_back_to_well_s == pytest.approx(4.0, abs=0.11)


def test_what_lay_in_swap_and_what_came_back_are_the_guests_own_counters() -> None:
    found = recovered(stormy((10.0, 33.0)))
    assert found.swapped_in_storm_kib == 40 * MIB
    assert found.swapped_after_kib == 3 * MIB
    assert found.swapped_in_kib == 9240 * 4
    assert found.target_to_last_page_s == pytest.approx(1.0)


def test_a_run_without_a_storm_has_no_recovery() -> None:
    assert compute_recovery(made_run()) is None


def test_windows_are_a_second_long_where_the_notes_came_in_time_and_longer_where_they_did_not() -> None:
    windows = make_windows(0.0, [[0, 0, 0], [500, 0, 0], [1000, 10_000, 0], [2600, 10_000, 0]])
    assert [(one.from_s, one.until_s) for one in windows] == [(0.0, 1.0), (1.0, 2.6)]
    assert windows[0].full_ratio == pytest.approx(0.01)
    assert windows[1].full_ratio == 0
