"""A Linux guest's balloon driver (drivers/xen/balloon.c, 5.4 to 6.x): how it hears, moves, and gives up."""

from dom0_arbiter.simulator.guests.character import Character
from dom0_arbiter.simulator.guests.kernel import Kernel
from dom0_arbiter.simulator.host import Host

RETRIES = 4  # max_retry_count, since XSA-300
RETRY_FIRST_S = 2.0  # schedule_delay doubles before it is first waited for: 2 + 4 + 8 = 14 s in all
RETRY_MOST_S = 32.0  # max_schedule_delay
SLEEP_S = 3600.0  # BP_ECANCELED


class Driver:
    """Xen's view, KiB. `aim_kib` is what the driver is after: the target it last heard, or its own root's wish.

    After a failure it waits, longer each time, then sleeps for an hour; what wakes it sooner is a change of the
    distance to its aim, not the same aim once more.
    """

    __slots__ = (
        "_delay_s",
        "_domid",
        "_failures",
        "_waiting_for_kib",
        "_wakes_s",
        "aim_kib",
        "character",
        "gives_up",
        "unsettled_kib",
    )

    def __init__(self, domid: int, character: Character, *, aim_kib: int, unsettled_kib: int = 0) -> None:
        self._domid = domid
        self.character = character
        self.aim_kib = aim_kib
        self.unsettled_kib = unsettled_kib  # populate-on-demand: memory the guest believes in, and Xen never gave
        self.gives_up = True  # before Linux 5.3 (XSA-300) it never did
        self._failures = 0
        self._delay_s = RETRY_FIRST_S
        self._waiting_for_kib: int | None = None
        self._wakes_s = 0.0

    def distance_kib(self, actual_kib: int) -> int:
        """How far the driver believes it has to go; it stops an inaccuracy short."""
        distance_kib = self.aim_kib - actual_kib - self.unsettled_kib
        short_kib = self.character.inaccuracy_kib
        if abs(distance_kib) <= short_kib:
            return 0
        return distance_kib - short_kib if distance_kib > 0 else distance_kib + short_kib

    def next_s(self, distance_kib: int, now_s: float) -> float:
        """When it will try to move next, if nothing happens; `now_s` at once, inf never."""
        if distance_kib == 0 or self.character.dead:
            return float("inf")
        next_s = self._wakes_s if distance_kib == self._waiting_for_kib else now_s
        return max(next_s, self.character.moves_again_s(max(next_s, now_s)))

    def move(self, host: Host, kernel: Kernel, now_s: float, dt_s: float) -> bool:
        """Move for a span of time; return whether any page moved."""
        domid, character = self._domid, self.character
        actual_kib = host.domains[domid].actual_kib
        distance_kib = self.distance_kib(actual_kib)
        if distance_kib == 0:
            return False
        if distance_kib == self._waiting_for_kib and now_s < self._wakes_s:
            return False
        if character.is_standing(now_s):
            return False
        if distance_kib > 0:
            asked_kib = min(distance_kib, int(character.up_kib_s * dt_s)) & ~3
            limit_kib = asked_kib
            if character.never_above_kib is not None:
                limit_kib = min(asked_kib, max(0, character.never_above_kib - actual_kib))
            moved_kib = host.populate(domid, limit_kib)
            kernel.total_kib += moved_kib
        else:
            asked_kib = min(-distance_kib, int(character.down_kib_s * dt_s)) & ~3
            limit_kib = min(asked_kib, max(0, actual_kib + self.unsettled_kib - character.never_below_kib))
            moved_kib = kernel.release(limit_kib, dt_s)
            phantom_kib = min(self.unsettled_kib, moved_kib)
            self.unsettled_kib -= phantom_kib
            host.release(domid, moved_kib - phantom_kib)
        self._note(asked_kib, moved_kib, self.distance_kib(host.domains[domid].actual_kib), now_s)
        return moved_kib > 0

    def _note(self, asked_kib: int, moved_kib: int, distance_kib: int, now_s: float) -> None:
        """Schedule the next try as update_schedule() does."""
        if moved_kib:
            self._failures, self._delay_s = 0, RETRY_FIRST_S
        if moved_kib == asked_kib:
            self._waiting_for_kib = None
            return
        self._failures += 1
        self._waiting_for_kib = distance_kib
        if self.gives_up and self._failures >= RETRIES:
            self._failures, self._delay_s = 0, RETRY_FIRST_S
            self._wakes_s = now_s + SLEEP_S
        else:
            self._wakes_s = now_s + self._delay_s
            self._delay_s = min(2 * self._delay_s, RETRY_MOST_S)
