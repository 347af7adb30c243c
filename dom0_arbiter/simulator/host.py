"""Xen's side of memory: every page is a domain's or free, to the KiB. What Xen would refuse is refused or raises."""

from dataclasses import dataclass

from dom0_arbiter.engine import DomainSample, HostSampled


class IllegalAllocationError(Exception):
    """Somebody took or gave memory that Xen would not have let them."""


@dataclass(slots=True, kw_only=True)
class Allotment:
    """What Xen knows of one domain, KiB."""

    actual_kib: int
    maxmem_kib: int
    is_paused: bool = False
    is_shut_down: bool = False
    is_hvm: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Growth that maxmem allowed, and for which no memory was there."""

    domid: int
    lacking_kib: int


class Host:
    """Domains hold `total_kib` less what is free. Slack is no business of Xen's."""

    def __init__(self, *, total_kib: int) -> None:
        self.total_kib = total_kib
        self.domains: dict[int, Allotment] = {}
        self.refusals: list[Refusal] = []
        self.reserved_kib = 0  # memory that is no domain's, and not free either: transcendent memory
        self._free_kib = total_kib
        self._samples: dict[int, DomainSample] = {}

    @property
    def free_kib(self) -> int:
        """Memory that no domain has."""
        return self._free_kib

    def build(self, domid: int, allotment: Allotment) -> None:
        """Make a domain; raise where there is not enough free memory for it."""
        if domid in self.domains:
            raise IllegalAllocationError(f"domain {domid} exists")
        if not 0 <= allotment.actual_kib <= min(self._free_kib, allotment.maxmem_kib):
            raise IllegalAllocationError(f"domain {domid}: {allotment}, {self._free_kib} KiB free")
        self.domains[domid] = allotment
        self._free_kib -= allotment.actual_kib

    def destroy(self, domid: int) -> None:
        """Free all that a domain has."""
        self._free_kib += self.domains.pop(domid).actual_kib

    def populate(self, domid: int, kib: int) -> int:
        """Give a domain up to this much more, as XENMEM_populate_physmap does; returns what it got."""
        if kib < 0:
            raise IllegalAllocationError(f"domain {domid} populates {kib} KiB")
        allotment = self.domains[domid]
        allowed_kib = min(kib, max(0, allotment.maxmem_kib - allotment.actual_kib))
        got_kib = min(allowed_kib, self._free_kib)
        if got_kib < allowed_kib:
            self.refusals.append(Refusal(domid=domid, lacking_kib=allowed_kib - got_kib))
        self._free_kib -= got_kib
        allotment.actual_kib += got_kib
        return got_kib

    def release(self, domid: int, kib: int) -> None:
        """Take back what a domain's balloon gives up (XENMEM_decrease_reservation)."""
        allotment = self.domains[domid]
        if not 0 <= kib <= allotment.actual_kib:
            raise IllegalAllocationError(f"domain {domid} releases {kib} of {allotment.actual_kib} KiB")
        allotment.actual_kib -= kib
        self._free_kib += kib

    def reserve(self, kib: int) -> int:
        """Take up to so much free memory for nobody's domain; return how much it was."""
        got_kib = max(0, min(kib, self._free_kib))
        self._free_kib -= got_kib
        self.reserved_kib += got_kib
        return got_kib

    def unreserve(self, kib: int) -> None:
        """Make it free again."""
        if not 0 <= kib <= self.reserved_kib:
            raise IllegalAllocationError(f"{kib} of {self.reserved_kib} KiB reserved given back")
        self.reserved_kib -= kib
        self._free_kib += kib

    def sample(self) -> HostSampled:
        """What xc would say."""
        samples = self._samples
        for domid, a in self.domains.items():
            s = samples.get(domid)
            if (
                s is None
                or s.actual_kib != a.actual_kib
                or s.maxmem_kib != a.maxmem_kib
                or s.paused != a.is_paused
                or s.shut_down != a.is_shut_down
                or s.is_hvm != a.is_hvm
            ):
                samples[domid] = DomainSample(
                    actual_kib=a.actual_kib,
                    maxmem_kib=a.maxmem_kib,
                    paused=a.is_paused,
                    shut_down=a.is_shut_down,
                    is_hvm=a.is_hvm,
                )
        domains = {domid: samples[domid] for domid in self.domains}
        if len(domains) != len(samples):
            self._samples = dict(domains)
        return HostSampled(total_kib=self.total_kib, free_kib=self._free_kib, domains=domains)
