"""A host for the arbiter under test: the real xenstored, guests that obey, and a hypervisor that counts."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio

from dom0_arbiter.engine import DomainSample, HostSampled
from dom0_arbiter.policy import Settings
from dom0_arbiter.service import Arbiter, listen_admin
from dom0_arbiter.service.dom0 import Dom0Source
from dom0_arbiter.xen import NoSuchDomainError, Xenstore, XenstoreError, open_xenstore
from protocol import HELLO_KEY, REPORT_KEY, Hello, Report, encode_hello, encode_report

from .real_xenstored import RealXenstored

MIB = 1024
OFFSET_KIB = 62 * MIB
IDLE_MIB = 60


def hello_of_versions(lowest: int, highest: int) -> Hello:
    return Hello(
        version_lowest=lowest,
        version_highest=highest,
        agent_name="test",
        agent_version="1",
        os_name="Linux",
        os_version="6.1",
        capabilities=0,
        boot_id="b",
    )


HELLO = hello_of_versions(1, 1)


@dataclass
class PlayedHypervisor:
    """Moves each guest at once to the smaller of target and maxmem, whenever it is looked at. KiB."""

    xenstore: Xenstore
    free_kib: int
    actual_kib: dict[int, int] = field(default_factory=dict)
    maxmem_kib: dict[int, int] = field(default_factory=dict)
    looks_total: int = 0
    name: str = "played"
    maxmem_follows_target: bool = False

    async def sample(self) -> HostSampled:
        self.looks_total += 1
        paths = {domid: f"/local/domain/{domid}/memory/target" for domid in self.actual_kib}
        try:
            values = await self.xenstore.read_many(paths.values())
        except XenstoreError:
            values = {}  # while xenstored is away guests hear of no target; Xen answers all the same
        for domid, path in paths.items():
            if path in values and domid in self.actual_kib:
                size_kib = min(int(values[path]), self.maxmem_kib[domid])
                self.free_kib -= size_kib - self.actual_kib[domid]
                self.actual_kib[domid] = size_kib
        assert self.free_kib >= 0, "memory was given away twice"
        samples = {
            domid: DomainSample(actual_kib=self.actual_kib[domid], maxmem_kib=self.maxmem_kib[domid])
            for domid in self.actual_kib
        }
        total_kib = self.free_kib + sum(self.actual_kib.values())
        return HostSampled(total_kib=total_kib, free_kib=self.free_kib, domains=samples)

    async def set_maxmem(self, domid: int, maxmem_kib: int) -> None:
        if domid not in self.actual_kib:
            raise NoSuchDomainError(f"no domain {domid}")
        self.maxmem_kib[domid] = maxmem_kib

    async def set_target(self, domid: int, target_kib: int) -> None:
        raise AssertionError("targets go through xenstore")

    async def xen_commandline(self) -> str:
        return "dom0_mem=1G,max:1G"


class PlayedHost:
    """Guests 5 upwards of 256 MiB, static-max 768 MiB, on a host with nothing free but the slack."""

    def __init__(self, daemon: RealXenstored, guests: int, xenstore: Xenstore) -> None:
        self.daemon = daemon
        self.domids = list(range(5, 5 + guests))
        self.hypervisor = PlayedHypervisor(xenstore=xenstore, free_kib=(64 + guests) * MIB)
        self.settings = Settings(free_pool_kib=0)
        self.used_mib: dict[int, int] = {}
        self._said: dict[int, tuple[int, int] | None] = {}
        self._sequence = 0
        for domid in self.domids:
            daemon.add_guest(domid, target_kib=256 * MIB, static_max_kib=768 * MIB)
            self.hypervisor.actual_kib[domid] = 256 * MIB
            self.hypervisor.maxmem_kib[domid] = 257 * MIB
        self.clients = {domid: daemon.guest(domid) for domid in self.domids}

    def remove(self, domid: int) -> None:
        """The domain dies."""
        del self.used_mib[domid], self.hypervisor.actual_kib[domid]
        self.clients.pop(domid).close()
        self.domids.remove(domid)
        self.daemon.remove_guest(domid)

    def close(self) -> None:
        for client in self.clients.values():
            client.close()

    def reconnect(self) -> None:
        """After a restart of the daemon."""
        self.close()
        self.used_mib.clear()
        self.clients = {domid: self.daemon.guest(domid) for domid in self.domids}

    def hello(self, domid: int, hello: Hello = HELLO) -> None:
        self.clients[domid].write(HELLO_KEY, encode_hello(hello))

    def introduce_all(self) -> None:
        """Every agent says hello, and reports from now on whenever its guest's size or use changed."""
        for domid in self.domids:
            self.hello(domid)
            self.used_mib[domid] = IDLE_MIB
            self._said[domid] = None

    async def play_agents(self) -> None:
        while True:
            for domid, used_mib in self.used_mib.items():
                news = (self.hypervisor.actual_kib[domid], used_mib)
                if self._said[domid] != news and domid in self.clients:
                    self._said[domid] = news
                    self._report(domid, used_mib)
            await trio.sleep(0.02)

    def _report(self, domid: int, used_mib: int) -> None:
        self._sequence += 1
        total_kib = self.hypervisor.actual_kib[domid] - OFFSET_KIB
        report = Report(
            version=1,
            sequence=self._sequence,
            uptime_ms=int(trio.current_time() * 1000) + self._sequence,
            flags=0,
            total_kib=total_kib,
            free_kib=0,
            available_kib=max(0, total_kib - used_mib * MIB),
            balloon_target_kib=self.hypervisor.actual_kib[domid],
        )
        self.clients[domid].write(REPORT_KEY, encode_report(report))

    async def fill(self, domid: int, until_mib: int) -> None:
        """A program touches memory at 250 MiB/s."""
        while self.used_mib[domid] < until_mib:
            self.used_mib[domid] += 5
            await trio.sleep(0.02)

    def target_mib(self, domid: int) -> int:
        with self.daemon.dom0() as dom0:
            return int(dom0.read(f"/local/domain/{domid}/memory/target")) // MIB

    @asynccontextmanager
    async def arbiter(self, socket_path: Path, dom0_source: Dom0Source | None = None) -> AsyncIterator[Arbiter]:
        """The arbiter for the length of a block; leaving it is as abrupt as a kill."""
        listener = await listen_admin(socket_path)
        async with open_xenstore(self.daemon.path) as xenstore, trio.open_nursery() as nursery:
            arbiter = Arbiter(self.settings, xenstore, self.hypervisor, dom0_source)
            nursery.start_soon(arbiter.run, listener)
            yield arbiter
            nursery.cancel_scope.cancel()
        socket_path.unlink(missing_ok=True)


@asynccontextmanager
async def played_host(daemon: RealXenstored, guests: int = 3) -> AsyncIterator[PlayedHost]:
    async with open_xenstore(daemon.path) as xenstore, trio.open_nursery() as nursery:
        host = PlayedHost(daemon, guests, xenstore)
        nursery.start_soon(host.play_agents)
        try:
            yield host
        finally:
            nursery.cancel_scope.cancel()
            host.close()


async def until(condition: Callable[[], Any], *, within_s: float = 10.0) -> None:
    """Wait for something to become true."""
    with trio.fail_after(within_s):
        while not condition():  # noqa: ASYNC110 - what is awaited is in other processes
            await trio.sleep(0.01)


def domain_status(arbiter: Arbiter, domid: int) -> dict[str, Any]:
    (found,) = [each for each in arbiter.status()["domains"] if each["domid"] == domid]
    return dict(found)
