"""The demo is the real thing in small: real agent processes, the real arbiter, a real xenstore wire."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import psutil
import pytest

from dom0_arbiter.cli.main import main
from dom0_arbiter.simulator.demo_host.workload import plan_workload

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
    "stopped_at_s",
    "spikes_met",
    "reaction_s",
    "ramp_s",
    "after_ramp_s",
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
    assert score["stopped_at_s"] is None
    assert score["after_ramp_s"]["p50"] == pytest.approx(score["reaction_s"]["p50"] - score["ramp_s"], abs=0.002)
    assert score["reports_total"] > 4
    assert score["target_writes_total"] > 0
    assert (status, score["passed"]) == (0, True)
    assert psutil.Process().children() == others


AEROSTAT = [sys.executable, "-c", "import sys; from dom0_arbiter.cli import main; sys.exit(main())"]


def interrupted(arguments: list[str], *, after_line: int, times: int = 1) -> tuple[int, str, str]:
    """Press Ctrl-C once that many lines were seen: a terminal signals the agents as well, for they are its group."""
    with subprocess.Popen(
        [*AEROSTAT, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as demo:
        assert demo.stdout is not None
        seen = [demo.stdout.readline() for _ in range(after_line)]
        for _ in range(times):
            os.killpg(demo.pid, signal.SIGINT)
            time.sleep(0.01)
        out, err = demo.communicate(timeout=30)
        with pytest.raises(ProcessLookupError):
            os.killpg(demo.pid, 0)  # nobody of its session is left
    return demo.returncode, "".join(seen) + out, err


def test_ctrl_c_ends_the_demo_with_its_score_so_far_and_leaves_no_process() -> None:
    status, out, err = interrupted(["demo", "--guests", "3", "--for", "60"], after_line=3)
    assert (status, err) == (0, "")
    assert re.search(r"stopped after [4-9]\.\d s of 60", out)
    assert "spikes met within 5 s" in out


def test_ctrl_c_before_anything_could_be_judged_is_no_failure() -> None:
    status, out, err = interrupted(["demo", "--guests", "2", "--for", "60"], after_line=1)
    assert (status, err) == (0, "")
    assert "0 of 0 spikes met" in out


def test_an_impatient_ctrl_c_shows_no_traceback_either() -> None:
    status, _, err = interrupted(["demo", "--guests", "2", "--for", "60"], after_line=1, times=3)
    assert status in (0, 130)
    assert err == ""


def test_people_without_a_terminal_get_lines() -> None:
    command = [*AEROSTAT, "demo", "--guests", "2", "--for", "10"]
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
