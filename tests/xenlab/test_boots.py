"""The emulator's faults are tried again and named; ours never are."""

from typing import Any

from tests.xenlab.boots import Boot, Work, next_attempt, owed, plan_boots, spoiled_by
from tests.xenlab.catalogue import BY_NAME, SCENARIOS
from tests.xenlab.machine import Outcome

SPIKE = BY_NAME["spike"]
WORK = tuple(Work(scenario="spike", variant="", number=number) for number in (1, 2, 3))
BOOT = Boot(name="spike", scenario=SPIKE, work=WORK)
DIED = Outcome(status=None, reason="triple fault on the console", took_s=30.0)


def run_record(number: int, *, invalid: str | None = None) -> dict[str, Any]:
    return {"kind": "run", "scenario": "spike", "variant": "", "number": number, "invalid": invalid}


def test_a_boot_that_died_is_tried_again_with_what_it_still_owes() -> None:
    again = next_attempt(BOOT, [run_record(1)])
    assert again is not None
    assert [work.number for work in again.work] == [2, 3]
    assert again.attempt == 1


def test_a_boot_is_tried_at_most_three_times() -> None:
    again: Boot | None = BOOT
    attempts = 0
    while again is not None:
        attempts += 1
        again = next_attempt(again, [])
    assert attempts == 3


def test_a_run_that_was_recorded_is_never_played_again_whatever_it_showed() -> None:
    records = [run_record(1), run_record(2, invalid="T0: too much is free"), run_record(3)]
    assert owed(BOOT, records) == ()
    assert next_attempt(BOOT, records) is None
    assert spoiled_by(BOOT, records, DIED) is None


def test_a_run_that_lost_a_guest_stands_and_what_was_to_follow_it_gets_a_new_boot() -> None:
    records = [run_record(1), {"kind": "failed", "reason": "after spike 1: g3: no answer to 'stat' within 60 s"}]
    again = next_attempt(BOOT, records)
    assert again is not None
    assert [work.number for work in again.work] == [2, 3]


def test_an_error_of_the_driver_is_not_blamed_on_the_emulator() -> None:
    records = [{"kind": "crashed", "reason": "Traceback ..."}]
    assert next_attempt(BOOT, records) is None
    assert spoiled_by(BOOT, records, DIED) == "boot spike, attempt 1: Traceback ..."


def test_what_the_driver_said_names_a_spoiled_boot_before_what_the_console_shows() -> None:
    assert spoiled_by(BOOT, [], DIED) == "boot spike, attempt 1: triple fault on the console"
    failed = {"kind": "failed", "reason": "g2: did not boot"}
    assert spoiled_by(BOOT, [failed], DIED) == "boot spike, attempt 1: g2: did not boot"


def test_every_scenario_is_planned_once_as_often_as_asked() -> None:
    work = [one for boot in plan_boots(SCENARIOS, 2) for one in boot.work]
    for scenario in SCENARIOS:
        assert sum(one.scenario == scenario.name for one in work) == 2 * len(scenario.variants)
    assert len(set(work)) == len(work)


def test_many_runs_are_spread_over_boots_for_all_lanes() -> None:
    boots = plan_boots([SPIKE], 10)
    assert [len(boot.work) for boot in boots] == [5, 5]
    assert len({boot.name for boot in boots}) == 2


def test_one_boot_has_one_shape_of_host() -> None:
    for boot in plan_boots(SCENARIOS, None):
        assert {BY_NAME[one.scenario].shape for one in boot.work} == {boot.scenario.shape}


def test_a_run_in_ci_plays_spike_three_times_and_the_others_once() -> None:
    played = [scenario for scenario in SCENARIOS if scenario.default]
    assert {scenario.name: scenario.ci_runs for scenario in played if scenario.ci_runs != 1} == {"spike": 3}
    assert all(scenario.default for scenario in SCENARIOS if scenario.gating)
