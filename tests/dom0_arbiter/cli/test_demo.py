"""The demo is the real thing in small: real agent processes, the real arbiter, a real xenstore wire."""

import json
import subprocess
import sys

import psutil
import pytest

from dom0_arbiter.cli.main import main
from dom0_arbiter.simulator.workload import plan_workload

KEYS = {
    "format",
    "kind",
    "version",
    "passed",
    "guests",
    "duration_s",
    "seed",
    "host_memory_kib",
    "static_max_sum_kib",
    "spikes",
    "spikes_met",
    "reaction_s",
    "reports_total",
    "refused_total",
    "target_writes_total",
    "violations",
}


def test_spikes_are_met_and_no_process_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    others = psutil.Process().children()  # what earlier tests in this process keep, such as multiprocessing's tracker
    status = main(["demo", "--guests", "4", "--for", "10", "--json"])
    (line,) = capsys.readouterr().out.splitlines()
    score = json.loads(line)
    assert set(score) == KEYS
    assert score["violations"] == []
    assert score["spikes_met"] == score["spikes"] >= 2
    assert score["reports_total"] > 4
    assert score["target_writes_total"] > 0
    assert (status, score["passed"]) == (0, True)
    assert psutil.Process().children() == others


def test_people_without_a_terminal_get_lines() -> None:
    command = [sys.executable, "-m", "dom0_arbiter.cli.main", "demo", "--guests", "2", "--for", "10"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "guest-2" in done.stdout.splitlines()[0]
    assert "spikes met within 5 s" in done.stdout


@pytest.mark.parametrize("arguments", [["--guests", "1"], ["--guests", "many"], ["--for", "1e9"], ["--bogus"]])
def test_bad_usage_is_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["demo", *arguments])
    assert ended.value.code == 2
    assert arguments[0] in capsys.readouterr().err


@pytest.mark.parametrize("guests", [2, 6, 20, 50])
@pytest.mark.parametrize("duration_s", [10.0, 60.0, 600.0])
def test_a_workload_overbooks_the_host_and_spikes_often_enough(guests: int, duration_s: float) -> None:
    workload = plan_workload(guests, duration_s, seed=1)
    assert sum(spec.static_max_kib for spec in workload.guests) >= 2 * workload.memory_kib
    assert sum(spec.actual_kib for spec in workload.guests) <= workload.memory_kib
    assert guests > 6 or len(workload.spikes) >= duration_s // 5
