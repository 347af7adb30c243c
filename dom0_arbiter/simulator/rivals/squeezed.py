"""squeezed, of XenServer: one fraction of its own range for every domain, whatever its programs need.

Sources: xapi-project/squeezed lib/squeeze.ml (Proportional, Squeezer, Stuckness_monitor), src/squeezed.ml (10 s).
Chosen in its favour: it learns at once that a domain has come or gone, as when xenopsd calls it; what free memory it
keeps is our slack; a domain found stuck counts again as soon as it is where it should be; a start that waits is
served like a reservation (free_memory), for as long as it waits.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dom0_arbiter.simulator.rivals.rounds import Rounds, limits_kib, whole_pages

if TYPE_CHECKING:
    from dom0_arbiter.simulator.world import World

INACCURACY_KIB = 4
STUCK_AFTER_S = 5.0  # without a page towards the target
ITERATION_S = 1.0
MAXMEM_EXTRA_KIB = 1024  # above the target, Memory.HVM.xen_max_offset_mib


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """A domain that can balloon, KiB, Xen's view."""

    actual_kib: int
    dynamic_min_kib: int
    dynamic_max_kib: int

    @property
    def freeable_kib(self) -> int:
        """What going to dynamic-min would free at least."""
        return max(0, self.actual_kib - self.dynamic_min_kib - 2 * INACCURACY_KIB)


def proportional_targets(domains: Mapping[int, Domain], spare_kib: int) -> dict[int, int]:
    """Return target = min + gamma·(max − min) for each, with the one gamma in 0..1 that uses up the spare memory.

    spare_kib: Xen's free memory less what is to stay free; it may be negative.
    """
    ranges_kib = sum(max(0, d.dynamic_max_kib - d.dynamic_min_kib) for d in domains.values())
    surplus_kib = max(0, spare_kib + sum(d.freeable_kib for d in domains.values()))
    gamma = min(1.0, surplus_kib / ranges_kib) if ranges_kib else 0.0
    return {
        domid: d.dynamic_min_kib + int(gamma * max(0, d.dynamic_max_kib - d.dynamic_min_kib))
        for domid, d in domains.items()
    }


def phase(domains: Mapping[int, Domain], targets_kib: Mapping[int, int]) -> dict[int, int]:
    """Return those targets that are due: first those that free memory, and the others once nothing is to be freed."""
    freeing = {domid: kib for domid, kib in targets_kib.items() if domains[domid].actual_kib - kib > INACCURACY_KIB}
    return freeing or dict(targets_kib)


class Squeezed(Rounds):
    """Looks every 10 s and at changes of the domains; once something is to do, each second until all stands."""

    name = "squeezed"
    period_s = 10.0

    def __init__(self, world: "World") -> None:
        super().__init__(world)
        self._targets_kib: dict[int, int] = {}
        self._progress: dict[int, tuple[int, float]] = {}  # what it had, and when it last moved as it should
        self._stuck: set[int] = set()
        self._awaited_kib = 0

    def act(self) -> None:
        """Play a round if it is time, if a domain has come or gone, or if a start waits."""
        awaited_kib = self.world.awaited_kib
        if self._targets_kib.keys() != self.world.guests.keys() or self._awaited_kib != awaited_kib:
            self._awaited_kib = awaited_kib
            self._progress.clear()
            self.due_s = self.world.now_s
        super().act()

    def round(self) -> None:
        """One iteration; the next one in a second unless every domain is where it should be."""
        world = self.world
        for domid in self._targets_kib.keys() - world.guests.keys():
            del self._targets_kib[domid]
            self._stuck.discard(domid)
        for domid in world.guests.keys() - self._targets_kib.keys():
            self._targets_kib[domid] = world.guests[domid].driver.aim_kib
        domains = {domid: self._domain(domid) for domid in world.guests if self._is_active(domid)}
        targets_kib = proportional_targets(domains, world.host.free_kib - world.settings.slack_kib - world.awaited_kib)
        due_kib = {domid: whole_pages(kib) for domid, kib in phase(domains, targets_kib).items()}
        is_done = all(
            abs(d.actual_kib - self._targets_kib[domid]) <= INACCURACY_KIB for domid, d in domains.items()
        ) and all(self._targets_kib[domid] == kib for domid, kib in due_kib.items())
        if is_done:
            self._progress.clear()
            return
        for domid, kib in due_kib.items():
            if self._targets_kib[domid] != kib:
                self._targets_kib[domid] = kib
                world.ask(domid, kib)
        self.due_s = world.now_s + ITERATION_S

    def _domain(self, domid: int) -> Domain:
        low_kib, high_kib = limits_kib(self.world, domid)
        return Domain(
            actual_kib=self.world.host.domains[domid].actual_kib, dynamic_min_kib=low_kib, dynamic_max_kib=high_kib
        )

    def _is_active(self, domid: int) -> bool:
        """Whether it can balloon, and does not owe a move for longer than 5 s; who does may not grow any more."""
        allotment, now_s = self.world.host.domains[domid], self.world.now_s
        if allotment.is_paused or allotment.is_shut_down:
            return False
        had_kib, moved_s = self._progress.get(domid, (allotment.actual_kib, now_s))
        owed_kib = self._targets_kib[domid] - allotment.actual_kib
        if abs(owed_kib) <= INACCURACY_KIB:
            moved_s = now_s
            self._stuck.discard(domid)
        elif (allotment.actual_kib - had_kib) * owed_kib > 0:
            moved_s = now_s
        self._progress[domid] = (allotment.actual_kib, moved_s)
        if now_s - moved_s > STUCK_AFTER_S and domid not in self._stuck:
            self._stuck.add(domid)
            low_kib, high_kib = limits_kib(self.world, domid)
            kib = min(high_kib, max(low_kib, min(self._targets_kib[domid], allotment.actual_kib)))
            self.world.set_maxmem(domid, kib + MAXMEM_EXTRA_KIB)
        return domid not in self._stuck
