"""What the agent costs a guest. Both processes run without `site`, whose extras are not the interpreter's."""

import json
import subprocess
import time
from pathlib import Path

import pytest

from tests.guest_agent.processes import PATHS, PYTHON, START, agent, cpu_s, status, stop
from tests.guest_agent.wear import FLAT_WITHIN_KIB, HASTY, HOUR_S, filling, resident_kib, running

SAMPLES = 1000
RATIO_MAX = 1.5
DEAR = {"dataclasses", "typing", "logging", "argparse", "asyncio", "socket", "signal", "re", "enum", "psutil", "trio"}


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    """Compiling takes memory that is not given back: as installed, all is compiled."""
    code = f"import sys; sys.path[:0] = {PATHS!r}; import guest_agent.footprint, guest_agent.main, guest_agent.grants; "
    subprocess.run([*PYTHON, code + "import guest_agent.sources.procfs"], timeout=30, check=True)


def test_nothing_dear_is_imported() -> None:
    """By the agent itself. (The script that pip 23 makes for a command imports re.)"""
    run = subprocess.run(
        [*PYTHON[:-1], "-X", "importtime", "-c", START, "--once", "--stdout"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    imported = {line.rpartition("|")[2].strip() for line in run.stderr.splitlines()}
    assert "guest_agent.main" in imported
    assert not DEAR.intersection(imported)


def test_after_1000_samples_the_agent_is_little_more_than_python_itself(capsys: pytest.CaptureFixture[str]) -> None:
    early_kib, agent_kib = resident_kib(100, SAMPLES)
    with subprocess.Popen([*PYTHON, "import time; time.sleep(60)"]) as bare:
        time.sleep(0.5)
        bare_kib = status(bare.pid, "VmRSS")
        bare.kill()
    ratio = agent_kib / bare_kib
    with capsys.disabled():
        print(
            f"\nresident after {SAMPLES} samples: agent {agent_kib} KiB, bare python3 {bare_kib} KiB, ratio {ratio:.2f}"
        )
    assert ratio <= RATIO_MAX
    assert agent_kib - early_kib < FLAT_WITHIN_KIB


def test_an_idle_agent_hardly_uses_the_processor() -> None:
    with running(None) as process:
        before = cpu_s(process.pid)
        time.sleep(3)
        used_s = cpu_s(process.pid) - before
    assert used_s <= 0.03  # 1 %, in the clock's steps of 10 ms


def test_a_filling_guest_is_looked_at_more_often_at_a_price_that_it_can_pay(capsys: pytest.CaptureFixture[str]) -> None:
    figures = filling(200)
    with capsys.disabled():
        print(f"\n{figures}")
    assert figures["wakeups_per_h"] > 4 * 7200  # at rest it wakes twice a second
    assert figures["cpu_s_per_h"] < 0.25 * HOUR_S


def test_the_agent_says_itself_what_it_costs(capsys: pytest.CaptureFixture[str]) -> None:
    """As `aerostat-agent --footprint --json`, in a tenth of the time."""
    code = f"import sys; sys.path[:0] = {PATHS!r}; from guest_agent import footprint, main; "
    code += "footprint.WARM_S, footprint.MEASURED_S = 2, 5; sys.exit(main.main())"
    run = subprocess.run(
        [*PYTHON, code, "--footprint", "--json"], capture_output=True, text=True, timeout=60, check=True
    )
    figures = json.loads(run.stdout)
    with capsys.disabled():
        print(f"\n{run.stdout.strip()}")
    assert run.stdout.count("\n") == 1
    assert list(figures) == [
        *("format", "kind", "version", "passed", "rss_kib", "pss_kib", "bare_rss_kib", "bare_pss_kib"),
        *("wakeups_per_h", "cpu_s_per_h", "writes_per_h"),
    ]
    assert (figures["format"], figures["kind"], figures["passed"]) == (1, "footprint", None)
    assert figures["rss_kib"] <= RATIO_MAX * figures["bare_rss_kib"]
    # Both proportional sets shrink with every other Python that runs on this machine; what lies between hardly does.
    added_kib = figures["pss_kib"] - figures["bare_pss_kib"]
    assert added_kib <= (RATIO_MAX - 1) * figures["bare_rss_kib"]
    assert figures["wakeups_per_h"] > 0


def test_a_footprint_that_is_told_to_stop_says_nothing() -> None:
    with agent("--footprint") as process:
        time.sleep(1)
        assert stop(process) == ""


def test_nothing_is_written_to_a_disk() -> None:
    """What the kernel counts as sent to storage."""
    with running(HASTY) as process:
        time.sleep(1)
        lines = Path(f"/proc/{process.pid}/io").read_text().splitlines()
    assert "write_bytes: 0" in lines
