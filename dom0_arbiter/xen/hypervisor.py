"""The hypervisor, as the service sees it: figures out, a limit in. xc.py and xl.py are two ways to the real one."""

from typing import Protocol

from dom0_arbiter.engine import HostSampled


class HypervisorError(Exception):
    """Xen refused or could not be asked. The text says what was tried and what Xen answered."""


class NoSuchDomainError(HypervisorError):
    """The domain is gone: nothing is wrong, and nothing is left to do for it."""


class Hypervisor(Protocol):
    """What the arbiter needs of Xen. Implementations translate every foreign exception into HypervisorError."""

    @property
    def name(self) -> str:
        """How Xen is reached, for people."""

    @property
    def maxmem_follows_target(self) -> bool:
        """Whether `set_target` sets maxmem too, to target + 1 MiB, and maxmem cannot be set alone (xl)."""

    async def sample(self) -> HostSampled:
        """The host's free memory, every guest's memory, and the free memory again, read back to back.

        Growth between the last two reads makes the free memory look smaller beside the guests than it is, never larger.
        """

    async def set_maxmem(self, domid: int, maxmem_kib: int) -> None:
        """Set the most that a domain may hold; whole pages."""

    async def set_target(self, domid: int, target_kib: int) -> None:
        """Set target and maxmem together, where `maxmem_follows_target`; target_kib as `xl mem-set` takes it."""

    async def xen_commandline(self) -> str:
        """What the hypervisor was booted with."""
