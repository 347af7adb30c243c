"""Xen through its own Python binding, xen.lowlevel.xc: about 0.1 ms a call (measured), so it is called in place."""

import errno
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dom0_arbiter.engine import DomainSample, HostSampled
from dom0_arbiter.xen.hypervisor import HypervisorError, NoSuchDomainError

_DOMAINS_PER_CALL = 1024  # tools/python/xen/lowlevel/xc/xc.c: the most that one domain_getinfo returns
_BINDINGS = "xen-*/lib/python"  # below /usr/lib on Debian, where it is not on Python's path


def import_xc(library: Path = Path("/usr/lib")) -> Any:
    """Import the binding from Python's path or from where Debian keeps it; raise HypervisorError if it is nowhere."""
    for place in (None, *sorted(library.glob(_BINDINGS), reverse=True)):
        if place is not None:
            sys.path.append(str(place))
        try:
            return importlib.import_module("xen.lowlevel.xc")
        except ImportError:
            if place is not None:
                sys.path.remove(str(place))
    raise HypervisorError("xen.lowlevel.xc is not installed for this Python")


class XcHypervisor:
    """Speaks to Xen from dom0 as root."""

    name = "xen.lowlevel.xc"
    maxmem_follows_target = False

    def __init__(self, xc_module: Any) -> None:
        self._error: type[Exception] = xc_module.Error
        with self._translated("open the hypervisor's interface"):
            self._xc = xc_module.xc()

    async def sample(self) -> HostSampled:
        """See Hypervisor.sample."""
        domains = {}
        before = self._read_host()
        with self._translated("list the domains"):
            for info in self._list():
                domains[int(info["domid"])] = DomainSample(
                    actual_kib=int(info["mem_kb"]),
                    maxmem_kib=int(info["maxmem_kb"]),
                    paused=bool(info["paused"]),
                    shut_down=bool(info["shutdown"] or info["dying"]),
                    is_hvm=bool(info["hvm"]),
                )
        after = self._read_host()
        return HostSampled(
            total_kib=after["total_memory"],
            free_kib=after["free_memory"],
            domains=domains,
            free_before_kib=before["free_memory"],
        )

    def _read_host(self) -> dict[str, int]:
        """KiB, claimed memory counted as free."""
        with self._translated("read the host's memory"):
            return dict(self._xc.physinfo())

    def _list(self) -> Iterator[dict[str, int]]:
        """Every domain. The binding raises ESRCH where nothing is left from `first` on: dom0 always is."""
        first, listed = 0, -1
        while True:
            chunk = self._xc.domain_getinfo(first, _DOMAINS_PER_CALL)
            yield from (info for info in chunk if int(info["domid"]) > listed)
            if len(chunk) < _DOMAINS_PER_CALL:
                return
            first = listed = int(chunk[-1]["domid"])  # once more, so that there is one to be found

    async def set_maxmem(self, domid: int, maxmem_kib: int) -> None:
        """See Hypervisor.set_maxmem."""
        with self._translated(f"set domain {domid}'s maxmem to {maxmem_kib} KiB"):
            self._xc.domain_setmaxmem(domid, maxmem_kib)

    async def set_target(self, domid: int, target_kib: int) -> None:
        """Not for this adapter: targets go through xenstore."""
        raise HypervisorError(f"domain {domid}: targets are written to xenstore, not through {self.name}")

    async def xen_commandline(self) -> str:
        """See Hypervisor.xen_commandline."""
        with self._translated("read Xen's command line"):
            return str(self._xc.xeninfo()["xen_commandline"])

    @contextmanager
    def _translated(self, attempt: str) -> Iterator[None]:
        try:
            yield
        except OverflowError as error:  # the binding's amounts are C ints: up to 2 TiB
            raise HypervisorError(f"cannot {attempt}: {error}") from error
        except self._error as error:
            kind = NoSuchDomainError if error.args and error.args[0] == errno.ESRCH else HypervisorError
            raise kind(f"cannot {attempt}: {error}") from error
