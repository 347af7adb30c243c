"""A Xen host for machines without Xen: a xenstore server, a played hypervisor and guests, real agents, a real arbiter.

Everything that ships runs as it ships; only Xen and the guests' kernels are played, in real time.
"""

import logging
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import trio

from dom0_arbiter.engine import HostSampled
from dom0_arbiter.policy import MARGIN_KIB, Settings
from dom0_arbiter.service import Arbiter, listen_admin
from dom0_arbiter.simulator.demo_host.procfs import Procfs
from dom0_arbiter.simulator.demo_host.workload import Workload
from dom0_arbiter.simulator.directory import Directory
from dom0_arbiter.simulator.guests.guest import Guest
from dom0_arbiter.simulator.host import Allotment, Host
from dom0_arbiter.simulator.inspector import Inspector
from dom0_arbiter.simulator.invariants import Scene
from dom0_arbiter.simulator.xenstored import XenstoreServer, serve_xenstore
from dom0_arbiter.xen import NoSuchDomainError, open_xenstore

log = logging.getLogger("aerostat.embedded")

TICK_S = 0.02
# Where the machine is too busy to play the guests in time, their time stands still rather than leap: in a leap a
# program would touch memory for which neither agent nor arbiter had a chance to run.
LEAP_MAX_S = 0.05
FIRST_DOMID = 1


class PlayedHypervisor:
    """`Hypervisor` over a played host."""

    name = "played"
    maxmem_follows_target = False

    def __init__(self, host: Host) -> None:
        self._host = host

    async def sample(self) -> HostSampled:
        """See Hypervisor.sample."""
        return self._host.sample()

    async def set_maxmem(self, domid: int, maxmem_kib: int) -> None:
        """See Hypervisor.set_maxmem."""
        if domid not in self._host.domains:
            raise NoSuchDomainError(f"no domain {domid}")
        self._host.domains[domid].maxmem_kib = maxmem_kib

    async def set_target(self, domid: int, target_kib: int) -> None:
        """Targets go through xenstore."""
        raise NotImplementedError

    async def xen_commandline(self) -> str:
        """Nothing was booted."""
        return ""


class EmbeddedHost:
    """The parts, running. `now_s` is the guests' time: seconds since they started."""

    def __init__(self, workload: Workload, server: XenstoreServer, arbiter: Arbiter, host: Host, root: Path) -> None:
        self.workload = workload
        self.arbiter = arbiter
        self.host = host
        self.inspector = Inspector()
        self._server = server
        self.now_s = 0.0
        self._directory = Directory()
        self.guests: dict[int, Guest] = {}
        self._procfs: dict[int, Procfs] = {}
        for domid, spec in enumerate(workload.guests, FIRST_DOMID):
            self.guests[domid] = guest = Guest(domid, spec, target_kib=spec.actual_kib, now_s=0.0, has_agent=False)
            boot_id = f"{domid:08d}-played"
            self._procfs[domid] = Procfs(root / spec.name, boot_id=boot_id, min_free_kib=guest.kernel.min_free_kib)
            self._procfs[domid].show(guest.kernel)

    def target_kib(self, domid: int) -> int:
        """What stands in memory/target."""
        return int(self._server.store.read_as_dom0(f"/local/domain/{domid}/memory/target"))

    @property
    def reports_total(self) -> int:
        """What the agents have said, by their own count."""
        reports = [domain.report for domain in self.arbiter.state.domains.values()]
        return sum(report.sequence + 1 for report in reports if report is not None)

    async def play(self) -> None:
        """Let the guests live, until cancelled."""
        last_s = trio.current_time()
        while True:
            await trio.sleep(TICK_S)
            elapsed_s = min(trio.current_time() - last_s, LEAP_MAX_S)
            last_s = trio.current_time()
            self.now_s = now_s = self.now_s + elapsed_s
            for domid, guest in self.guests.items():
                target_kib = self.target_kib(domid)
                if target_kib != guest.driver.aim_kib:
                    guest.hear(target_kib, now_s)
                guest.advance(self.host, self._directory, now_s)
                guest.said_s = now_s  # that agents are silent is for the arbiter to find: they are real
                self._procfs[domid].show(guest.kernel)
            scene = Scene(
                now_s=now_s,
                host=self.host,
                guests=self.guests,
                read_target_kib=self.target_kib,
                state=self.arbiter.state,
            )
            self.inspector.look(scene, planned=False)

    def close(self) -> None:
        """Close the guests' files."""
        for procfs in self._procfs.values():
            procfs.close()


@asynccontextmanager
async def run_embedded_host(workload: Workload) -> AsyncIterator[EmbeddedHost]:
    """A host that lives for the length of a block; leaves no process and no file behind."""
    async with AsyncExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="aerostat-")))
        server = await stack.enter_async_context(serve_xenstore(root))
        host = Host(total_kib=workload.memory_kib)
        for domid, spec in enumerate(workload.guests, FIRST_DOMID):
            maxmem_kib = spec.actual_kib + MARGIN_KIB
            host.build(domid, Allotment(actual_kib=spec.actual_kib, maxmem_kib=maxmem_kib))
            server.add_domain(domid, name=spec.name, target_kib=spec.actual_kib, static_max_kib=spec.static_max_kib)
        listener = await listen_admin(root / "aerostatd.sock")
        xenstore = await stack.enter_async_context(open_xenstore(server.dom0_socket))
        arbiter = Arbiter(Settings(), xenstore, PlayedHypervisor(host))
        embedded = EmbeddedHost(workload, server, arbiter, host, root)
        stack.callback(embedded.close)
        nursery = await stack.enter_async_context(trio.open_nursery())
        stack.callback(nursery.cancel_scope.cancel)
        nursery.start_soon(arbiter.run, listener)
        nursery.start_soon(embedded.play)
        for domid, spec in enumerate(workload.guests, FIRST_DOMID):
            nursery.start_soon(_run_agent, server.guest_socket(domid), root / spec.name)
        yield embedded


async def _run_agent(socket_path: Path, procfs: Path) -> None:
    """A real agent, in a process of its own."""
    command = [sys.executable, "-m", "guest_agent", "--socket", str(socket_path), "--procfs", str(procfs)]
    await trio.run_process(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
