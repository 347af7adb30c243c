"""The host as scenarios see it: three managed guests, a control guest, the arbiter, and the recorder over them all."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.xenlab.catalogue import FREE_AT_START_MIB, MARGIN_MIB, SLACK_MIB, HostShape
from tests.xenlab.driver import hypervisor
from tests.xenlab.driver.arbiter import Arbiter
from tests.xenlab.driver.console import Job, wait_until
from tests.xenlab.driver.guests import SERVED_DISK, SWAP_DISK, Guest
from tests.xenlab.driver.hypervisor import GuestFailed, Xen
from tests.xenlab.driver.recorder import Recorder

SHARED = Path("/lab")
XENSTORED_PID = Path("/run/xenstored.pid")
MANAGED = ("g1", "g2", "g3")
CONTROL = "control"
BALLAST_STEP_WITHIN_S = 30.0
MANAGED_WITHIN_S = 90.0


class Lab:
    """One booted host of a given shape."""

    def __init__(self, shape: HostShape, commands: dict[str, list[str]]) -> None:
        self.shape = shape
        self.xen = Xen()
        self.recorder = Recorder()
        self.agent_command = commands["agent"]
        self.arbiter = Arbiter(commands["arbiter"], shape)
        self.guests = {name: self._guest(name, shape.guest_mib) for name in MANAGED}
        # It has from the start what the others may grow to.
        self.control = self._guest(CONTROL, shape.static_max_mib)
        self.holders: list[Job] = []  # programs that hold memory from one run to the next

    def _guest(self, name: str, memory_mib: int) -> Guest:
        return Guest(
            self.xen,
            name=name,
            kind=self.shape.guest_type,
            memory_mib=memory_mib,
            maxmem_mib=self.shape.static_max_mib,
            more_disks=self._more_disks() if name == MANAGED[-1] else (),
        )

    def _more_disks(self) -> tuple[tuple[str, str, str], ...]:
        if self.shape.swap_disk_mib:
            return (SWAP_DISK,)
        return (SERVED_DISK,) if self.shape.served_disk_mib else ()

    @property
    def all_guests(self) -> list[Guest]:
        """The managed ones and the control."""
        return [*self.guests.values(), self.control]

    def boot(self) -> None:
        """Create every guest and make the host's free memory exact; then agents and arbiter start."""
        hypervisor.xl("sched-credit2", "-d", "0", "-w", str(self.shape.dom0_cpu_weight))
        if self.shape.served_disk_mib:
            # A loop device reads through the page cache of the domain that it is in.
            subprocess.run(["modprobe", "loop", "max_loop=1"], check=True)
            subprocess.run(["losetup", "-r", SERVED_DISK[2], "/dev/vdc"], check=True)
        for guest in self.all_guests:
            # One after the other: booting side by side on one pCPU takes half as long again.
            guest.create()
            guest.attach()
        if self.shape.zram_mib:
            for guest in self.guests.values():
                guest.add_zram_swap(self.shape.zram_mib)
        if self.shape.swap_disk_mib:
            self.guests[MANAGED[-1]].add_swap_disk()
        self.settle_ballast()
        if self.shape.dom0_min_mib:
            self.arbiter.manage_dom0(least_kib=self.shape.dom0_min_mib * 1024, most_kib=self.own_domain_kib())
        self.start_agents(*self.guests.values())
        self.arbiter.start()
        # Programs take seconds to start under emulation. Where one never does, the first run says so.
        wait_until(self.is_managed, MANAGED_WITHIN_S, 1.0)

    def start_agents(self, *guests: Guest) -> None:
        """The agent in each of these guests."""
        for guest in guests:
            more = guest.free_for_balloon(self.shape.freed_kib_s) if self.shape.freed_kib_s else []
            guest.start_agent([*self.agent_command, *more])

    def is_managed(self) -> bool:
        """Whether the arbiter has every guest in hand."""
        return all(self.arbiter.state_of(guest.domid) == "ok" for guest in self.guests.values())

    def managed_kib(self) -> int:
        """What the arbiter has to divide: the managed guests' memory and Xen's free memory."""
        domids = {guest.domid for guest in self.guests.values()}
        return self.xen.free_kib() + sum(domain.mem_kib for domain in self.xen.domains() if domain.domid in domids)

    def settle_ballast(self) -> None:
        """Grow dom0 until what is left is exactly what the arbiter shall manage, and fix dom0 there."""
        for _ in range(5):
            surplus_kib = self.managed_kib() - self.shape.managed_mib * 1024
            if abs(surplus_kib) < 64:
                return
            size_kib = self.own_domain_kib() + surplus_kib
            self.xen.set_maxmem(0, size_kib + 64)
            hypervisor.set_own_kib(hypervisor.own_kib() + surplus_kib)
            wait_until(lambda goal=size_kib: abs(self.own_domain_kib() - goal) < 64, BALLAST_STEP_WITHIN_S)  # type: ignore[misc]
        raise GuestFailed(f"dom0 did not take the ballast: {self.managed_kib()} KiB are left to manage")

    def own_domain_kib(self) -> int:
        """What dom0 has, as Xen says."""
        own = self.xen.domain(0)
        assert own is not None
        return own.mem_kib

    def size_kib(self, guest: Guest) -> int:
        """What Xen says a guest has, by the newest sample (0: it is gone)."""
        return next((mem for domid, mem, _, _ in self.recorder.last()[3] if domid == guest.domid), 0)

    def free_kib(self) -> int:
        """Xen's free memory, by the newest sample."""
        return int(self.recorder.last()[2])

    def start_free_kib(self) -> int:
        """At most this is free on a host at rest whose surplus is spread: what is set aside, and a little.

        Set aside are slack, pool, and for every guest its grant and the margin.
        """
        each_mib = MARGIN_MIB + self.shape.grant_mib
        return (SLACK_MIB + self.shape.pool_mib + FREE_AT_START_MIB + each_mib * len(self.guests)) * 1024

    @property
    def managed_domids(self) -> dict[int, str]:
        """Every domid that a managed guest has had, with its name."""
        return {domid: guest.name for guest in self.guests.values() for domid in guest.domids}

    def targets_kib(self) -> dict[str, int]:
        """What memory/target says now, by guest."""
        paths = {guest.name: f"/local/domain/{guest.domid}/memory/target" for guest in self.guests.values()}
        return {name: int(self.xen.read(path) or 0) for name, path in paths.items()}

    def welcomes(self) -> dict[str, str | None]:
        """The arbiter's word to each guest's agent, as it stands in xenstore."""
        return {
            guest.name: self.xen.read(f"/local/domain/{guest.domid}/aerostat/welcome") for guest in self.guests.values()
        }

    def ghosts(self) -> list[str]:
        """Directories in xenstore of domains that Xen does not have."""
        alive = {str(domain.domid) for domain in self.xen.domains()}
        return [f"/local/domain/{name}" for name in self.xen.list("/local/domain") if name not in alive]

    def stats(self) -> dict[str, Any]:
        """Every guest's own counters."""
        return {guest.name: guest.stat() for guest in self.all_guests}

    def described(self) -> dict[str, Any]:
        """What a record says of the host."""
        return {
            "xen": self.xen.version(),
            "kernel": Path("/proc/sys/kernel/osrelease").read_text().strip(),
            "pcpus": self.xen.pcpus(),
            "guests": {guest.name: guest.described() for guest in self.all_guests},
        }

    def dom0_cpu_s(self) -> dict[str, float]:
        """CPU time that dom0's programs have had: the arbiter under test, xenstored, and the lab's own recorder."""
        own = time.process_time()
        pids = {"arbiter": self.arbiter.pid, "xenstored": int(XENSTORED_PID.read_text())}
        return {"recorder": own} | {name: _cpu_s(pid) for name, pid in pids.items()}

    def save_logs(self) -> None:
        """Bring the logs to where the host can read them."""
        shutil.copy(self.arbiter.log, SHARED / "aerostatd.log")
        logs = {}
        for guest in self.guests.values():
            try:
                logs[guest.name] = guest.agent_log()
            except GuestFailed as error:
                logs[guest.name] = str(error)
        (SHARED / "agents.json").write_text(json.dumps(logs, indent=1))


def _cpu_s(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]  # proc(5): utime, stime
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
