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
from tests.guest_agent.processes import Dom0, eventually

ROOT = str(Path(__file__).parents[2])
PATHS = [ROOT, sysconfig.get_path("platlib"), sysconfig.get_path("purelib")]
PYTHON = [str(getattr(sys, "_base_executable", sys.executable)), "-I", "-S", "-c"]
START = f"import sys; sys.path[:0] = {PATHS!r}; from guest_agent.main import main; sys.exit(main())"
SAMPLES = 1000
RATIO_MAX = 1.5
DEAR = {"dataclasses", "typing", "logging", "argparse", "asyncio", "socket", "signal", "re", "enum", "psutil", "trio"}


def status(pid: int, field: str) -> int:
    """A number from /proc/PID/status."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{field}:")).split()[1])


def test_nothing_dear_is_imported() -> None:
    code = f"import sys; sys.path[:0] = {PATHS!r}; import guest_agent.main; print(*sys.modules)"
    run = subprocess.run([*PYTHON, code], capture_output=True, text=True, timeout=30, check=True)
    assert not DEAR.intersection(run.stdout.split())


def test_after_1000_samples_the_agent_is_little_more_than_python_itself(capsys: pytest.CaptureFixture[str]) -> None:
    with embedded() as server:
        server.add(5)
        dom0 = Dom0(server.dom0_path(), 5)
        dom0.welcome(Welcome(version=1, reason="", heartbeat_ms=100, interval_min_ms=1, interval_max_ms=1))
        arguments = ["--socket", str(server.guest_path(5))]
        bare = subprocess.Popen([*PYTHON, "import time; time.sleep(60)"])
        agent = subprocess.Popen([*PYTHON, START, *arguments])
        try:
            dom0.report(lambda report: report.sequence > 10)
            early_kib = status(agent.pid, "VmRSS")
            before = status(agent.pid, "voluntary_ctxt_switches")  # each sample ends in a sleep
            eventually(lambda: status(agent.pid, "voluntary_ctxt_switches") > before + SAMPLES)
            bare_kib, agent_kib = status(bare.pid, "VmRSS"), status(agent.pid, "VmRSS")
        finally:
            for process in (bare, agent):
                process.kill()
                process.wait()
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
        agent = subprocess.Popen([*PYTHON, START, "--socket", str(server.guest_path(5))])
        try:
            Dom0(server.dom0_path(), 5).report()
            before = cpu_s(agent.pid)
            time.sleep(3)
            used_s = cpu_s(agent.pid) - before
        finally:
            agent.kill()
            agent.wait()
    assert used_s <= 0.03  # 1 %, in the clock's steps of 10 ms


def cpu_s(pid: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_the_agent_says_itself_what_it_costs(capsys: pytest.CaptureFixture[str]) -> None:
    """As `aerostat-agent --footprint`, in a tenth of the time."""
    code = (
        f"import sys; sys.path[:0] = {PATHS!r}; from guest_agent import footprint; "
        "footprint.WARM_S, footprint.MEASURED_S = 1, 5; footprint.BARE_STARTS_S = 1; "
        "footprint.measure_footprint.__kwdefaults__.update(warm_s=1, measured_s=5); "
        "from guest_agent.main import main; sys.exit(main())"
    )
    with embedded() as server:
        server.add(5)
        arguments = ["--socket", str(server.guest_path(5)), "--footprint", "--json"]
        run = subprocess.run([*PYTHON, code, *arguments], capture_output=True, text=True, timeout=60, check=True)
    figures = json.loads(run.stdout)
    with capsys.disabled():
        print(f"\n{run.stdout.strip()}")
    assert (figures["format"], figures["kind"], figures["passed"]) == (1, "footprint", None)
    assert 0 < figures["pss_kib"] <= figures["rss_kib"]
    assert 0 < figures["bare_pss_kib"] <= figures["bare_rss_kib"]
    assert figures["wakeups_per_h"] > 0 and figures["cpu_s_per_h"] >= 0


def test_a_footprint_without_xenstore_is_none(tmp_path: Path) -> None:
    command = [*PYTHON, START, "--footprint", "--socket", str(tmp_path / "none")]
    run = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (run.returncode, run.stdout) == (3, "")
