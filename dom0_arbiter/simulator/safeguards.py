"""Safeguards of the arbiter, switched off one at a time, to see what happens without them.

Nothing in the arbiter can be switched off: it is shown figures in which what the safeguard waits for has happened.
"""

from collections.abc import Mapping
from dataclasses import replace

from dom0_arbiter.engine import Domain, DomainSample, HostSampled
from dom0_arbiter.simulator.scenarios.scenario import Safeguard

CLOSE_KIB = 16_384  # an inaccurate balloon stops nearer than this to its target


def without(safeguards: frozenset[Safeguard], sample: HostSampled, domains: Mapping[int, Domain]) -> HostSampled:
    """The sample as an arbiter would take it that lacks these safeguards.

    shrink-before-grow: what was asked for is taken to be free already. inaccuracy: a balloon near its target is taken
    to have reached it.
    """
    if "inaccuracy" in safeguards:
        seen = {domid: _reached(each, domains.get(domid)) for domid, each in sample.domains.items()}
        sample = replace(sample, domains=seen)
    if "shrink-before-grow" in safeguards:
        asked_kib = sum(_to_come_kib(each, domains.get(domid)) for domid, each in sample.domains.items())
        sample = replace(sample, free_kib=sample.free_kib + asked_kib)
    return sample


def _reached(sample: DomainSample, domain: Domain | None) -> DomainSample:
    if domain is None or domain.balloon is None or abs(sample.actual_kib - domain.balloon.target_kib) > CLOSE_KIB:
        return sample
    return replace(sample, actual_kib=domain.balloon.target_kib)


def _to_come_kib(sample: DomainSample, domain: Domain | None) -> int:
    if domain is None or domain.balloon is None:
        return 0
    return max(0, sample.actual_kib - domain.balloon.target_kib)
