"""Dom0 as a managed domain: the real xenstored, and a dom0 whose figures are played."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio

from dom0_arbiter.policy import DOM0, DomainSettings, Settings
from dom0_arbiter.service.dom0 import OwnProc
from protocol import Hello, Report

from .played_host import HELLO, MIB, OFFSET_KIB, PlayedHost, PlayedHypervisor, domain_status, played_host, until
from .real_xenstored import RealXenstored

GIB = 1024 * MIB
UNLIMITED_KIB = 2**42  # as Xen shows a dom0 that was booted without dom0_mem=,max:
TARGET = "/local/domain/0/memory/target"


@dataclass
class PlayedDom0:
    """Says that it uses so much of what the hypervisor shows; nobody else says anything for it."""

    hypervisor: PlayedHypervisor
    used_mib: int = 300
    reports_total: int = 0

    def hello(self) -> Hello:
        return HELLO

    def report(self) -> Report:
        self.reports_total += 1
        total_kib = self.hypervisor.actual_kib[DOM0] - OFFSET_KIB
        return Report(
            version=1,
            sequence=self.reports_total,
            uptime_ms=self.reports_total * 1000,
            flags=0,
            total_kib=total_kib,
            free_kib=0,
            available_kib=total_kib - self.used_mib * MIB,
            balloon_target_kib=self.hypervisor.actual_kib[DOM0],
        )


@pytest.fixture
def socket_path(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "a.sock"


def add_dom0(host: PlayedHost, size_kib: int = 2 * GIB, *, margin_kib: int = MIB) -> PlayedDom0:
    host.settings = Settings(
        free_pool_kib=0, dom0=DomainSettings(dynamic_min_kib=GIB, dynamic_max_kib=3 * GIB), default=DomainSettings()
    )
    host.hypervisor.actual_kib[DOM0] = size_kib
    host.hypervisor.maxmem_kib[DOM0] = UNLIMITED_KIB
    host.hypervisor.free_kib += margin_kib
    with host.daemon.dom0() as dom0:
        dom0.write(TARGET, str(size_kib).encode())
    return PlayedDom0(host.hypervisor)


def test_an_idle_dom0_gives_to_a_needy_guest_and_keeps_its_floor(xenstored: RealXenstored, socket_path: Path) -> None:
    async def scenario() -> None:
        async with played_host(xenstored) as host:
            source = add_dom0(host)
            async with host.arbiter(socket_path, dom0_source=source) as arbiter:
                host.introduce_all()
                await until(lambda: [each["state"] for each in arbiter.status()["domains"]] == ["ok"] * 4)
                await host.fill(5, 640)
                await until(lambda: host.target_mib(5) >= 62 + 640)
                given = domain_status(arbiter, DOM0)
                assert given["name"] == "Domain-0"
                assert GIB <= host.target_mib(DOM0) * MIB < 2 * GIB
                assert "gives" in given["last_decision"]["reason"]
                assert host.hypervisor.maxmem_kib[DOM0] == UNLIMITED_KIB, "that is its owner's"

    trio.run(scenario)


def test_a_needy_dom0_gets_what_guests_can_spare(xenstored: RealXenstored, socket_path: Path) -> None:
    async def scenario() -> None:
        async with played_host(xenstored) as host:
            source = add_dom0(host, GIB, margin_kib=0)
            async with host.arbiter(socket_path, dom0_source=source) as arbiter:
                host.introduce_all()
                await until(lambda: [each["state"] for each in arbiter.status()["domains"]] == ["ok"] * 4)
                source.used_mib = 1024 - 62
                await until(lambda: host.target_mib(DOM0) > 1024 + 16)

    trio.run(scenario)


def test_a_dom0_that_its_owner_sizes_is_left_alone(xenstored: RealXenstored, socket_path: Path) -> None:
    async def scenario() -> None:
        async with played_host(xenstored) as host:
            source = add_dom0(host)
            async with host.arbiter(socket_path, dom0_source=source) as arbiter:
                host.introduce_all()
                await until(lambda: [each["state"] for each in arbiter.status()["domains"]] == ["ok"] * 4)
                with xenstored.dom0() as dom0:
                    dom0.write(TARGET, str(1500 * MIB).encode())
                await until(lambda: domain_status(arbiter, DOM0)["state"] == "manual")

    trio.run(scenario)


def test_an_unmanaged_dom0_is_nobody(xenstored: RealXenstored, socket_path: Path) -> None:
    async def scenario() -> None:
        async with played_host(xenstored) as host:
            add_dom0(host)
            host.settings = Settings(free_pool_kib=0)
            async with host.arbiter(socket_path) as arbiter:
                host.introduce_all()
                await until(lambda: [each["state"] for each in arbiter.status()["domains"]] == ["ok"] * 3)
                assert arbiter.state.foreign_promises_kib == 0, "its limit promises nothing"
                assert host.target_mib(DOM0) == 2048

    trio.run(scenario)


def test_this_machine_can_be_measured_as_a_dom0_is() -> None:
    source = OwnProc()
    first, second = source.report(), source.report()
    assert 0 < first.available_kib <= first.total_kib
    assert second.sequence == first.sequence + 1
    assert source.hello().os_name == "Linux"
