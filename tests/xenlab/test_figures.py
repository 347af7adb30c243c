"""What the lab says of a run follows from the run's timeline, and from nothing else."""

import pytest

from tests.xenlab.figures import Figures, Limits, compute_figures, median_figures
from tests.xenlab.made_runs import MIB, made_run, made_spike, program, report, sample, target
from tests.xenlab.timeline import Timeline

LIMITS = Limits(spiker_kib=300 * MIB, free_kib=80 * MIB)


def figures(timeline: Timeline) -> Figures:
    return compute_figures(timeline, LIMITS)


def test_holding_is_no_part_of_how_long_the_program_takes() -> None:
    found = figures(made_spike())
    assert (found.run_s, found.control_run_s) == (8.0, 6.0)
    assert found.run_ratio == pytest.approx(8 / 6, abs=1e-3)
    assert found.touch_mib_s == pytest.approx(300 / 8)


def test_the_report_that_counts_is_the_first_that_shows_the_touch() -> None:
    heartbeat = [report(99.0, 160), report(101.1, 159), report(101.6, 155)]
    assert figures(made_spike(events=heartbeat)).touch_to_report_s == pytest.approx(0.6)


def test_bytes_that_are_no_report_are_not_counted_as_one() -> None:
    garbage = [101.1, 3, "data/aerostat/report", "?", None]
    assert figures(
        made_spike(events=[report(99.0, 160), garbage, report(101.3, 90)])
    ).touch_to_report_s == pytest.approx(0.3)


def test_the_target_write_is_the_first_that_raises_by_sixteen_mib() -> None:
    steps = [target(101.5, 260), target(101.8, 240), target(102.2, 256), target(103.0, 300)]
    assert figures(made_spike(events=steps)).touch_to_target_s == pytest.approx(1.2)


def test_urgency_is_timed_from_where_available_memory_crosses_the_threshold() -> None:
    # 160 MiB fall to 20 within 8 s: 32 MiB are left 7.314 s after the first touch.
    late = made_spike(events=[target(101.0 + 8 * 128 / 140 + 0.15, 460)])
    assert figures(late).urgent_to_target_s == pytest.approx(0.15, abs=1e-3)


def test_the_page_that_answers_urgency_is_the_first_more_than_it_had_then() -> None:
    crossed_s = 101.0 + 8 * 128 / 140
    sizes = ((100.0, 256), (103.0, 300), (crossed_s - 0.1, 300), (crossed_s + 0.2, 300.05), (crossed_s + 0.4, 301))
    run = made_spike(samples=[sample(at_s, 67, (256, 257), (256, 257), (mib, 400)) for at_s, mib in sizes])
    assert figures(run).urgent_to_page_s == pytest.approx(0.4, abs=1e-3)


def test_an_urgency_that_comes_after_the_first_growth_is_answered_by_the_next() -> None:
    crossed_s = 101.0 + 8 * 128 / 140
    steps = [target(102.0, 300), target(crossed_s - 0.5, 280), target(crossed_s + 0.2, 290)]
    assert figures(made_spike(events=steps)).urgent_to_target_s == pytest.approx(0.2, abs=1e-3)


def test_a_guest_that_was_never_short_has_no_urgent_moment() -> None:
    plenty = program(
        "spiker", first_s=101.0, run_s=8.0, milestones=[[101.0, 0, 160 * MIB], [109.0, 300 * MIB, 90 * MIB]]
    )
    assert figures(made_spike(programs=[plenty])).urgent_to_target_s is None


def test_first_and_last_page_are_xens_own_figures() -> None:
    found = figures(made_spike())
    assert found.touch_to_first_page_s == pytest.approx(1.5)
    assert found.touch_to_last_page_s == pytest.approx(2.0)


def test_the_balloons_rate_is_that_of_its_fastest_stretch() -> None:
    sizes = [(101.5, 300.0), (102.0, 310.0), (102.5, 350.0), (110.0, 460.0)]
    samples = [sample(100.0, 67, (256, 257), (256, 257), (256, 257))]
    samples += [sample(at_s, 67, (256, 257), (256, 257), (mib, 500)) for at_s, mib in sizes]
    assert figures(made_spike(samples=samples)).balloon_mib_s == pytest.approx(80.0)


def test_the_rate_downwards_is_that_of_the_fastest_donor() -> None:
    sizes = [(101.5, 256.0, 256.0), (102.0, 236.0, 226.0), (102.5, 216.0, 196.0), (103.5, 216.0, 195.0)]
    samples = [sample(at_s, 67, (one, 257), (other, 257), (256, 500)) for at_s, one, other in sizes]
    assert figures(made_spike(samples=samples)).balloon_down_mib_s == pytest.approx(60.0)


def test_the_unhindered_pace_ends_where_memory_is_urgently_short() -> None:
    touched = [[101.0 + s, s * 20 * MIB, (160 - s * 20) * MIB] for s in range(7)]
    slowed = [*touched, [120.0, 300 * MIB, 20 * MIB]]
    spiker = program("spiker", first_s=101.0, run_s=19.0, hold_s=12.0, milestones=slowed)
    assert figures(made_spike(programs=[spiker])).unhindered_mib_s == pytest.approx(20.0)


def test_a_round_is_one_decision_however_many_targets_it_writes() -> None:
    writes = [target(at_s, 256, domid=domid) for at_s in (101.5, 102.1, 103.1) for domid in (1, 2)]
    assert figures(made_spike(events=writes)).write_round_s == pytest.approx(0.8)


def test_the_answer_to_the_release_is_the_first_write_after_the_first_report_of_it() -> None:
    later = [report(120.9, 20), report(121.2, 300), target(121.25, 300), target(122.0, 256)]
    assert figures(made_spike(events=later)).release_answer_s == pytest.approx(0.05)


def test_donors_are_slower_than_a_spiker_that_lets_go() -> None:
    sizes = [(101.5, 256.0, 256.0), (102.0, 236.0, 300.0), (121.5, 236.0, 300.0), (122.0, 236.0, 200.0)]
    samples = [sample(at_s, 67, (one, 257), (256, 257), (spiker, 500)) for at_s, one, spiker in sizes]
    found = figures(made_spike(samples=samples))
    assert found.donor_down_mib_s == pytest.approx(40.0)
    assert found.balloon_down_mib_s == pytest.approx(200.0)


def test_settled_means_staying_settled() -> None:
    rest, swollen = [(256.0, 257.0)] * 3, [(200.0, 201.0), (200.0, 201.0), (370.0, 371.0)]
    samples = [
        sample(100.0, 67, *rest),
        sample(122.0, 67, *rest),
        sample(125.0, 67, *swollen),
        sample(128.0, 67, *rest),
    ]
    assert figures(made_spike(samples=samples)).release_settled_s == pytest.approx(7.0)
    assert figures(made_spike(samples=samples[:-1])).release_settled_s is None


def test_rest_and_growth_are_within_sixteen_mib_of_where_sizes_end_up() -> None:
    sizes = [(101.0, 150, 256), (104.0, 150, 450), (108.0, 150, 460), (121.0, 150, 460), (122.0, 200, 350)]
    sizes += [(123.0, 230, 330), (124.0, 232, 325), (131.1, 232, 320), (140.0, 232, 200)]
    samples = [sample(at_s, 67, (one, 257), (150, 257), (spiker, 500)) for at_s, one, spiker in sizes]
    found = figures(made_spike(samples=samples))
    assert found.touch_to_grown_s == pytest.approx(3.0)
    assert found.release_at_rest_s == pytest.approx(2.0)
    assert figures(made_spike(samples=samples[:-2])).release_at_rest_s is None


def test_memory_left_free_after_the_release_is_that_of_ten_seconds_later() -> None:
    rest = [(256.0, 257.0)] * 3
    samples = [sample(100.0, 67, *rest), sample(130.9, 90, *rest), sample(131.1, 67, *rest)]
    assert figures(made_spike(samples=samples)).free_after_kib == 90 * MIB


def test_a_program_that_was_killed_has_no_run_time() -> None:
    killed = program("spiker", first_s=101.0, run_s=8.0, last_s=0.0, signal=9)
    found = figures(made_spike(programs=[killed]))
    assert found.run_s is None
    assert found.run_ratio is None
    assert found.touch_mib_s is None


def test_oom_kills_are_those_of_all_guests() -> None:
    after = {name: {"oom_kill": kills} for name, kills in (("g1", 0), ("g2", 2), ("g3", 1), ("control", 0))}
    assert figures(made_spike(facts={"stats_after": after})).oom_kills == 3


def test_a_run_without_a_spiker_still_counts_its_writes() -> None:
    found = figures(made_run(events=[target(101.0, 200), target(102.0, 300, domid=1)]))
    assert found.target_writes == 2
    assert found.run_s is None


def test_a_median_is_over_the_runs_that_have_the_figure() -> None:
    runs = [
        Figures(run_s=1.0, target_writes=3),
        Figures(run_s=None, target_writes=5),
        Figures(run_s=3.0, target_writes=4),
    ]
    found = median_figures(runs)
    assert (found.run_s, found.target_writes, found.run_ratio) == (2.0, 4, None)
