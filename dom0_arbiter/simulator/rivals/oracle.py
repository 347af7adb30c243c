"""The lower bound: somebody who knows what each guest needs, now and a second ahead, and moves memory in no time.

No peer. It is what any policy, ours included, is to be measured against: with the same memory nobody can leave less
demand uncovered, for the sum of what is lacking is least whenever nobody holds more than it needs while others lack.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dom0_arbiter.policy import pour
from dom0_arbiter.simulator.rivals.rival import Rival
from dom0_arbiter.simulator.rivals.rounds import PAGE_KIB, whole_pages

if TYPE_CHECKING:
    from dom0_arbiter.simulator.world import World

AHEAD_S = 1.0
ROUNDING_KIB = 2 * PAGE_KIB  # what a guest may keep of what was taken from it


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """KiB, Xen's view, ascending: what is needed now, with what the next second needs, with all useful cache."""

    now_kib: int
    soon_kib: int
    cached_kib: int
    weight: int


def sizes_kib(wishes: Mapping[int, Wish], total_kib: int, awaited_kib: int) -> dict[int, int]:
    """Return sizes that cover what is needed now, then soon, then caches; by weight where a tier is not covered.

    total_kib: all that domains may have together. awaited_kib: what starts wait for comes after what is needed now.
    """
    sizes = dict.fromkeys(wishes, 0)
    weights, nothing = [wish.weight for wish in wishes.values()], [0] * len(wishes)
    for tier in (
        [w.now_kib for w in wishes.values()],
        [w.soon_kib for w in wishes.values()],
        [w.cached_kib for w in wishes.values()],
    ):
        lacking_kib = [kib - size_kib for kib, size_kib in zip(tier, sizes.values(), strict=True)]
        shares_kib = pour(weights, nothing, lacking_kib, total_kib - sum(sizes.values()))
        for domid, kib in zip(wishes, shares_kib, strict=True):
            sizes[domid] += kib
        total_kib -= awaited_kib
        awaited_kib = 0
    return sizes


def is_fixed(world: "World", domid: int) -> bool:
    """Whether no foresight can move a domain's memory: it is paused, suspended, or has no balloon."""
    allotment = world.host.domains[domid]
    return allotment.is_paused or allotment.is_shut_down or world.guests[domid].spec.character.dead


def force(world: "World", domid: int, size_kib: int) -> None:
    """Give a domain a size at once: as far as memory is free, and as it can give without swapping."""
    guest, host, now_s = world.guests[domid], world.host, world.now_s
    allotment = host.domains[domid]
    before_kib = allotment.actual_kib
    guest.stir(now_s)
    allotment.maxmem_kib = max(size_kib, before_kib)
    if size_kib > before_kib:
        guest.kernel.total_kib += host.populate(domid, size_kib - before_kib)
    else:
        host.release(domid, guest.kernel.release(before_kib - size_kib, 0.0))
    allotment.maxmem_kib = guest.driver.aim_kib = allotment.actual_kib
    guest.score.moved(allotment.actual_kib - before_kib, now_s)
    guest.score.stands(guest.demand_kib, allotment.actual_kib, now_s)


class Oracle(Rival):
    """Acts at every step; domains that nothing can move keep what they have."""

    name = "oracle"

    def act(self) -> None:
        """Shrink whoever has too much, then grow the others."""
        world, host = self.world, self.world.host
        self.due_s = world.now_s + AHEAD_S
        wishes = {domid: self._wish(domid) for domid in world.guests if not is_fixed(world, domid)}
        held_kib = sum(host.domains[domid].actual_kib for domid in wishes)
        awaited_kib = world.awaited_kib
        if awaited_kib:
            awaited_kib += ROUNDING_KIB * (1 + len(wishes))
        sizes = sizes_kib(wishes, max(0, held_kib + host.free_kib - world.settings.slack_kib), awaited_kib)
        shrinking_first = sorted(sizes.items(), key=lambda each: each[1] >= host.domains[each[0]].actual_kib)
        for domid, kib in shrinking_first:
            actual_kib = host.domains[domid].actual_kib
            size_kib = min(kib, actual_kib + max(0, host.free_kib - world.settings.slack_kib))
            if size_kib != actual_kib:
                force(world, domid, size_kib)

    def _wish(self, domid: int) -> Wish:
        world, now_s = self.world, self.world.now_s
        guest, ceiling_kib = world.guests[domid], world.ceiling_kib(domid)
        spec = guest.spec
        soon_s = min(spec.need.steady_until_s(now_s), now_s + AHEAD_S)
        character, actual_kib = spec.character, world.host.domains[domid].actual_kib
        if character.never_above_kib is not None:
            ceiling_kib = min(ceiling_kib, max(character.never_above_kib, actual_kib))
        least_kib = min(character.never_below_kib, actual_kib)
        now_kib = max(least_kib, min(whole_pages(guest.demand_kib + PAGE_KIB - 1), ceiling_kib))
        soon_kib = min(max(now_kib, whole_pages(spec.need.at(soon_s))), ceiling_kib)
        cached_kib = min(soon_kib + whole_pages(max(0, spec.cache.at(now_s))), ceiling_kib)
        return Wish(
            now_kib=now_kib,
            soon_kib=soon_kib,
            cached_kib=cached_kib,
            weight=world.settings.of_domain(spec.name).weight,
        )
