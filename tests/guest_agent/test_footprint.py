"""What the agent costs a guest. Both processes run without `site`, whose extras are not the interpreter's."""

import json
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest

from protocol import Welcome
from tests.contract.servers import embedded
from tests.guest_agent.processes import Dom0, agent, eventually, stop

ROOT = str(Path(__file__).parents[2])
PATHS = [ROOT, sysconfig.get_path("platlib"), sysconfig.get_path("purelib")]
PYTHON = [str(getattr(sys, "_base_executable", sys.executable)), "-I", "-S", "-c"]
START = f"import sys; sys.path[:0] = {PATHS!r}; from guest_agent.main import main; sys.exit(main())"
SAMPLES = 1000
RATIO_MAX = 1.5
DEAR = {"dataclasses", "typing", "logging", "argparse", "asyncio", "socket", "signal", "re", "enum", "psutil", "trio"}


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    """Compiling takes memory that is not given back: as installed, all is compiled."""
    code = f"import sys; sys.path[:0] = {PATHS!r}; import guest_agent.footprint, guest_agent.main, guest_agent.grants; "
    subprocess.run([*PYTHON, code + "import guest_agent.sources.procfs"], timeout=30, check=True)


def status(pid: int, field: str) -> int:
    """A number from /proc/PID/status."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{field}:")).split()[1])


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
    with embedded() as server:
        server.add(5)
        dom0 = Dom0(server.dom0_path(), 5)
        dom0.welcome(Welcome(version=1, reason="", heartbeat_ms=100, interval_min_ms=1, interval_max_ms=1))
        arguments = ["--socket", str(server.guest_path(5))]
        bare = subprocess.Popen([*PYTHON, "import time; time.sleep(60)"])
        process = subprocess.Popen([*PYTHON, START, *arguments])
        try:
            dom0.report(lambda report: report.sequence > 10)
            early_kib = status(process.pid, "VmRSS")
            before = status(process.pid, "voluntary_ctxt_switches")  # each sample ends in a sleep
            eventually(lambda: status(process.pid, "voluntary_ctxt_switches") > before + SAMPLES)
            bare_kib, agent_kib = status(bare.pid, "VmRSS"), status(process.pid, "VmRSS")
        finally:
            for each in (bare, process):
                each.kill()
                each.wait()
    ratio = agent_kib / bare_kib
    with capsys.disabled():
        print(
            f"\nresident after {SAMPLES} samples: agent {agent_kib} KiB, bare python3 {bare_kib} KiB, ratio {ratio:.2f}"
        )
    assert ratio <= RATIO_MAX
    assert agent_kib - early_kib < 256  # flat


def test_an_idle_agent_hardly_uses_the_processor() -> None:
    with embedded() as server:
        server.add(5)
        process = subprocess.Popen([*PYTHON, START, "--socket", str(server.guest_path(5))])
        try:
            Dom0(server.dom0_path(), 5).report()
            before = cpu_s(process.pid)
            time.sleep(3)
            used_s = cpu_s(process.pid) - before
        finally:
            process.kill()
            process.wait()
    assert used_s <= 0.03  # 1 %, in the clock's steps of 10 ms


def cpu_s(pid: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


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
    assert figures["pss_kib"] <= RATIO_MAX * figures["bare_pss_kib"]
    assert figures["wakeups_per_h"] > 0


def test_a_footprint_that_is_told_to_stop_says_nothing() -> None:
    with agent("--footprint") as process:
        time.sleep(1)
        assert stop(process) == ""


def test_nothing_is_written_to_a_disk() -> None:
    """What the kernel counts as sent to storage, and the data that were handed to any file or socket."""
    with embedded() as server:
        server.add(5)
        dom0 = Dom0(server.dom0_path(), 5)
        dom0.welcome(Welcome(version=1, reason="", heartbeat_ms=100))
        with subprocess.Popen([*PYTHON, START, "--socket", str(server.guest_path(5))]) as process:
            dom0.report(lambda report: report.sequence > 20)
            lines = Path(f"/proc/{process.pid}/io").read_text().splitlines()
            process.kill()
    assert "write_bytes: 0" in lines
