"""`aerostat simulate`, `replay` and `bench` as scripts meet them: status, one line of JSON, nothing else."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dom0_arbiter.cli.main import main
from dom0_arbiter.simulator.scenarios.scenario import METRICS

SCENARIO = """
format = 1
seed = 3
duration_s = 20
[host]
memory_kib = 2_097_152
slack_kib = 65_536
[[domain]]
name = "a"
static_max_kib = 2_097_152
dynamic_min_kib = 262_144
target_kib = 921_600
need_kib = [[0, 400_000], [5, 1_000_000], [12, 400_000]]
[[domain]]
name = "b"
static_max_kib = 2_097_152
dynamic_min_kib = 262_144
target_kib = 921_600
need_kib = 300_000
"""
FAILING = "[[expect]]\nat_s = 10\ndomain = 'a'\nactual_kib = [0, 1]\n"
TRACE = "time_s,domain,demand_kib\n0,a,300000\n0,b,300000\n10,a,500000\n10,b,300000\n"


BENCH_KEYS = [
    "format",
    "kind",
    "version",
    "passed",
    "python",
    "repeats",
    "report_us",
    "replan_us",
    "report_ratio_5000_to_50",
    "reads_per_report",
    "core_ratio_500",
]


def write(folder: Path, content: str, name: str = "s.toml") -> str:
    path = folder / name
    path.write_text(content)
    return str(path)


def run(*arguments: str) -> tuple[int, str, str]:
    """Through the real entry point, in a process of its own."""
    command = [str(Path(sys.executable).with_name("aerostat")), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout, done.stderr


def run_json(*arguments: str) -> tuple[int, Any]:
    status, out, err = run(*arguments, "--json")
    assert err == ""
    (line,) = out.splitlines()
    return status, json.loads(line)


def test_a_scenario_that_holds_is_status_0_and_one_object(tmp_path: Path) -> None:
    status, result = run_json("simulate", write(tmp_path, SCENARIO), "--policy", "static", "--policy", "oracle")
    assert status == 0
    assert (result["kind"], result["passed"], result["scenario"], result["seed"]) == ("simulate", True, "s", 3)
    assert [each["policy"] for each in result["policies"]] == ["static", "oracle"]
    assert set(result["policies"][0]["metrics"]) == set(METRICS)


def test_our_own_policy_is_the_default(tmp_path: Path) -> None:
    _, result = run_json("simulate", write(tmp_path, SCENARIO), "--seed", "11")
    assert [each["policy"] for each in result["policies"]] == ["aerostat"]
    assert result["seed"] == 11


def test_a_failed_expectation_is_status_1_and_said(tmp_path: Path) -> None:
    path = write(tmp_path, SCENARIO + FAILING)
    status, result = run_json("simulate", path, "--policy", "static")
    assert (status, result["passed"]) == (1, False)
    assert result["policies"][0]["expectations"] == [{"index": 0, "passed": False, "found": 921_600}]
    status, out, _ = run("simulate", path, "--policy", "static")
    assert status == 1
    assert "static: expectation 0: actual_kib of a at 10 s: 0 to 1 expected, 921,600 found" in out


@pytest.mark.parametrize(
    ("content", "arguments", "said"),
    [
        (SCENARIO + "typo = 1", [], "s.toml: domain[1]: "),
        ("", [], "missing required field"),
        (SCENARIO, ["--policy", "best"], "--policy 'best': aerostat, static"),
        (SCENARIO, ["--html", "/nowhere/at/all.html"], "--html /nowhere/at/all.html: a file in a folder that exists"),
        (SCENARIO, ["--html", "/"], "--html /: a file in a folder"),
    ],
)
def test_bad_input_is_status_2_and_one_line(tmp_path: Path, content: str, arguments: list[str], said: str) -> None:
    status, out, err = run("simulate", write(tmp_path, content), "--json", *arguments)
    assert (status, out) == (2, "")
    (line,) = err.splitlines()
    assert said in line


def test_a_scenario_that_is_not_there_is_status_2(tmp_path: Path) -> None:
    status, out, err = run("simulate", str(tmp_path / "none.toml"))
    assert (status, out) == (2, "")
    assert "none.toml: cannot be read" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["simulate"],
        ["simulate", "f", "--seed", "-1"],
        ["simulate", "f", "--seed", "x"],
        ["replay", "f"],
        ["replay", "f", "--host-memory", "0"],
        ["replay", "f", "--host-memory", "1.5"],
        ["replay", "f", "--host-memory", "64", "--speedup", "nan"],
        ["replay", "f", "--host-memory", "64", "--speedup", "0"],
        ["bench", "--repeats", "0"],
    ],
)
def test_bad_usage_is_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().out == ""


def test_a_trace_is_replayed(tmp_path: Path) -> None:
    trace = write(tmp_path, TRACE, "t.csv")
    arguments = ["--host-memory", "2048", "--static-max", "1024", "--speedup", "2", "--policy", "static"]
    status, result = run_json("replay", trace, *arguments)
    assert status == 0
    assert (result["kind"], result["trace"], result["domains"]) == ("replay", trace, 2)
    assert (result["host_memory_kib"], result["speedup"]) == (2_097_152, 2.0)
    assert set(result["policies"][0]) == {"policy", "passed", "metrics", "violations"}


def test_a_bad_trace_is_status_2_with_file_and_line(tmp_path: Path) -> None:
    trace = write(tmp_path, TRACE + "20,a,\n", "t.csv")
    status, out, err = run("replay", trace, "--host-memory", "2048")
    assert (status, out) == (2, "")
    assert f"{trace}:6: demand_kib = ''" in err


def test_a_report_is_written_beside_the_table(tmp_path: Path) -> None:
    report = tmp_path / "r.html"
    status, out, err = run("simulate", write(tmp_path, SCENARIO), "--policy", "static", "--html", str(report))
    assert (status, err) == (0, "")
    assert "static" in out
    assert report.read_text().startswith("<!DOCTYPE html>")


def test_the_bench_measures(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from dom0_arbiter.simulator.benches import bench, bench_host

    monkeypatch.setattr(bench_host, "WARM_UP_S", 3.0)
    monkeypatch.setattr(bench_host, "MEASURED_S", 1.5)
    monkeypatch.setattr(bench, "HOST_DOMAINS", 10)
    assert main(["bench", "--repeats", "3", "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    result = json.loads(line)
    assert list(result) == BENCH_KEYS
    assert (result["kind"], result["passed"], result["repeats"]) == ("bench", None, 3)
    assert list(result["report_us"]) == list(result["replan_us"]) == ["5", "50", "500", "5000"]
