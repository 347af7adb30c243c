"""Xen and xenstore as dom0 sees them, through the bindings that ship with Xen."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from xen.lowlevel import xc, xs

DOMAINS_MAX = 64
_BALLOON = Path("/sys/devices/system/xen_memory/xen_memory0/target_kb")


class GuestFailed(Exception):
    """A domain that never came up, crashed, or stopped answering: the emulator's doing until shown otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """One line of Xen's own list."""

    domid: int
    mem_kib: int
    maxmem_kib: int
    live: bool  # neither dying nor shut down


class Xen:
    """The hypervisor and the store."""

    def __init__(self) -> None:
        self._xc = xc.xc()
        self._xs = xs.xs()

    def free_kib(self) -> int:
        """Xen's free memory."""
        return int(self._xc.physinfo()["free_memory"])

    def version(self) -> str:
        """E.g. 4.17.7."""
        info = self._xc.xeninfo()
        return f"{info['xen_major']}.{info['xen_minor']}{info['xen_extra']}"

    def pcpus(self) -> int:
        """Physical CPUs, as Xen sees them."""
        return int(self._xc.physinfo()["nr_cpus"])

    def domains(self) -> list[Domain]:
        """Every domain, dom0 first."""
        return [
            Domain(
                domid=info["domid"],
                mem_kib=info["mem_kb"],
                maxmem_kib=info["maxmem_kb"],
                live=not (info["dying"] or info["shutdown"]),
            )
            for info in self._xc.domain_getinfo(0, DOMAINS_MAX)
        ]

    def domain(self, domid: int) -> Domain | None:
        """One domain; None where there is none of that number."""
        return next((domain for domain in self.domains() if domain.domid == domid), None)

    def cpu_s(self) -> dict[int, float]:
        """CPU time that each domain has had."""
        return {info["domid"]: info["cpu_time"] / 1e9 for info in self._xc.domain_getinfo(0, DOMAINS_MAX)}

    def set_maxmem(self, domid: int, kib: int) -> None:
        """What Xen lets a domain have."""
        self._xc.domain_setmaxmem(domid, kib)

    def read(self, path: str) -> str | None:
        """A node of xenstore, None where there is none."""
        try:
            value = self._xs.read("", path)
        except xs.Error as error:
            if error.args[0] == 2:
                return None
            raise
        return None if value is None else value.decode(errors="replace")

    def domid_of(self, name: str) -> int | None:
        """The newest domain of a name; None where there is none."""
        numbers = [int(word) for word in self.list("/local/domain") if word.isdecimal()]
        return max((n for n in numbers if self.read(f"/local/domain/{n}/name") == name), default=None)

    def list(self, path: str) -> list[str]:
        """The children of a node of xenstore, none where there is no such node."""
        return list(self._xs.ls("", path) or [])


def own_kib() -> int:
    """What dom0's own balloon aims at."""
    return int(_BALLOON.read_text())


def set_own_kib(kib: int) -> None:
    """Grow or shrink dom0 itself: it is the ballast that makes Xen's free memory exact."""
    _BALLOON.write_text(str(kib))


def xl(*words: str, timeout_s: float = 120) -> str:
    """Run xl; raise GuestFailed where it fails."""
    try:
        done = subprocess.run(["xl", *words], capture_output=True, timeout=timeout_s, check=False, text=True)
    except subprocess.TimeoutExpired as error:
        raise GuestFailed(f"xl {' '.join(words)}: nothing within {timeout_s} s") from error
    if done.returncode:
        raise GuestFailed(f"xl {' '.join(words)}: exit status {done.returncode}: {done.stderr.strip()[-600:]}")
    return done.stdout
