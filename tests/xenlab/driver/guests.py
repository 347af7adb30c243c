"""A guest of the lab: created by xl, commanded over its console, with an agent where the scenario wants one."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.xenlab.driver.console import Answer, Console, Job, wait_until
from tests.xenlab.driver.hypervisor import GuestFailed, Xen, xl

BOOT_WITHIN_S = 120.0
ANSWER_WITHIN_S = 60.0
CACHE_FILE = "/var/lib/lab-cache"
CONFIGURATION = "/run/agent.conf"
_CONFIGURATION = """name="{name}"
type="{kind}"
kernel="/boot/vmlinux"
ramdisk="/boot/initrd.gz"
extra="console=hvc0 loglevel=1 psi=1 mitigations=off"
memory={memory_mib}
maxmem={maxmem_mib}
vcpus=1
on_crash="destroy"
disk=[{disks}]
"""
_DISK = "'script=block-fixed,vdev={vdev},format=raw,access={access},target={target}'"
_DISKS = (("xvda", "r", "/dev/vda"), ("xvdb", "r", "/dev/vdb"))
SWAP_DISK = ("xvdc", "w", "/dev/vdc")
SERVED_DISK = ("xvdc", "r", "/dev/loop0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Skew:
    """How far a guest's clock is ahead of dom0's, and how surely."""

    ahead_s: float
    within_s: float


class Guest:
    """One domain, by name; its domid changes when it is restored or rebooted."""

    def __init__(
        self,
        xen: Xen,
        *,
        name: str,
        kind: str,
        memory_mib: int,
        maxmem_mib: int,
        more_disks: tuple[tuple[str, str, str], ...] = (),
    ) -> None:
        self.name = name
        self.domids: list[int] = []  # every number it has had, the present one last
        self.skew = Skew(ahead_s=0.0, within_s=0.0)
        self._xen = xen
        self._console: Console | None = None
        self._jobs: dict[str, Job] = {}  # under way; they outlive a console, for a restored guest has a new one
        disks = [
            _DISK.format(vdev=vdev, access=access, target=target) for vdev, access, target in (*_DISKS, *more_disks)
        ]
        self.configuration = Path(f"/run/{name}.cfg")
        self.configuration.write_text(
            _CONFIGURATION.format(
                name=name, kind=kind, memory_mib=memory_mib, maxmem_mib=maxmem_mib, disks=",".join(disks)
            )
        )

    @property
    def domid(self) -> int:
        """Its number now, or the last it had; -1 before it first came up."""
        return self.domids[-1] if self.domids else -1

    def create(self) -> None:
        """Ask xl for the domain; it boots on its own."""
        xl("create", "-q", str(self.configuration))

    def attach(self, timeout_s: float = BOOT_WITHIN_S) -> None:
        """Find the domain of this name and its console, and wait until it answers."""
        self.detach()
        domid = self._xen.domid_of(self.name)
        if domid is None:
            raise GuestFailed(f"{self.name}: there is no such domain")
        if domid not in self.domids:
            self.domids.append(domid)
        path = f"/local/domain/{self.domid}/console/tty"
        if not wait_until(lambda: bool(self._xen.read(path)), 20):
            raise GuestFailed(f"{self.name}: no console")
        self._console = Console(self.name, self._xen.read(path) or "", self._jobs)
        end_s = time.time() + timeout_s
        while True:
            try:
                self.ask("clock", timeout_s=1.0)
                break
            except GuestFailed as error:
                domain = self._xen.domain(self.domid)
                if domain is None or not domain.live or time.time() > end_s:
                    lines = " | ".join(self._console.other_lines[-5:])
                    raise GuestFailed(f"{self.name}: did not boot: {error}; console: {lines}") from error
        self.skew = self._measure_skew()

    def detach(self) -> None:
        """The domain is gone, or about to go."""
        if self._console is not None:
            self._console.close()
            self._console = None

    def start(self, command: str) -> Job:
        """Start a command of labtool in the guest."""
        if self._console is None:
            raise GuestFailed(f"{self.name}: not attached")
        return self._console.send(command)

    def ask(self, command: str, *, timeout_s: float = ANSWER_WITHIN_S) -> Answer:
        """Run a command of labtool in the guest to its end."""
        return self.start(command).wait(timeout_s)

    def shell(self, command: str, *, timeout_s: float = ANSWER_WITHIN_S) -> str:
        """Run a shell command in the guest, its output; GuestFailed where it fails."""
        answer = self.ask(f"sh {command}", timeout_s=timeout_s)
        if answer["status"]:
            raise GuestFailed(f"{self.name}: {command}: exit status {answer['status']}: {answer['output']}")
        return str(answer["output"])

    def stat(self) -> Answer:
        """The guest's own counters."""
        return self.ask("stat")

    def fill_cache(self, mib: int) -> None:
        """Have the guest read a file into its page cache."""
        self.ask(f"read {CACHE_FILE} {mib}")

    def start_agent(self, command: list[str]) -> None:
        """Start the program under test as its unit does."""
        self.shell(f"{' '.join(command)} >/run/agent.log 2>&1 & echo $! >/run/agent.pid")

    def mount_cgroups(self) -> None:
        """As systemd does, once; nobody else does here."""
        root = "/sys/fs/cgroup"
        self.shell(f"mkdir -p {root}; test -e {root}/cgroup.procs || mount -t cgroup2 none {root}")

    def free_for_balloon(self, kib_s: int) -> list[str]:
        """Let an agent free so much; what it is to be started with."""
        self.mount_cgroups()
        self.shell(f"echo free_for_balloon_kib_s = {kib_s} >{CONFIGURATION}")
        return ["--config", CONFIGURATION]

    def has_agent(self) -> bool:
        """Whether the agent that was started still runs."""
        return not self.ask("sh kill -0 $(cat /run/agent.pid)")["status"]

    def agent_log(self) -> str:
        """The end of what the agent said."""
        return self.shell("tail -c 1500 /run/agent.log 2>/dev/null; true")

    def add_zram_swap(self, mib: int) -> None:
        """Swap on compressed memory."""
        self.shell(f"modprobe zram && echo {mib}M >/sys/block/zram0/disksize && mkswap /dev/zram0 && swapon /dev/zram0")

    def add_swap_disk(self) -> None:
        """Swap on its own disk, which goes past dom0's page cache, and to the page cache of whoever emulates it."""
        self.shell(f"mkswap /dev/{SWAP_DISK[0]} && swapon /dev/{SWAP_DISK[0]}")

    def _measure_skew(self) -> Skew:
        best: Skew | None = None
        for _ in range(8):
            before_s = time.time()
            guest_s = self.ask("clock")["at_s"]
            after_s = time.time()
            found = Skew(ahead_s=guest_s - (before_s + after_s) / 2, within_s=(after_s - before_s) / 2)
            if best is None or found.within_s < best.within_s:
                best = found
        assert best is not None
        return best

    def described(self) -> dict[str, Any]:
        """What a record says of this guest."""
        return {
            "domid": self.domid,
            "ahead_s": round(self.skew.ahead_s, 5),
            "ahead_within_s": round(self.skew.within_s, 5),
        }
