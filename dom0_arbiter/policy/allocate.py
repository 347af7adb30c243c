"""Who should have how much, if memory could move at once: tier by tier, fair within each."""

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import NamedTuple

from dom0_arbiter.policy.settings import DOM0, Surplus
from dom0_arbiter.policy.water import pour

PAGE_KIB = 4


class Party(NamedTuple):
    """A domain whose memory the arbiter may move; all in KiB.

    0 <= floor <= working set <= secured <= pressing <= need <= surge <= comfort <= ceiling. `secured` is the working
    set and the burst that is reserved for it; `need` the working set and one headroom, at least what is secured: below
    it, the domain is short; below `pressing` it cannot wait. `surge` is what a domain that grows will ask for next, the
    need of one at rest; `comfort` what one keeps while nobody needs it more. `least_kib` is how far its last report
    licenses a shrink; `held_kib` what it holds or may take, max(actual, maxmem) less the margin.
    """

    domid: int
    weight: int
    target_kib: int
    actual_kib: int
    held_kib: int
    dynamic_min_kib: int
    floor_kib: int
    working_set_kib: int
    secured_kib: int
    pressing_kib: int
    need_kib: int
    surge_kib: int
    comfort_kib: int
    ceiling_kib: int
    least_kib: int
    may_grow: bool = True

    @property
    def is_short(self) -> bool:
        """Whether it was given less than it needs."""
        return self.target_kib + PAGE_KIB <= self.need_kib

    @property
    def cannot_wait(self) -> bool:
        """Whether it was given less than what may not be waited for."""
        return self.target_kib + PAGE_KIB <= self.pressing_kib

    @property
    def is_strained(self) -> bool:
        """Whether half of its headroom is gone (the rest lasts no longer than a step), or some of a reserved burst."""
        has_half = 2 * (self.target_kib - self.working_set_kib) >= self.need_kib - self.working_set_kib
        return self.is_short and not (has_half and self.target_kib + PAGE_KIB > self.secured_kib)


# Columns are read and compared in C: a plan for hundreds of domains is made of little else.
_LEVELS = attrgetter("weight", "working_set_kib", "secured_kib", "need_kib", "surge_kib", "comfort_kib", "ceiling_kib")


def allocate(
    parties: Sequence[Party], budget_kib: int, pool_kib: int, surplus: Surplus, granting_kib: int = 0
) -> list[int]:
    """Divide the budget; returns targets in whole pages, in the order of the parties.

    Floors first, then working sets, then reserved bursts, then needs, then surges, then comfort, then what `surplus`
    gives to dom0 and to the others, up to their ceilings; `pool_kib` is left over before surges are served: it is there
    for needs; `granting_kib` before the surplus: what guests may take by themselves must not lie in caches. Within
    floors, working sets and the surplus, the whole of what a domain gets is weighed, so that nobody gains by being
    large; in between only what is added to the working set, so that headroom is shared as headroom.
    """
    levels = list(zip(*map(_LEVELS, parties), strict=True)) or [()] * 7
    weights, working_sets, secured, needs, surges, comforts, ceilings = levels
    nothing = [0] * len(parties)

    def raised(lows: Sequence[int], highs: Iterable[int], up_to_kib: int, origins: Sequence[int]) -> list[int]:
        return pour(weights, lows, list(map(max, lows, highs)), up_to_kib, origins_kib=origins)

    shares = raised(nothing, counted_floors(parties, budget_kib), budget_kib, nothing)
    shares = headroom_from = raised(shares, working_sets, budget_kib, nothing)
    shares = raised(shares, secured, budget_kib, headroom_from)
    shares = raised(shares, needs, budget_kib, headroom_from)
    beyond_kib = max(sum(shares), budget_kib - pool_kib)
    shares = raised(shares, surges, beyond_kib, headroom_from)
    shares = raised(shares, comforts, beyond_kib, headroom_from)
    rest_kib = max(0, beyond_kib - sum(shares) - granting_kib)
    for owners, percent in (({DOM0}, surplus.dom0), ({p.domid for p in parties} - {DOM0}, surplus.spread)):
        if percent:
            highs = (ceiling if p.domid in owners else 0 for p, ceiling in zip(parties, ceilings, strict=True))
            shares = raised(shares, highs, sum(shares) + rest_kib * percent // 100, nothing)
    return [share - share % PAGE_KIB for share in shares]


def counted_floors(parties: Sequence[Party], budget_kib: int) -> list[int]:
    """What counts as a floor: all of it up to the larger of dynamic-min and the weighted share of the budget.

    What a guest asks for beyond that competes with the others' working sets, so exaggeration gains nothing.
    """
    weights = sum(p.weight for p in parties)
    return [min(p.floor_kib, max(p.dynamic_min_kib, p.weight * budget_kib // weights)) for p in parties]
