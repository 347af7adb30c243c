"""What gates and what does not, and a result in the form that scripts expect."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.xenlab.__main__ import main, parse_options, report, skipped
from tests.xenlab.boots import Results
from tests.xenlab.catalogue import BY_NAME
from tests.xenlab.made_runs import made_spike, program, sample
from tests.xenlab.timeline import Timeline
from tests.xenlab.verdict import judge_scenario

RUN_KEYS = {
    *("valid", "oom_kills", "touch_to_report_s", "urgent_to_target_s", "touch_to_target_s", "touch_to_first_page_s"),
    *("touch_to_last_page_s", "run_s", "control_run_s", "run_ratio", "release_settled_s", "free_after_kib"),
    *("target_writes", "touch_mib_s", "balloon_mib_s", "violations"),
}


def judged(*timelines: Timeline, name: str = "spike", wanted: int = 1) -> dict[str, Any]:
    return judge_scenario(BY_NAME[name], list(timelines), wanted, [])


def test_a_good_run_passes_with_every_key_in_place() -> None:
    result = judged(made_spike())
    assert result["passed"], result["failures"]
    assert result["runs"][0].keys() >= RUN_KEYS
    assert result["median"].keys() >= RUN_KEYS


def test_a_program_that_takes_six_times_as_long_fails() -> None:
    slow = [program("control", first_s=91.0, run_s=1.25), program("spiker", first_s=101.0, run_s=8.0, hold_s=12.0)]
    assert "6.4 times as long as the control" in judged(made_spike(programs=slow))["failures"][0]


def test_a_killed_program_fails_but_where_finding_out_is_the_point() -> None:
    killed = [program("spiker", first_s=101.0, run_s=8.0, last_s=0.0, signal=9, hold_s=12.0)]
    kills = {name: {"oom_kill": int(name == "g3")} for name in ("g1", "g2", "g3", "control")}
    run = made_spike(programs=killed, facts={"stats_after": kills})
    assert not judged(run)["passed"]
    assert judged(run, name="spike-fast")["passed"]


def test_the_fastest_pace_survived_counts_only_up_to_the_first_that_was_not() -> None:
    killed = [program("spiker", first_s=101.0, run_s=8.0, last_s=0.0, signal=9, hold_s=12.0)]
    runs = [made_spike(scenario="rate-sweep", variant="10"), made_spike(scenario="rate-sweep", variant="20")]
    runs += [made_spike(scenario="rate-sweep", variant="30", programs=killed)]
    runs += [made_spike(scenario="rate-sweep", variant="40")]
    result = judged(*runs, name="rate-sweep", wanted=4)
    assert result["fastest_survived_mib_s"] == 20
    assert result["survived_total"] == 3
    assert result["passed"]


def test_a_run_tells_what_its_host_was_like_and_how_its_program_went() -> None:
    before = {name: {"oom_kill": 0, "MemTotal": 200, "MemAvailable": 150} for name in ("g1", "g2", "g3", "control")}
    run = judged(made_spike(facts={"stats_before": before}))["runs"][0]
    assert run["at_t0"]["g3"] == {"actual_kib": 256 * 1024, "total_kib": 200, "available_kib": 150}
    assert "control" not in run["at_t0"]  # it is in no sample of this run
    assert run["touched"] == [[0.0, 0, 160 * 1024], [8.0, 300 * 1024, 20 * 1024]]
    assert (run["recovery"], run["estimates"], run["surplus"]) == (None, [], None)


def test_an_oom_kill_in_a_donor_fails_everywhere() -> None:
    kills = {name: {"oom_kill": int(name == "g1")} for name in ("g1", "g2", "g3", "control")}
    assert not judged(made_spike(facts={"stats_after": kills}), name="spike-fast")["passed"]


def test_memory_that_stays_away_fails() -> None:
    swollen = [(150.0, 151.0), (150.0, 151.0), (460.0, 461.0)]
    samples = [sample(at_s, 67, *swollen) for at_s in (100.0, 131.5, 190.0)]
    assert any("did not go back" in failure for failure in judged(made_spike(samples=samples))["failures"])


def test_an_invalid_start_is_no_verdict_but_must_be_made_up_for() -> None:
    invalid = made_spike(invalid="T0: too much is free")
    assert judged(invalid, made_spike())["passed"]
    result = judged(invalid)
    assert result["runs"][0]["valid"] is False
    assert result["failures"] == ["0 valid runs of 1: T0: too much is free"]


def test_a_claim_that_does_not_hold_is_a_failure_of_ours() -> None:
    claims = [{"claim": "the arbiter resumed", "holds": False, "found": "exit status 1"}]
    assert judged(made_spike(claims=claims))["failures"] == ["run 1: the arbiter resumed: no (exit status 1)"]


def test_a_scenario_that_does_not_gate_cannot_fail_the_lab() -> None:
    result = report([BY_NAME["spike-pvh"]], 1, Results())
    assert result["scenarios"][0]["passed"] is False
    assert result["passed"] is True


def test_a_machine_without_the_means_is_named_as_skipped() -> None:
    result = skipped([BY_NAME["spike"]], "no apt-get here")
    assert result["passed"] is None
    assert result["skipped"] == [{"name": "spike", "reason": "no apt-get here"}]
    assert json.loads(json.dumps(result)) == result


def test_the_list_names_every_scenario_and_who_does_not_gate(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(BY_NAME)
    assert "spike-pvh (not gating, only by name)" in lines


@pytest.mark.parametrize("words", [["no-such"], ["spike", "--runs", "0"], ["--runs", "many"]])
def test_a_wrong_command_line_is_refused_before_anything_is_built(words: list[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as refused:
        parse_options([*words, "--json", str(tmp_path / "result.json")])
    assert refused.value.code == 2
    assert not list(tmp_path.iterdir())
