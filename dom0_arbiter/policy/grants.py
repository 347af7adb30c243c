"""Growth that guests may take at once, by themselves: memory set aside for each before it is needed.

A grant spares a burst the way to dom0 and back; until it is taken, nobody else can use that memory. So grants come out
of what is free while nobody is short, and are the first to be taken back.
"""

from collections.abc import Mapping, Sequence

from dom0_arbiter.policy.allocate import PAGE_KIB, Party
from dom0_arbiter.policy.water import pour

GRANT_LEAST_KIB = 4096  # less than this is no burst
GRANT_RATIO = 4  # a grant that would change by less than a quarter stays as it is


def plan_grants(parties: Sequence[Party], wishes_kib: Mapping[int, int], spare_kib: int) -> dict[int, int]:
    """Divide what is spare by weight; returns the grant of each domain that has a wish, by domid, whole pages."""
    wishing = [p for p in parties if p.may_grow and wishes_kib.get(p.domid, 0) > 0]
    tops = [min(wishes_kib[p.domid], max(0, p.ceiling_kib - p.target_kib)) for p in wishing]
    shares = pour([p.weight for p in wishing], [0] * len(wishing), tops, max(0, spare_kib))
    grants = {p.domid: share - share % PAGE_KIB for p, share in zip(wishing, shares, strict=True)}
    return {domid: kib if kib >= GRANT_LEAST_KIB else 0 for domid, kib in grants.items()}


def is_other_grant(had_kib: int, gets_kib: int) -> bool:
    """Whether a new size is worth telling."""
    return abs(gets_kib - had_kib) * GRANT_RATIO > max(had_kib, gets_kib)
