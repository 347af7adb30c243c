"""What is played for the lab's `spike` is the lab's host, at the lab's pace, judged by the lab's own code."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dom0_arbiter.simulator.guests.kernel import Kernel
from tests.evaluation.calibration import compare, guests_of, main, speeds_of
from tests.evaluation.calibration_host import (
    HOLD_S,
    MIB,
    TOUCHED_KIB,
    TOUCHES_AT_S,
    Guest,
    Speeds,
    Toucher,
    play_spike,
)

GUESTS = {name: Guest(actual_kib=256 * MIB, used_kib=110 * MIB) for name in ("g1", "g2", "g3")}
FAST = Speeds(
    touch=[(TOUCHED_KIB, 38 * MIB)],
    up_kib_s=394 * MIB,
    down_kib_s=256 * MIB,
    donor_down_kib_s=128 * MIB,
    turn_s=0.1,
    release_turn_s=0.03,
)


def lab_run(**changed: Any) -> dict[str, Any]:
    """As `./dev xenlab spike --json` has it, but for what is not read."""
    at_t0 = {name: {"actual_kib": 256 * MIB, "available_kib": 146 * MIB} for name in ("g1", "g2", "g3", "control")}
    return {
        "valid": True,
        "oom_kills": 0,
        "run_s": 8.0,
        "touch_to_last_page_s": 8.0,
        "release_settled_s": 1.0,
        "target_writes": 20,
        "touch_to_grown_s": 8.0,
        "release_at_rest_s": 1.0,
        "touched": [[0.0, 0, 1], [1.0, 16 * MIB, 1], [3.0, 32 * MIB, 1]],
        "unhindered_mib_s": 38.0,
        "control_touch_mib_s": 40.0,
        "balloon_mib_s": 394.0,
        "balloon_down_mib_s": 256.0,
        "donor_down_mib_s": 128.0,
        "write_round_s": 0.1,
        "release_answer_s": 0.03,
        "at_t0": at_t0,
        **changed,
    }


def lab(*runs: dict[str, Any]) -> dict[str, Any]:
    return {"scenarios": [{"name": "spike", "runs": list(runs)}]}


def test_the_program_touches_no_faster_than_its_pace_and_holds_what_it_touched() -> None:
    figures, kills = play_spike(GUESTS, FAST)
    assert kills == 0
    assert figures.run_s == pytest.approx(300 / 38, rel=0.05)
    assert figures.touch_mib_s == pytest.approx(38, rel=0.05)


def test_a_slower_arbiter_brings_the_last_page_later() -> None:
    at_once, _ = play_spike(GUESTS, FAST)
    slow, _ = play_spike(GUESTS, replace(FAST, touch=[(TOUCHED_KIB, 13 * MIB)], donor_down_kib_s=50 * MIB, turn_s=1.0))
    assert at_once.touch_to_last_page_s is not None and slow.touch_to_last_page_s is not None
    assert slow.touch_to_last_page_s > 1.5 * at_once.touch_to_last_page_s


def test_an_arbiter_that_never_comes_loses_the_program() -> None:
    _, kills = play_spike(GUESTS, replace(FAST, up_kib_s=1, turn_s=1000.0))
    assert kills == 1


def test_a_program_that_had_to_wait_does_not_catch_up() -> None:
    kernel = Kernel(total_kib=1024 * MIB, kernel_kib=0, static_max_kib=1024 * MIB)
    toucher = Toucher(100, [(TOUCHED_KIB, 1000.0)])
    toucher.kernel = kernel
    assert toucher.at(TOUCHES_AT_S - 1) == 100
    kernel.anon_kib = 500
    assert toucher.at(TOUCHES_AT_S + 30) == 100 + 500 + 10  # one step's worth, after 31 s


def test_a_pace_that_was_followed_is_that_of_the_stretch() -> None:
    kernel = Kernel(total_kib=1024 * MIB, kernel_kib=0, static_max_kib=1024 * MIB)
    toucher = Toucher(100, [(1000, 1000.0), (2000, 5000.0)])
    toucher.kernel = kernel
    for held_kib, more_kib in ((0, 10), (999, 10), (1000, 50), (5000, 50)):
        kernel.anon_kib = held_kib
        assert toucher.at(TOUCHES_AT_S + held_kib + 1) == 100 + held_kib + more_kib


def test_a_program_lets_go_when_it_has_held_all_for_its_time_and_when_it_is_killed() -> None:
    kernel = Kernel(total_kib=1024 * MIB, kernel_kib=0, static_max_kib=1024 * MIB)
    toucher, killed = Toucher(100, [(TOUCHED_KIB, 1000.0)]), Toucher(100, [(TOUCHED_KIB, 1000.0)])
    toucher.kernel = killed.kernel = kernel
    kernel.anon_kib = TOUCHED_KIB
    assert toucher.at(TOUCHES_AT_S + 1) == 100 + TOUCHED_KIB
    assert toucher.steady_until_s(TOUCHES_AT_S + 1) == TOUCHES_AT_S + 1 + HOLD_S
    assert toucher.at(TOUCHES_AT_S + 1 + HOLD_S) == 100
    kernel.oom_kills_total = 1
    assert killed.at(TOUCHES_AT_S + 1) == 100
    assert killed.last_s is None


def test_speeds_and_guests_are_those_of_the_run() -> None:
    assert speeds_of(lab_run(), "steady") == FAST
    assert speeds_of(lab_run(unhindered_mib_s=None), "steady").touch == [(TOUCHED_KIB, 40 * MIB)]
    assert speeds_of(lab_run(), "followed").touch == [(16 * MIB, 16 * MIB), (32 * MIB, 8 * MIB)]
    assert guests_of(lab_run()) == GUESTS


def test_a_run_that_is_not_valid_is_not_compared() -> None:
    figures = compare(lab(lab_run(), lab_run(valid=False)))
    assert len(figures.tables[0].rows) == 2  # one of each pace


def test_another_verdict_or_time_is_named(tmp_path: Path) -> None:
    figures = compare(lab(lab_run(oom_kills=1, touch_to_last_page_s=80.0)))
    assert figures.violations[0] == "steady, run 1: 1 OOM kills in the lab, 0 in the simulator"
    assert not any(text.startswith("followed: touch") for text in figures.violations)
    assert any(text.startswith("steady: touch_to_last_page_s: ratio 0.0") for text in figures.violations)
    path = tmp_path / "lab.json"
    path.write_text(json.dumps(lab(lab_run(oom_kills=1))))
    assert main(["--lab", str(path), "--json", str(tmp_path / "out.json")]) == 1
    assert json.loads((tmp_path / "out.json").read_text())["runs"][0]["oom_lab"] == 1
