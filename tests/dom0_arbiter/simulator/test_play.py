"""A scenario from its beginning to its end: guests come and go, requests are answered, and all of it is judged."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from dom0_arbiter.policy import Settings
from dom0_arbiter.simulator import Character, Curve, GuestSpec, Steps
from dom0_arbiter.simulator.playing.outcome import Outcome
from dom0_arbiter.simulator.playing.play import OURS, TRIES_AGAIN_S, Play, handover_s, play
from dom0_arbiter.simulator.playing.recorder import MOMENTS
from dom0_arbiter.simulator.scenarios.scenario import METRICS, POLICIES, Appearance, Expectation, Request, Scenario

MIB = 1024
SLACK_KIB = 64 * MIB


def steps(*points: tuple[float, int]) -> Curve:
    return Steps(times_s=[at_s for at_s, _ in points], amounts_kib=[mib * MIB for _, mib in points])


def guest(
    name: str,
    *,
    size: int = 400,
    need: int | Curve = 150,
    from_s: float = 0.0,
    until_s: float = float("inf"),
    character: Character | None = None,
) -> Appearance:
    """MiB."""
    spec = GuestSpec(
        name=name,
        static_max_kib=1024 * MIB,
        actual_kib=size * MIB,
        need=steps((0.0, need)) if isinstance(need, int) else need,
        swap="disk",
        swap_total_kib=1024 * MIB,
        character=character or Character(),
    )
    return Appearance(spec=spec, target_kib=size * MIB, from_s=from_s, until_s=until_s)


def scenario(
    *guests: Appearance,
    room: int = 1000,
    duration_s: float = 30.0,
    requests: Sequence[Request] = (),
    expectations: Sequence[Expectation] = (),
) -> Scenario:
    """A host with room for so many MiB of guests."""
    return Scenario(
        name="s",
        duration_s=duration_s,
        memory_kib=SLACK_KIB + room * MIB,
        settings=Settings(),
        guests=guests,
        step_s=0.05,
        requests=requests,
        expectations=expectations,
    )


def expected(
    subject: str, low: float, high: float, *, domain: str | None = None, from_s: float = 0.0, until_s: float = 30.0
) -> Expectation:
    return Expectation(from_s=from_s, until_s=until_s, domain=domain, subject=subject, low=low, high=high)


def sizes_at(outcome: Outcome, name: str, at_s: float) -> int:
    """What a domain had, MiB, by the record; nothing if it never was."""
    series = outcome.series
    assert series is not None
    index = max(n for n, time_s in enumerate(series.times_s) if time_s <= at_s)
    return series.actual_kib.get(name, [0] * len(series.times_s))[index] // MIB


BUSY = (
    guest("a", need=steps((0.0, 150), (5.0, 600), (15.0, 150))),
    guest("b", need=steps((0.0, 150), (12.0, 500))),
)


def test_the_same_scenario_has_the_same_outcome() -> None:
    assert play(scenario(*BUSY), OURS, seed=3, record=True) == play(scenario(*BUSY), OURS, seed=3, record=True)


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_plays_the_same_demands(policy: str) -> None:
    playing = Play(scenario(*BUSY, duration_s=20.0), policy, record=True)
    playing.run()
    outcome = playing.outcome(handover_s=None)
    assert (outcome.policy, tuple(outcome.metrics)) == (policy, METRICS)
    assert playing.world.now_s == pytest.approx(20.0)
    series = outcome.series
    assert series is not None
    index = max(n for n, time_s in enumerate(series.times_s) if time_s <= 10.0)
    assert series.demand_kib["a"][index] == 600 * MIB


def test_a_record_has_everybody_at_every_moment() -> None:
    leaving = guest("c", size=100, need=100, until_s=10.0)
    outcome = play(scenario(*BUSY, leaving), OURS, record=True)
    series = outcome.series
    assert series is not None
    assert 100 < len(series.times_s) <= MOMENTS + 1
    for amounts in (*series.actual_kib.values(), *series.demand_kib.values(), series.free_kib):
        assert len(amounts) == len(series.times_s)
    for n in range(len(series.times_s)):
        assert sum(had[n] for had in series.actual_kib.values()) + series.free_kib[n] == series.memory_kib
    assert (sizes_at(outcome, "c", 5.0) > 0, sizes_at(outcome, "c", 20.0)) == (True, 0)


def test_nothing_is_recorded_that_nobody_asked_for() -> None:
    assert play(scenario(*BUSY), OURS).series is None


@pytest.mark.parametrize("policy", [OURS, "static"])
def test_a_guest_starts_when_there_is_room_for_it(policy: str) -> None:
    late = guest("late", size=300, from_s=5.0)
    leaving = guest("b", size=500, need=450, until_s=15.0)
    outcome = play(scenario(guest("a", size=400, need=390), leaving, late, room=950), policy, record=True)
    assert sizes_at(outcome, "late", 14.0) == 0
    assert sizes_at(outcome, "late", 15.0 + TRIES_AGAIN_S + 1.0) > 0
    assert outcome.metrics["oom_kills"] == 0


def test_what_waits_for_room_is_unmet_with_its_whole_size() -> None:
    late = guest("late", size=300, from_s=5.0)
    outcome = play(scenario(guest("a", need=390), guest("b", size=550, need=540), late, room=960), "static")
    unmet_kib_s = outcome.metrics["unmet_kib_s"]
    assert unmet_kib_s == pytest.approx(25.0 * 300 * MIB, rel=0.02)


def test_the_arbiter_makes_room_for_a_start_which_a_static_host_has_not() -> None:
    late = guest("late", size=300, from_s=5.0)
    guests = (guest("a", size=480), guest("b", size=480), late)
    ours, static = (play(scenario(*guests, room=970), policy, record=True) for policy in (OURS, "static"))
    assert sizes_at(ours, "late", 10.0) >= 299
    assert sizes_at(static, "late", 29.0) == 0
    assert ours.violations == []


def test_a_guest_that_never_got_room_leaves_nothing_behind() -> None:
    late = guest("late", size=800, from_s=5.0, until_s=10.0)
    playing = Play(scenario(guest("a", need=390), guest("b", size=550, need=540), late, room=960), OURS)
    playing.run()
    assert playing.world.arbiter is not None
    assert not playing.world.arbiter.state.reservations
    assert playing.world.awaited_kib == 0


def test_guests_go_when_their_time_is_over_even_in_the_middle_of_a_burst() -> None:
    bursting = guest("a", need=steps((0.0, 150), (9.5, 900)), until_s=10.0)
    outcome = play(scenario(bursting, guest("b"), room=1200), OURS, record=True)
    assert sizes_at(outcome, "a", 10.5) == 0
    assert outcome.violations == []


def test_a_crash_is_no_news_to_the_one_who_stops_it_later() -> None:
    crashing = guest("a", until_s=20.0, character=Character(crash_at_s=10.0))
    outcome = play(scenario(crashing, guest("b")), OURS, record=True)
    assert sizes_at(outcome, "a", 15.0) == 0


def test_a_request_is_part_of_the_outcome() -> None:
    asks = Request(
        name="r", at_s=5.0, size_kib=300 * MIB, min_kib=300 * MIB, hold_s=10.0, within_s=10.0, expect="granted"
    )
    outcome = play(scenario(guest("a", size=480), guest("b", size=480), requests=[asks]), OURS)
    (request,) = outcome.requests
    assert (request.outcome, request.granted_kib, request.passed) == ("granted", 300 * MIB, True)
    assert outcome.passed
    refused = play(scenario(guest("a", need=480), guest("b", need=480), requests=[asks]), OURS)
    assert not refused.passed


@pytest.mark.parametrize(
    ("expectation", "passed"),
    [
        (expected("actual_kib", 600 * MIB, 1000 * MIB, domain="a", from_s=8.0, until_s=11.0), True),
        (expected("actual_kib", 600 * MIB, 1000 * MIB, domain="a", from_s=4.0, until_s=11.0), False),
        (expected("free_kib", SLACK_KIB - 1024, 1000 * MIB), True),
        (expected("free_kib", 0, 10), False),
        (expected("oom_kills", 0, 0), True),
        (expected("moved_kib", 0, 0), False),
        (expected("actual_kib", 0, 1000 * MIB, domain="nobody"), False),
    ],
)
def test_expectations_are_judged(expectation: Expectation, passed: bool) -> None:
    outcome = play(scenario(*BUSY, expectations=[expectation]), OURS)
    (judged,) = outcome.expectations
    assert judged.passed == passed
    assert outcome.passed == passed


def test_a_moment_that_no_step_would_meet_is_judged_in_time() -> None:
    for at_s in (7.123456, 29.999, 30.0):
        now = expected("actual_kib", 1, 1000 * MIB, domain="b", from_s=at_s, until_s=at_s)
        assert play(scenario(*BUSY, expectations=[now]), OURS).expectations[0].passed


def test_a_state_is_found_by_its_name() -> None:
    dead = guest("dead", size=450, character=Character(dead=True))
    needy = guest("a", need=steps((0.0, 150), (5.0, 800)))
    for state, passed in (("stuck", True), ("ok", False)):
        wanted = Expectation(from_s=95.0, until_s=95.0, domain="dead", subject="state", state=state)
        outcome = play(scenario(needy, dead, duration_s=100.0, expectations=[wanted]), OURS)
        assert (outcome.expectations[0].passed, outcome.expectations[0].found) == (passed, "stuck")


def test_an_invariant_that_was_to_break_and_did_not_fails_the_scenario() -> None:
    assert play(scenario(*BUSY), OURS).passed
    assert not play(replace(scenario(*BUSY), expect_violated=frozenset("A")), OURS).passed
    assert play(replace(scenario(*BUSY), expect_violated=frozenset("A")), "static").passed, (
        "others are not held to them"
    )


def test_a_handover_is_the_same_experiment_for_each_policy() -> None:
    ours, static, oracle = (handover_s(policy) for policy in (OURS, "static", "oracle"))
    assert static is None
    assert ours is not None
    assert oracle is not None
    assert oracle <= ours < 30
