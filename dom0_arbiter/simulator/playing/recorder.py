"""Keeps who had what and who needed what, for people to look at."""

from dom0_arbiter.simulator.playing.outcome import Series
from dom0_arbiter.simulator.world import World

MOMENTS = 2000  # of a record, at most


class Recorder:
    """Mutable; looks at the world as often as it is told to, and remembers evenly spaced moments."""

    def __init__(self, duration_s: float) -> None:
        self._every_s = duration_s / MOMENTS
        self._next_s = 0.0
        self._times_s: list[float] = []
        self._free_kib: list[int] = []
        self._actual_kib: dict[str, list[int]] = {}
        self._demand_kib: dict[str, list[int]] = {}

    def look(self, world: World) -> None:
        """Remember this moment, if it is time."""
        if world.now_s < self._next_s:
            return
        self._next_s = world.now_s + self._every_s
        moments = len(self._times_s)
        self._times_s.append(round(world.now_s, 3))
        self._free_kib.append(world.host.free_kib)
        there = {guest.spec.name: guest for guest in world.guests.values()}
        for name in {**self._actual_kib, **there}:
            guest = there.get(name)
            actual_kib = 0 if guest is None else world.host.domains[guest.domid].actual_kib
            self._actual_kib.setdefault(name, [0] * moments).append(actual_kib)
            self._demand_kib.setdefault(name, [0] * moments).append(0 if guest is None else guest.demand_kib)

    def series(self, memory_kib: int) -> Series:
        """What was remembered."""
        return Series(
            times_s=self._times_s,
            actual_kib=self._actual_kib,
            demand_kib=self._demand_kib,
            free_kib=self._free_kib,
            memory_kib=memory_kib,
        )
