"""Agents and arbiters of other releases: they agree on what both speak, or say that there is nothing, and part."""

import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import pytest
import trio

from dom0_arbiter.engine import fold
from dom0_arbiter.policy import MARGIN_KIB, Settings
from dom0_arbiter.service import Arbiter, collector, listen_admin
from dom0_arbiter.simulator.demo_host.embedded import PlayedHypervisor
from dom0_arbiter.simulator.host import Allotment, Host
from dom0_arbiter.simulator.xenstored import Refusal, Store, serve_xenstore
from dom0_arbiter.xen import open_xenstore
from protocol import REPORT_KEY, WELCOME_KEY, Welcome, choose_version, decode_welcome, domain_path

from .played_host import until

GIB = 1024 * 1024
SIZE_KIB = 64 * GIB  # more than the machine has that the agent measures
HEARTBEAT_MS = 500  # the first report is older than the agreement
SILENCE_S = 2.0
RELEASES = ((1, 1), (1, 2), (2, 2), (2, 3))


@pytest.mark.parametrize("arbiters", RELEASES)
@pytest.mark.parametrize("agents", RELEASES)
def test_peers_of_other_releases_agree_or_say_that_they_cannot(
    agents: tuple[int, int], arbiters: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lowest, highest = arbiters
    monkeypatch.setattr(fold, "choose_version", partial(choose_version, lowest=lowest, highest=highest))
    for module in (fold, collector):
        monkeypatch.setattr(module, "VERSION_LOWEST", lowest)
        monkeypatch.setattr(module, "VERSION_HIGHEST", highest)
    monkeypatch.setattr(fold, "Welcome", partial(Welcome, heartbeat_ms=HEARTBEAT_MS))
    both = range(max(agents[0], lowest), min(agents[1], highest) + 1)
    trio.run(_meet, agents, max(both, default=0), tmp_path / "agent.err")
    said = (tmp_path / "agent.err").read_text()
    if both:
        assert said == ""
    else:
        theirs, ours = f"{agents[0]} to {agents[1]}", f"{lowest} to {highest}"
        assert said.count("no version in common") == 1
        assert f"the agent speaks versions {theirs}, dom0 {ours}" in said


async def _meet(agents: tuple[int, int], version: int, errors: Path) -> None:
    """Let both live for a while; `version` is what they must agree on, 0 for nothing."""
    with tempfile.TemporaryDirectory(prefix="xs-") as short, errors.open("w") as said:
        async with serve_xenstore(Path(short)) as server, open_xenstore(server.dom0_socket) as xenstore:
            host = Host(total_kib=2 * SIZE_KIB)
            host.build(1, Allotment(actual_kib=SIZE_KIB, maxmem_kib=SIZE_KIB + MARGIN_KIB))
            agent_socket = server.add_domain(1, target_kib=SIZE_KIB, static_max_kib=SIZE_KIB)
            arbiter = Arbiter(Settings(), xenstore, PlayedHypervisor(host))
            command = [sys.executable, "-m", "tests.integration.versioned_agent", *map(str, agents), str(agent_socket)]
            async with trio.open_nursery() as nursery:
                nursery.start_soon(arbiter.run, await listen_admin(Path(short) / "a.sock"))
                nursery.start_soon(
                    partial(trio.run_process, command, stdout=subprocess.DEVNULL, stderr=said, check=False)
                )
                await until(lambda: _value(server.store, WELCOME_KEY) is not None)
                assert decode_welcome(_value(server.store, WELCOME_KEY) or b"").version == version
                if version:
                    await until(lambda: _version_of_report(arbiter) == version)
                else:
                    await until(lambda: errors.stat().st_size > 0)
                    if agents[0] == 1:
                        server.store.remove_as_dom0(f"{domain_path(1)}/{REPORT_KEY}")  # said by the defaults, before
                    await trio.sleep(SILENCE_S)
                    assert _value(server.store, REPORT_KEY) is None
                    assert arbiter.status()["domains"][0]["state"] == "no-agent"
                    assert _value(server.store, "memory/target") == str(SIZE_KIB).encode()
                nursery.cancel_scope.cancel()


def _version_of_report(arbiter: Arbiter) -> int | None:
    domain = arbiter.state.domains.get(1)
    return None if domain is None or domain.report is None else domain.report.version


def _value(store: Store, key: str) -> bytes | None:
    try:
        return store.read_as_dom0(f"{domain_path(1)}/{key}")
    except Refusal:
        return None
