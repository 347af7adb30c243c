"""MoM, of oVirt: below 20 % of free host memory every guest shrinks by up to 5 %, else every guest grows by 5 %.

Sources: oVirt/mom doc/balloon.rules and the policy built into it, doc/mom-balloon.conf (a sample every 5 s, averages of
the last 10, a decision every 10 s). Versions differ in the limit for shrinking: chosen is the one that favours it, by
which a guest keeps what it uses and its minimum. Growth stops at the maximum. The host's memory is what Xen has for
guests; a guest is used as far as it is not MemFree, so its cache counts.
"""

from collections import deque
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from dom0_arbiter.simulator.rivals.rounds import Rounds, limits_kib, whole_pages

if TYPE_CHECKING:
    from dom0_arbiter.simulator.world import World

PRESSURE_RATIO = 0.20
CRITICAL_RATIO = 0.05
CRITICAL_SQUEEZE_RATIO = 0.05  # below what it uses, so that it swaps
GUEST_FREE_RATIO = 0.20
CHANGE_MAX_RATIO = 0.05
CHANGE_MIN_RATIO = 0.0025
SAMPLES = 10
DECIDES_EVERY = 2  # samples


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """KiB, Xen's view. used_kib: average of size less MemFree."""

    size_kib: int
    used_kib: float
    min_kib: int
    max_kib: int


def new_size(guest: Guest, host_free_ratio: float) -> int | None:
    """Return the guest's new size, None for no change worth making. host_free_ratio: of the host's memory, 0..1."""
    if host_free_ratio < PRESSURE_RATIO:
        if host_free_ratio <= CRITICAL_RATIO:
            free_ratio = host_free_ratio - CRITICAL_SQUEEZE_RATIO
        else:
            free_ratio = GUEST_FREE_RATIO * host_free_ratio / PRESSURE_RATIO
        least_kib = max(guest.min_kib, guest.used_kib + free_ratio * guest.size_kib)
        size_kib = max(guest.size_kib * (1 - CHANGE_MAX_RATIO), least_kib)
        if size_kib > guest.size_kib:
            return None
    else:
        size_kib = max(
            min(guest.size_kib * (1 + CHANGE_MAX_RATIO), guest.max_kib),
            guest.used_kib + GUEST_FREE_RATIO * guest.max_kib,
        )
        size_kib = min(size_kib, guest.max_kib)
        if guest.size_kib >= guest.max_kib:
            return None
    if abs(size_kib - guest.size_kib) <= CHANGE_MIN_RATIO * guest.size_kib:
        return None
    return int(size_kib)


class Mom(Rounds):
    """Samples every 5 s, decides every 10."""

    name = "mom"
    period_s = 5.0

    def __init__(self, world: "World") -> None:
        super().__init__(world)
        self._rounds = 0
        self._host_free_kib: deque[int] = deque(maxlen=SAMPLES)
        self._used_kib: dict[int, deque[int]] = {}

    def round(self) -> None:
        """Take a sample, and at every second one decide."""
        world = self.world
        self._host_free_kib.append(world.host.free_kib)
        for domid in self._used_kib.keys() - world.guests.keys():
            del self._used_kib[domid]
        heard = []
        for domid in world.guests:
            sample = world.overhear(domid)
            if sample is not None and not world.host.domains[domid].is_shut_down:
                used_kib = world.host.domains[domid].actual_kib - sample.free_kib
                self._used_kib.setdefault(domid, deque(maxlen=SAMPLES)).append(used_kib)
                heard.append(domid)
        if self._rounds % DECIDES_EVERY == 0:
            host_free_ratio = fmean(self._host_free_kib) / world.host.total_kib
            for domid in heard:
                self._set(domid, host_free_ratio)
        self._rounds += 1

    def _set(self, domid: int, host_free_ratio: float) -> None:
        low_kib, high_kib = limits_kib(self.world, domid)
        guest = Guest(
            size_kib=self.world.host.domains[domid].actual_kib,
            used_kib=fmean(self._used_kib[domid]),
            min_kib=low_kib,
            max_kib=high_kib,
        )
        kib = new_size(guest, host_free_ratio)
        if kib is not None:
            self.world.ask(domid, whole_pages(kib))
