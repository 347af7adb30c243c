"""Proxmox VE's automatic ballooning: as much as makes the host 80 % used, dealt out by shares, 100 MiB at a time.

Sources: proxmox/pve-manager PVE/Service/pvestatd.pm (every 10 s; 80 %; 100 MiB) and PVE/AutoBalloon.pm. `balloon` in a
guest's configuration is our dynamic-min, `memory` our ceiling, `shares` our weight. Chosen in its favour: the host's
memory is what Xen has for guests, without dom0's; the first round is at once.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from dom0_arbiter.simulator.rivals.rounds import Rounds, limits_kib, whole_pages

MIB = 1024
USED_RATIO = 0.8
STEP_MAX_KIB = 100 * MIB
GOAL_MIN_KIB = 10 * MIB  # a smaller change is not made
AT_EASE_RATIO = 0.25  # MemFree above this much of its minimum: a guest has enough
PASSES_MAX = 1000  # it settles after one for each guest, more or less


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """KiB, Xen's view; free_kib is MemFree, None where the guest does not say."""

    size_kib: int
    min_kib: int
    max_kib: int
    shares: int
    free_kib: int | None

    @property
    def is_at_ease(self) -> bool:
        """Whether it can spare memory."""
        return self.size_kib >= self.min_kib and (self.free_kib or 0) > AT_EASE_RATIO * self.min_kib


def goal_kib(total_kib: int, free_kib: int) -> int:
    """How much guests should grow by (below 0: shrink) for the host to be 80 % used."""
    return int(USED_RATIO * total_kib) - (total_kib - free_kib)


def new_sizes(guests: Mapping[int, Guest], goal: int) -> dict[int, int]:
    """Return the sizes of those that change: growth to those in need first, shrinking from those at ease first."""
    sizes_kib: dict[int, int] = {}
    if abs(goal) <= GOAL_MIN_KIB:
        return sizes_kib
    first = [domid for domid, guest in guests.items() if guest.is_at_ease == (goal < 0)]
    rest_kib = _deal(guests, first, goal, sizes_kib)
    if abs(rest_kib) >= abs(goal) and rest_kib * goal > 0:  # no progress: all of them
        _deal(guests, list(guests), rest_kib, sizes_kib)
    return {domid: kib for domid, kib in sizes_kib.items() if kib != guests[domid].size_kib}


def _deal(guests: Mapping[int, Guest], domids: Collection[int], goal: int, sizes_kib: dict[int, int]) -> int:
    """Move each towards minimum + its share of what all of these have above theirs; return what is left of the goal.

    Whoever is where it should be steps out, and the others' shares are reckoned anew.
    """
    rest_kib, todo = goal, list(domids)
    for _ in range(PASSES_MAX):
        if not todo or not rest_kib:
            break
        shares = sum(guests[domid].shares for domid in todo)
        above_kib = rest_kib + sum(sizes_kib.get(d, guests[d].size_kib) - guests[d].min_kib for d in todo)
        moved_kib, changes = 0, 0
        for domid in list(todo):
            guest = guests[domid]
            desired_kib = guest.min_kib + int(above_kib / shares * guest.shares)
            desired_kib = min(max(desired_kib, guest.min_kib), guest.max_kib)
            if desired_kib == guest.size_kib or (desired_kib > guest.size_kib and goal < 0):
                todo.remove(domid)
                continue
            if desired_kib > guest.size_kib:
                size_kib = min(desired_kib, guest.size_kib + STEP_MAX_KIB)
            else:
                size_kib = max(desired_kib, guest.size_kib - STEP_MAX_KIB)
            change_kib = size_kib - sizes_kib.get(domid, guest.size_kib)
            sizes_kib[domid] = size_kib
            moved_kib += change_kib
            changes += change_kib != 0
        rest_kib -= moved_kib
        if not changes:
            break
    return rest_kib


class Proxmox(Rounds):
    """pvestatd's round, every 10 s. A guest that does not report MemFree counts as in need."""

    name = "proxmox"
    period_s = 10.0

    def round(self) -> None:
        """Reckon the goal, and set the balloons."""
        world = self.world
        guests = {}
        for domid, guest in world.guests.items():
            allotment = world.host.domains[domid]
            if allotment.is_paused or allotment.is_shut_down:
                continue
            low_kib, high_kib = limits_kib(world, domid)
            sample = world.overhear(domid)
            guests[domid] = Guest(
                size_kib=allotment.actual_kib,
                min_kib=low_kib,
                max_kib=high_kib,
                shares=world.settings.of_domain(guest.spec.name).weight,
                free_kib=None if sample is None else sample.free_kib,
            )
        for domid, kib in new_sizes(guests, goal_kib(world.host.total_kib, world.host.free_kib)).items():
            world.ask(domid, whole_pages(kib))
