"""Selfballooning: each guest's kernel sizes itself by Committed_AS, and dom0 merely lets it.

Source: drivers/xen/xen-selfballoon.c (Magenheimer; Linux 3.1 to 5.2), selfballoon_process() and its defaults: every
5 s, goal = Committed_AS + the reserve, up at once, down by an eighth of the gap, never below a floor. It has no notion
of dynamic-min, of dynamic-max or of other guests: maxmem is static-max, and Xen gives what it has. It warns that a
guest without ample swap should not do this. Chosen in its favour: it starts as the guest does, not after boot; it
reads its own kernel's figures, so nothing that a guest says can mislead it; and Committed_AS counts all that the
played kernel holds along with its daemons, for theirs alone cannot be told apart (without that it stays so much short).
"""

from typing import TYPE_CHECKING

from dom0_arbiter.simulator.guests.agent import measure
from dom0_arbiter.simulator.guests.guest import Guest
from dom0_arbiter.simulator.rivals.rival import Rival
from dom0_arbiter.simulator.rivals.rounds import EPSILON_S, whole_pages

if TYPE_CHECKING:
    from dom0_arbiter.simulator.world import World

MIB = 1024
INTERVAL_S = 5.0
DOWN_HYSTERESIS = 8
UP_HYSTERESIS = 1


def floor_kib(max_kib: int, reserve_kib: int) -> int:
    """The least MemTotal. max_kib: all pages the guest can have; reserve_kib: the kernel's totalreserve_pages."""
    useful_kib = max_kib - reserve_kib
    if useful_kib < 16 * MIB:
        return max_kib  # not worth ballooning
    if useful_kib < 64 * MIB:
        return reserve_kib + 16 * MIB + (useful_kib - 16 * MIB) // 2
    if useful_kib < 512 * MIB:
        return reserve_kib + 40 * MIB + (useful_kib - 40 * MIB) // 8
    return reserve_kib + 99 * MIB + (useful_kib - 99 * MIB) // 32


def next_total_kib(total_kib: int, goal_kib: int, least_kib: int) -> int:
    """The next MemTotal."""
    if total_kib > goal_kib:
        total_kib -= (total_kib - goal_kib) // DOWN_HYSTERESIS
    else:
        total_kib += (goal_kib - total_kib) // UP_HYSTERESIS
    return max(total_kib, least_kib)


class Selfballoon(Rival):
    """Plays the worker of every guest, each in its own time."""

    name = "selfballoon"

    def __init__(self, world: "World") -> None:
        super().__init__(world)
        self._due_s: dict[int, float] = {}

    def act(self) -> None:
        """Let those workers run whose time has come; take new guests in."""
        world, due = self.world, self._due_s
        for domid in due.keys() - world.guests.keys():
            del due[domid]
            self.forget(domid)
        for domid in world.guests.keys() - due.keys():
            due[domid] = world.now_s
            world.open(domid)
            world.guests[domid].driver.gives_up = False  # its kernels' drivers did not
            self.meet(domid)
        for domid, due_s in due.items():
            if world.now_s >= due_s - EPSILON_S:
                due[domid] = world.now_s + INTERVAL_S
                self._work(domid, world.guests[domid])
        self.due_s = min(due.values(), default=float("inf"))

    def meet(self, domid: int) -> None:
        """A guest is new."""

    def forget(self, domid: int) -> None:
        """A guest is gone."""

    def pooled_kib(self, guest: Guest) -> int:
        """What lies in frontswap, and may want to come back (with frontswap-selfshrinking)."""
        del guest
        return 0

    def _work(self, domid: int, guest: Guest) -> None:
        allotment = self.world.host.domains[domid]
        if allotment.is_paused or allotment.is_shut_down:
            return
        sample, reserve_kib, max_kib = measure(guest.kernel, 0), guest.kernel.reserve_kib, guest.spec.static_max_kib
        goal_kib = sample.committed_kib + sample.unevictable_kib + reserve_kib + self.pooled_kib(guest)
        total_kib = next_total_kib(sample.total_kib, goal_kib, floor_kib(max_kib, reserve_kib))
        aim_kib = total_kib + allotment.actual_kib - sample.total_kib
        self.world.aim(domid, whole_pages(min(aim_kib, max_kib)))
