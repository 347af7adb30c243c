"""The agent, whole: a real process over a real socket, and what it does when the world around it fails."""

import signal
import time
from pathlib import Path

import pytest

from protocol import FINAL, URGENT, Welcome
from tests.contract.servers import Server
from tests.guest_agent.kernels import PlayedProcfs
from tests.guest_agent.processes import PATIENCE_S, Dom0, agent, stop
from tests.integration.plain_client import PlainClient
from tests.integration.real_xenstored import RealXenstored

BRISK = Welcome(version=1, reason="", heartbeat_ms=100, interval_max_ms=50)


@pytest.fixture
def procfs(tmp_path: Path) -> PlayedProcfs:
    return PlayedProcfs(tmp_path)


def test_hello_then_reports_then_a_last_one(server: Server, procfs: PlayedProcfs) -> None:
    server.add(5)
    dom0 = Dom0(server.dom0_path(), 5)
    with agent("--socket", server.guest_path(5), "--procfs", procfs.directory) as process:
        hello = dom0.hello()
        assert (hello.agent_name, hello.boot_id) == ("aerostat", "4c1ee2a5-8d8a-4a3f-8a7e-07c3b8f1a0aa")
        first = dom0.report()
        assert (first.sequence, first.total_kib, first.available_kib, first.flags) == (0, 199_028, 131_552, 0)
        procfs.set_available(60_000)
        assert dom0.report(lambda report: report.available_kib == 60_000).flags == 0
        procfs.set_available(20_000)
        assert dom0.report(lambda report: report.available_kib == 20_000).flags == URGENT
        procfs.set_available(131_552)
        assert dom0.report(lambda report: report.available_kib == 131_552).flags == 0
        assert stop(process) == ""
        assert dom0.report().flags == FINAL


def test_the_welcome_is_obeyed_and_its_loss_means_hello_again(server: Server, procfs: PlayedProcfs) -> None:
    server.add(5)
    dom0 = Dom0(server.dom0_path(), 5)
    dom0.welcome(BRISK)
    with agent("--socket", server.guest_path(5), "--procfs", procfs.directory) as process:
        dom0.report(lambda report: report.sequence > 10)  # heartbeats of 100 ms: the default would be a minute
        dom0.forget_hello()
        dom0.move("17")
        dom0.hello()
        dom0.welcome(b"garbage")
        time.sleep(2)  # it looks once a second
        errors = stop(process)
        assert errors.count("\n") == 1
        assert "welcome is malformed" in errors


def test_no_version_in_common_is_said_once_and_then_nothing_is(server: Server, procfs: PlayedProcfs) -> None:
    server.add(5)
    dom0 = Dom0(server.dom0_path(), 5)
    dom0.welcome(Welcome(version=0, reason="needs at least version 9"))
    with agent("--socket", server.guest_path(5), "--procfs", procfs.directory) as process:
        dom0.report()
        time.sleep(1.5)  # it looks after a second
        said = dom0.report().sequence
        procfs.set_available(1000)
        time.sleep(1)
        assert dom0.report().sequence == said
        errors = stop(process)
        assert "needs at least version 9" in errors
        assert errors.count("\n") == 1
        assert dom0.report().sequence == said  # no last word either


def test_torn_memory_is_survived_and_said_once(server: Server, procfs: PlayedProcfs) -> None:
    server.add(5)
    dom0 = Dom0(server.dom0_path(), 5)
    with agent("--socket", server.guest_path(5), "--procfs", procfs.directory) as process:
        dom0.report()
        procfs.set_meminfo(b"MemTotal: 0")
        time.sleep(1)
        procfs.set_available(50_000)
        dom0.report(lambda report: report.available_kib == 50_000)
        errors = stop(process).splitlines()
        assert len(errors) == 2
        assert "meminfo" in errors[0]
        assert "in order again" in errors[1]


def test_a_stalled_xenstored_is_outlasted(xenstored: RealXenstored, procfs: PlayedProcfs) -> None:
    path = xenstored.add_guest(5)
    dom0 = Dom0(xenstored.path, 5)
    with agent("--socket", path, "--procfs", procfs.directory) as process:
        dom0.report()
        xenstored.stop()
        procfs.set_available(60_000)
        time.sleep(6)  # longer than a call may take
        xenstored.cont()
        dom0.report(lambda report: report.available_kib == 60_000)
        procfs.set_available(50_000)
        dom0.report(lambda report: report.available_kib == 50_000)
        errors = stop(process).splitlines()
        assert errors == [
            "aerostat-agent: xenstore does not answer within 5 s",
            "aerostat-agent: xenstore: in order again",
        ]


def test_a_killed_xenstored_is_greeted_again_when_it_is_back(xenstored: RealXenstored, procfs: PlayedProcfs) -> None:
    path = xenstored.add_guest(5)
    dom0 = Dom0(xenstored.path, 5)
    dom0.welcome(BRISK)
    with agent("--socket", path, "--procfs", procfs.directory) as process:
        dom0.report(lambda report: report.sequence > 10)
        xenstored.kill()
        time.sleep(0.5)
        xenstored.start()
        dom0.hello()
        dom0.report()
        assert len(stop(process).splitlines()) <= 4


def test_sigterm_ends_a_call_into_a_stalled_xenstored(xenstored: RealXenstored, procfs: PlayedProcfs) -> None:
    path = xenstored.add_guest(5)
    dom0 = Dom0(xenstored.path, 5)
    with agent("--socket", path, "--procfs", procfs.directory) as process:
        dom0.report()
        xenstored.stop()
        procfs.set_available(60_000)
        time.sleep(0.7)
        assert "no last report" in stop(process)
        xenstored.cont()


@pytest.mark.parametrize("delay_s", [0.0, 0.02, 0.04, 0.06, 0.08, 0.1, 0.15])
def test_sigterm_at_any_instant_ends_it(delay_s: float, server: Server, procfs: PlayedProcfs) -> None:
    server.add(5)
    with agent("--socket", server.guest_path(5), "--procfs", procfs.directory) as process:
        time.sleep(delay_s)
        process.terminate()
        _, errors = process.communicate(timeout=20)
        assert process.returncode in (0, -signal.SIGTERM), errors  # the latter: before it was up at all
        assert "Traceback" not in errors


def test_an_agent_without_a_xenstore_waits_for_one(tmp_path: Path, procfs: PlayedProcfs) -> None:
    with agent("--socket", tmp_path / "nothing", "--procfs", procfs.directory) as process:
        time.sleep(1.5)
        assert stop(process).count("\n") == 1


def test_a_xenstore_that_refuses_is_told_of_once_and_not_pestered(server: Server, procfs: PlayedProcfs) -> None:
    server.add(5)
    with PlainClient(server.dom0_path()) as dom0:
        dom0.mkdir("/local/domain/5/data/aerostat")
        dom0.set_perms("/local/domain/5/data/aerostat", "n0")
    with agent("--socket", server.guest_path(5), "--procfs", procfs.directory) as process:
        time.sleep(1.5)
        assert stop(process) == "aerostat-agent: xenstore refuses data/aerostat/hello: EACCES\n"


def test_settings_are_read_again_when_it_is_told_to(server: Server, procfs: PlayedProcfs, tmp_path: Path) -> None:
    server.add(5)
    settings = tmp_path / "agent.conf"
    settings.write_text("interval_s = 7\n")
    arguments = ("--socket", server.guest_path(5), "--procfs", procfs.directory, "--config", settings)
    with agent(*arguments) as process:
        Dom0(server.dom0_path(), 5).report()
        settings.write_text("interval_s = none\n")
        process.send_signal(signal.SIGHUP)
        time.sleep(1.0)
        settings.write_text("alone = committed-as\n")
        process.send_signal(signal.SIGHUP)
        time.sleep(1.0)
        errors = stop(process).splitlines()
    assert errors == [
        f"aerostat-agent: {settings}:1: interval_s = none: a whole number of 1 to 3600 expected: going on as before",
        "aerostat-agent: alone = committed-as: this guest has no balloon that the agent may set: going on as before",
    ]


def test_bad_settings_are_named_at_the_start_and_good_ones_shown(
    server: Server, procfs: PlayedProcfs, tmp_path: Path
) -> None:
    settings = tmp_path / "agent.conf"
    settings.write_text("interval_s = 0\n")
    server.add(5)
    for arguments in (("--socket", server.guest_path(5), "--procfs", procfs.directory), ("--show-config",)):
        with agent(*arguments, "--config", settings) as process:
            output, errors = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 2
        assert f"{settings}:1: interval_s = 0: a whole number of 1 to 3600 expected" in errors
        assert output == ""
    settings.write_text("interval_s = 9\n")
    with agent("--show-config", "--config", settings) as process:
        output, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert "alone = stay\n" in output and "interval_s = 9\n" in output
