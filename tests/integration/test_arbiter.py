"""The whole arbiter against the real xenstored; only the guests' kernels and Xen are played."""

import json
from binascii import b2a_base64
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import msgpack
import pytest
import trio

from dom0_arbiter.cli.main import main
from dom0_arbiter.policy import Settings
from dom0_arbiter.service import Arbiter, SocketInUseError, listen_admin, pulse
from dom0_arbiter.simulator.demo_host.embedded import PlayedHypervisor
from dom0_arbiter.simulator.host import Host
from dom0_arbiter.xen import open_xenstore
from protocol import PULSE_KEY, REPORT_KEY, Report, decode_welcome, encode_report

from .played_host import MIB, PlayedHost, domain_status, hello_of_versions, played_host, until
from .real_xenstored import RealXenstored


@pytest.fixture
def socket_path(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "a.sock"


def test_a_needy_guest_gets_memory_from_idle_ones(xenstored: RealXenstored, socket_path: Path) -> None:
    async def scenario() -> None:
        async with played_host(xenstored) as host, host.arbiter(socket_path) as arbiter:
            host.introduce_all()
            await until(lambda: len(arbiter.status()["domains"]) == 3)
            await host.fill(5, 260)
            await until(lambda: host.target_mib(5) >= 62 + 260)
            assert host.target_mib(6) < 256
            reason = domain_status(arbiter, 5)["last_decision"]["reason"]
            assert "its share is" in reason

    trio.run(scenario)


def test_a_hello_is_answered_so_that_the_guest_can_read_it(xenstored: RealXenstored, socket_path: Path) -> None:
    async def scenario() -> None:
        async with played_host(xenstored) as host, host.arbiter(socket_path):
            host.hello(5)
            host.hello(6, hello_of_versions(2, 3))
            await until(lambda: all(host.clients[domid].exists("aerostat/welcome") for domid in (5, 6)))
            await until(lambda: host.clients[5].perms("aerostat/welcome") == ["n0", "r5"])
            assert decode_welcome(host.clients[5].read("aerostat/welcome")).version == 1
            refused = decode_welcome(host.clients[6].read("aerostat/welcome"))
            assert refused.version == 0
            assert "versions 2 to 3" in refused.reason

    trio.run(scenario)


def test_the_pulse_is_there_for_every_guest_and_stands_still_without_an_arbiter(
    xenstored: RealXenstored, socket_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse, "BEAT_S", 0.3)

    async def scenario() -> None:
        async with played_host(xenstored) as host:
            guest = host.clients[6]

            def felt() -> bytes | None:
                with suppress(PermissionError):  # as long as there is none: a guest may not even know of that
                    return guest.read(PULSE_KEY)
                return None

            async with host.arbiter(socket_path):
                await until(lambda: felt() is not None)
                first = felt()
                await until(lambda: felt() != first)
                assert guest.perms(PULSE_KEY) == ["r0"]
                with pytest.raises(PermissionError):
                    guest.write(PULSE_KEY, b"mine")
            last = felt()
            await trio.sleep(1.0)
            assert felt() == last

    trio.run(scenario)


def test_somebody_elses_write_pins_the_domain_until_it_is_resumed(xenstored: RealXenstored, socket_path: Path) -> None:
    async def scenario() -> None:
        async with played_host(xenstored) as host, host.arbiter(socket_path) as arbiter:
            host.introduce_all()
            await until(lambda: domain_states(arbiter) == ["ok"] * 3)
            with xenstored.dom0() as dom0:
                dom0.write("/local/domain/7/memory/target", str(200 * MIB).encode())
            await until(lambda: domain_states(arbiter) == ["ok", "ok", "manual"])
            await trio.sleep(1.5)
            assert host.target_mib(7) == 200
            resume = partial(main, ["resume", "guest-7", "--socket", str(socket_path)])
            assert await trio.to_thread.run_sync(resume) == 0
            await until(lambda: domain_states(arbiter) == ["ok"] * 3)

    def domain_states(arbiter: Arbiter) -> list[str]:
        return [each["state"] for each in arbiter.status()["domains"]]

    trio.run(scenario)


def test_a_restarted_arbiter_resumes_from_what_it_finds(xenstored: RealXenstored, socket_path: Path) -> None:
    async def scenario() -> None:
        async with played_host(xenstored) as host:
            async with host.arbiter(socket_path) as arbiter:
                host.introduce_all()
                await until(lambda: len(arbiter.status()["domains"]) == 3)
                await host.fill(5, 200)
                await until(lambda: host.target_mib(5) > 290)
                await trio.sleep(0.2)
            async with host.arbiter(socket_path) as arbiter:
                await until(lambda: [d["state"] for d in arbiter.status()["domains"]] == ["ok"] * 3)
                assert domain_status(arbiter, 5)["working_set_kib"] == (62 + 200) * MIB
                before = await settled_mib(host)
                assert host.target_mib(5) >= 62 + 200  # how fast it grew is forgotten, what it needs is not
            async with host.arbiter(socket_path) as arbiter:
                await until(lambda: [d["state"] for d in arbiter.status()["domains"]] == ["ok"] * 3)
                await trio.sleep(1.5)
                assert {domid: host.target_mib(domid) for domid in host.domids} == before
                assert [d["last_decision"] for d in arbiter.status()["domains"]] == [None] * 3

    trio.run(scenario)


def test_it_carries_on_when_xenstored_is_killed_and_comes_back(xenstored: RealXenstored, socket_path: Path) -> None:
    async def scenario() -> None:
        async with played_host(xenstored) as host, host.arbiter(socket_path) as arbiter:
            host.introduce_all()
            await until(lambda: len(arbiter.status()["domains"]) == 3)
            host.used_mib.clear()
            await trio.to_thread.run_sync(xenstored.kill)
            await trio.sleep(0.3)
            await trio.to_thread.run_sync(xenstored.start)
            host.reconnect()
            host.introduce_all()
            await host.fill(5, 200)
            await until(lambda: host.target_mib(5) > 290)

    trio.run(scenario)


def test_nothing_is_written_below_a_domain_that_is_gone(xenstored: RealXenstored, socket_path: Path) -> None:
    async def scenario() -> None:
        async with played_host(xenstored) as host, host.arbiter(socket_path) as arbiter:
            host.introduce_all()
            await until(lambda: len(arbiter.status()["domains"]) == 3)
            host.remove(7)
            await host.fill(5, 200)
            await until(lambda: [d["domid"] for d in arbiter.status()["domains"]] == [5, 6])
            await trio.sleep(1.2)
            with xenstored.dom0() as dom0:
                assert not dom0.exists("/local/domain/7")

    trio.run(scenario)


def test_every_bad_message_is_counted_by_its_reason_and_raises_nothing(
    xenstored: RealXenstored, socket_path: Path
) -> None:
    bad = {
        b"1" + b"0" * 400: "base64",
        bytes(range(256)) * 7: "size",
        b"lwGgzepgCsz6zRAAzYAA": "type",
        b"lwEBAf8B/wE=": "range",
        b"gA==": "shape",
        b"wQ==": "msgpack",
        b"-1": "base64",
        b2a_base64(msgpack.packb([2, 1, 10**9, 0, 4096, 0, 0]), newline=False): "version",
    }

    def counted(arbiter: Arbiter, reason: str) -> int:
        return int(arbiter.status()["refused_total"].get(reason, 0))

    async def scenario() -> None:
        async with played_host(xenstored) as host, host.arbiter(socket_path) as arbiter:
            host.introduce_all()
            await until(lambda: [d["state"] for d in arbiter.status()["domains"]] == ["ok"] * 3)
            for value, reason in bad.items():
                before = counted(arbiter, reason)
                host.clients[6].write(REPORT_KEY, value)
                await until(lambda reason=reason, before=before: counted(arbiter, reason) > before)  # type: ignore[misc]
            host.clients[6].remove(REPORT_KEY)
            await until(lambda: counted(arbiter, "vanished"))
            # (A value is read twice where its watch tells of it after it was read already, for news of before.)
            assert arbiter.status()["refused_total"].keys() == {*bad.values(), "vanished"}
            assert domain_status(arbiter, 6)["state"] == "ok"

    trio.run(scenario)


def test_status_is_shown_to_people_and_to_scripts(
    xenstored: RealXenstored, socket_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def scenario() -> None:
        async with played_host(xenstored) as host, host.arbiter(socket_path) as arbiter:
            host.introduce_all()
            await until(lambda: len(arbiter.status()["domains"]) == 3)
            await trio.sleep(1.1)
            status = partial(main, ["status", "--socket", str(socket_path)])
            as_json = partial(main, ["status", "--json", "--socket", str(socket_path)])
            nobody = partial(main, ["resume", "nobody", "--socket", str(socket_path)])
            assert await trio.to_thread.run_sync(status) == 0
            assert "guest-5" in capsys.readouterr().out
            assert await trio.to_thread.run_sync(as_json) == 0
            (line,) = capsys.readouterr().out.splitlines()
            assert json.loads(line)["domains"][0]["working_set_kib"] == (62 + 60) * MIB
            assert await trio.to_thread.run_sync(nobody) == 2
            assert "no domain has the name" in capsys.readouterr().err

    trio.run(scenario)


def test_without_an_arbiter_status_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--socket", str(tmp_path / "none.sock")]) == 3
    assert "can't be reached" in capsys.readouterr().err


def test_a_second_arbiter_refuses_to_start(xenstored: RealXenstored, socket_path: Path) -> None:
    async def scenario() -> None:
        async with played_host(xenstored) as host, host.arbiter(socket_path):
            with pytest.raises(SocketInUseError, match="running already"):
                await listen_admin(socket_path)

    trio.run(scenario)


def test_a_flood_of_keys_does_not_make_a_report_look_old(xenstored: RealXenstored, socket_path: Path) -> None:
    """What was found when the watch was made licenses no shrink: a guest must not be able to claim that for itself."""

    async def scenario() -> None:
        async with played_host(xenstored) as host, host.arbiter(socket_path) as arbiter:
            host.introduce_all()
            await until(lambda: [each["state"] for each in arbiter.status()["domains"]] == ["ok"] * 3)
            guest, before = host.clients[5], arbiter.state.domains[5].report
            assert before is not None
            transaction = guest.start_transaction()
            for number in range(70):
                guest.write(f"data/aerostat/junk{number}", b"x", transaction)
            guest.write(REPORT_KEY, encode_report(newer(before)), transaction)
            guest.end_transaction(transaction)
            await until(lambda: arbiter.state.domains[5].report != before)
            assert not arbiter.state.domains[5].is_provisional

    trio.run(scenario)


async def settled_mib(host: PlayedHost) -> dict[int, int]:
    """The targets, once they have stood for a while: what is not urgent moves in the second after the last move."""
    with trio.fail_after(20):
        while True:
            found = {domid: host.target_mib(domid) for domid in host.domids}
            await trio.sleep(2.5)
            if found == {domid: host.target_mib(domid) for domid in host.domids}:
                return found


def newer(report: Report) -> Report:
    values = {field.name: report[field.index] for field in Report.FIELDS}
    return Report(**values | {"sequence": 9, "uptime_ms": report.uptime_ms + 1000})


def test_a_domain_that_is_renamed_is_known_by_its_new_name(xenstored: RealXenstored, socket_path: Path) -> None:
    async def scenario() -> None:
        async with played_host(xenstored) as host, host.arbiter(socket_path) as arbiter:
            await until(lambda: len(arbiter.status()["domains"]) == 3)
            with xenstored.dom0() as dom0:
                dom0.write("/local/domain/6/name", b"renamed")
                dom0.write("/local/domain/6/memory/static-max", str(512 * MIB).encode())
            await until(lambda: domain_status(arbiter, 6)["name"] == "renamed")
            await until(lambda: domain_status(arbiter, 6)["ceiling_kib"] == 512 * MIB)

    trio.run(scenario)


def test_it_waits_for_a_xenstored_that_is_not_there_yet(tmp_path: Path, socket_path: Path) -> None:
    async def scenario() -> None:
        listener = await listen_admin(socket_path)
        async with open_xenstore(tmp_path / "nothing", timeout_s=0.1) as xenstore, trio.open_nursery() as nursery:
            arbiter = Arbiter(Settings(), xenstore, PlayedHypervisor(Host(total_kib=4096 * MIB)))
            nursery.start_soon(arbiter.run, listener)
            await trio.sleep(1.0)
            assert arbiter.status()["domains"] == []
            nursery.cancel_scope.cancel()

    trio.run(scenario)
