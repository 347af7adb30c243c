"""What befalls a guest while its agent runs: a real process, that goes on and says no more than it must."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from guest_agent.agent import now_ms
from protocol import Report, Welcome
from tests.contract.servers import Server
from tests.guest_agent.kernels import MEMINFO_6_1, PlayedProcfs
from tests.guest_agent.processes import Dom0, agent, stop
from tests.guest_agent.test_agent import make

BRISK = Welcome(version=1, reason="", heartbeat_ms=100, interval_max_ms=50)
MORE = MEMINFO_6_1.replace(b"MemTotal:         199028 kB", b"MemTotal:         330100 kB")


@pytest.fixture
def procfs(tmp_path: Path) -> PlayedProcfs:
    return PlayedProcfs(tmp_path)


@pytest.fixture
def dom0(server: Server) -> Dom0:
    server.add(5)
    dom0 = Dom0(server.dom0_path(), 5)
    dom0.welcome(BRISK)
    return dom0


def goes_on(dom0: Dom0) -> Report:
    """A report that is newer than those of before."""
    before = dom0.report().sequence
    return dom0.report(lambda report: report.sequence > before + 2)


def test_memory_is_added_and_taken_away(server: Server, dom0: Dom0, procfs: PlayedProcfs) -> None:
    with agent("--socket", server.guest_path(5), "--procfs", procfs.directory) as process:
        assert dom0.report().total_kib == 199_028
        for text, total_kib in ((MORE, 330_100), (MEMINFO_6_1, 199_028)):
            procfs.set_meminfo(text)
            dom0.report(lambda report, kib=total_kib: report.total_kib == kib)  # type: ignore[misc]
        assert stop(process) == ""


def test_processors_come_and_go(server: Server, dom0: Dom0, procfs: PlayedProcfs) -> None:
    """An agent that ran on one that went finds itself on another."""
    with agent("--socket", server.guest_path(5), "--procfs", procfs.directory) as process:
        every = os.sched_getaffinity(process.pid)
        for cpu in every:
            os.sched_setaffinity(process.pid, {cpu})
            goes_on(dom0)
        os.sched_setaffinity(process.pid, every)
        assert stop(process) == ""


def test_a_guest_that_was_paused_goes_on(server: Server, dom0: Dom0, procfs: PlayedProcfs) -> None:
    with agent("--socket", server.guest_path(5), "--procfs", procfs.directory) as process:
        goes_on(dom0)
        process.send_signal(signal.SIGSTOP)
        time.sleep(1.5)
        process.send_signal(signal.SIGCONT)
        goes_on(dom0)
        assert stop(process) == ""


def test_a_leaping_wall_clock_is_nothing_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def leap() -> float:
        raise AssertionError("it asked what time it is")

    source, link, agent = make()
    for name in ("time", "time_ns", "localtime", "gmtime"):
        monkeypatch.setattr(f"time.{name}", leap)
    began_ms = now_ms()
    for at_ms in range(began_ms, began_ms + 1000, 100):
        source.available_kib -= 8000
        assert agent.step(at_ms) > 0
    assert len(link.said) >= 9


def test_a_containers_procfs_has_meminfo_alone(server: Server, dom0: Dom0, tmp_path: Path) -> None:
    """As lxcfs shows it; what is not there is not claimed."""
    (tmp_path / "meminfo").write_bytes(MEMINFO_6_1)
    with agent("--socket", server.guest_path(5), "--procfs", tmp_path) as process:
        assert dom0.hello().capabilities == 0
        report = goes_on(dom0)
        assert (report.total_kib, report.available_kib) == (199_028, 131_552)
        assert (report.oom_kill_total, report.psi_some_us_total, report.min_free_kib) == (0, 0, 0)
        assert stop(process) == ""


def test_it_writes_nothing_to_any_disk(server: Server, dom0: Dom0, procfs: PlayedProcfs) -> None:
    """Not even where a root file system is read-only can that fail."""
    with agent("--socket", server.guest_path(5), "--procfs", procfs.directory) as process:
        goes_on(dom0)
        for fd in Path(f"/proc/{process.pid}/fd").iterdir():
            path = fd.readlink()
            flags = int(Path(f"/proc/{process.pid}/fdinfo/{fd.name}").read_text().split()[3], 8)
            is_file = str(path).startswith("/") and not str(path).startswith(("/dev", "/proc"))
            assert not is_file or flags & os.O_ACCMODE == os.O_RDONLY, path
        counted = Path(f"/proc/{process.pid}/io").read_text().split()
        assert counted[counted.index("write_bytes:") + 1] == "0"
        assert stop(process) == ""


def test_a_full_disk_below_its_log_is_no_reason_to_stop(server: Server, dom0: Dom0, procfs: PlayedProcfs) -> None:
    arguments = map(str, ("--socket", server.guest_path(5), "--procfs", procfs.directory))
    command = [sys.executable, "-m", "guest_agent", *arguments]
    with Path("/dev/full").open("w") as full, subprocess.Popen(command, stderr=full) as process:
        try:
            goes_on(dom0)
            dom0.welcome(b"garbage")
            time.sleep(1.5)  # it looks once a second, and has something to say
            goes_on(dom0)
            process.terminate()
            assert process.wait(timeout=10) == 0
        finally:
            process.kill()
