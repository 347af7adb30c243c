"""A guest on its own: what its balloon aims at while no arbiter lives. Pure; for guests whose owner wants that.

The rules are those that Linux had until 5.3 (drivers/xen/xen-selfballoon.c): every so often towards a goal, up at once,
down by a part of the way, never below a floor that depends on the guest's size. The goal is what the kernel has
committed itself to, as there, or what is not available, which leaves caches out and knows of memory that was only ever
asked for. In a guest without swap it is never less than that.
"""

from guest_agent.sample import Sample
from guest_agent.tunables import STAY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from guest_agent.tunables import Tunables

MIB = 1024
FLOORS = ((512, 99, 32), (64, 40, 8), (16, 16, 2), (0, 0, 1))
"""Above so many MiB, the floor is so many, and one in so many of those above (of the size with which it began)."""
HEADROOM_RATIO = 2
"""Beyond what is not available, so many times the urgent threshold: what a grant would bring it back to."""
NEAR_KIB = 256
"""So near to its target a balloon has arrived (a PVH guest's stays 64 KiB off)."""
SAME_KIB = 8
"""Two pages: rounding, and the nudge of a balloon, make a target no other."""


class Alone:
    """Whether there is an arbiter, by its pulse; and, while there is none, how large this guest should be. Mutable."""

    __slots__ = ("_aim_kib", "_due_ms", "_home_kib", "_life_ms", "_looked_ms", "_offset_kib", "_pulse", "tunables")

    def __init__(self, tunables: "Tunables", now_ms: int) -> None:
        self.tunables = tunables
        self.start_over(now_ms)

    def start_over(self, now_ms: int) -> None:
        """Begin anew: the guest may be on another host, where what it had here means nothing."""
        self._pulse: bytes | None = None
        self._life_ms = self._looked_ms = now_ms
        self._home_kib = 0  # what the balloon aimed at when the guest came to be alone; 0: it was not touched
        self._aim_kib = 0  # and what it was made to aim at since
        self._offset_kib = 0
        self._due_ms = 0

    def pulse_due(self, now_ms: int) -> bool:
        """Whether to look for the arbiter's pulse: three times in the time after which it is given up."""
        return now_ms - self._looked_ms >= self.tunables.alone_after_s * 1000 // 3

    def on_pulse(self, untrusted_pulse: bytes | None, now_ms: int, *, welcomed: bool) -> None:
        """Take in what stands in xenstore: that it is another value is life, and nothing else matters of it.

        Where no arbiter has answered nobody lives, whatever stands there; one that answered, and writes no pulse, is
        taken to live: it is older.
        """
        self._looked_ms = now_ms
        if not welcomed:
            return
        if untrusted_pulse is None or untrusted_pulse != self._pulse:
            self._life_ms = now_ms
        self._pulse = untrusted_pulse or self._pulse

    def is_alone(self, now_ms: int) -> bool:
        """Whether no arbiter has shown life for as long as the owner set."""
        return self.tunables.alone != STAY and now_ms - self._life_ms >= self.tunables.alone_after_s * 1000

    def is_concerned(self, now_ms: int) -> bool:
        """Whether the balloon is its business: the guest is alone, or was and has not given that up yet."""
        return self._home_kib > 0 or self.is_alone(now_ms)

    def target_kib(self, sample: Sample, *, balloon_kib: int, gap_kib: int, urgent_kib: int) -> int:
        """What the balloon should aim at instead of `balloon_kib`, in its own measure; 0: leave it. See `aimed`.

        Between the floor and what it aimed at when the guest came to be alone, and that again once it is not. gap_kib:
        what the balloon has yet to take. Whoever else sets its target meanwhile is right, and that begins anew.
        """
        now_ms = sample.uptime_ms
        self._heed_others(balloon_kib)
        if not self.is_alone(now_ms):
            return self.hand_back(balloon_kib)
        has_arrived = abs(gap_kib) <= NEAR_KIB
        if not self._home_kib:
            if not has_arrived:  # what the kernel would count where that leads is not known
                return 0
            self._home_kib = self._aim_kib = balloon_kib
            self._offset_kib = balloon_kib - sample.total_kib
        is_due, is_urgent = now_ms >= self._due_ms, sample.available_kib < urgent_kib
        if not is_due and not is_urgent:
            return 0
        size_kib = balloon_kib - self._offset_kib  # what it will have, in the kernel's own measure
        goal_kib = self._goal_kib(sample, urgent_kib)
        if goal_kib < size_kib:
            if not is_due or not has_arrived:
                return 0
            size_kib -= (size_kib - goal_kib) // self.tunables.down_hysteresis
        else:
            size_kib += -(-(goal_kib - size_kib) // self.tunables.up_hysteresis)
        self._due_ms = now_ms + self.tunables.interval_s * 1000
        home_kib = self._home_kib - self._offset_kib
        floor_kib = max(floor_of_kib(home_kib), self.tunables.least_kib)
        wanted_kib = min(max(size_kib, floor_kib), home_kib) + self._offset_kib
        return wanted_kib if wanted_kib > 0 and wanted_kib != balloon_kib else 0

    def hand_back(self, balloon_kib: int) -> int:
        """What the balloon should aim at again, now that somebody else sees to it; 0: leave it. See `aimed`."""
        self._heed_others(balloon_kib)
        if self._home_kib == balloon_kib:
            self._home_kib = 0
        return self._home_kib

    def aimed(self, target_kib: int) -> None:
        """The balloon has been made to aim at what was said."""
        self._aim_kib = target_kib

    def grew(self, target_kib: int) -> None:
        """The guest has taken of a grant: that is its own, and not to be given back."""
        self._aim_kib = target_kib
        if self._home_kib:
            self._home_kib = max(self._home_kib, target_kib)

    def _heed_others(self, balloon_kib: int) -> None:
        if abs(balloon_kib - self._aim_kib) > SAME_KIB:
            self._home_kib = 0  # somebody else has set it

    def _goal_kib(self, sample: Sample, urgent_kib: int) -> int:
        goal_kib = sample.total_kib - sample.available_kib + HEADROOM_RATIO * urgent_kib
        if self.tunables.alone == "committed-as":
            # Without swap what is used can go nowhere: there the kernel's rule drove a guest into the OOM killer.
            goal_kib = sample.committed_kib if sample.swap_total_kib else max(sample.committed_kib, goal_kib)
        return int(goal_kib + self.tunables.reserve_kib)


def floor_of_kib(size_kib: int) -> int:
    """The least that a guest of that size is driven to: the kernel's table, by MiB (selfballoon_min_usable_mb)."""
    for above, least, part in FLOORS:
        if size_kib >= above * MIB:
            return least * MIB + (size_kib - above * MIB) // part
    return 0
