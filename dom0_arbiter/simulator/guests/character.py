"""How a guest misbehaves. A guest without any of this obeys at once and tells the truth."""

from collections.abc import Sequence
from dataclasses import dataclass

# Of a PV guest under Xen 4.17 on an emulated processor: +200 MiB in 0.12 s, −200 MiB in 0.8 s (our measurement).
UP_KIB_S = 1_700_000
DOWN_KIB_S = 256_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Character:
    """Deviations of one guest. Times in seconds of the world's clock, amounts in KiB, Xen's view.

    moving_s, stuck_s: its balloon moves and stands by turns. never_below_kib, never_above_kib: limits of its own.
    inaccuracy_kib: it stops this short of its target. grows_kib_s: root in the guest raises the balloon's target all
    the time. takes_grants: its agent grows it by itself within what dom0 has granted. silent_from_s: its agent says
    nothing from then on; 0: it never had one. lie_factor: what it says it uses, over what it uses; a liar also claims a
    floor of that size. crash_at_s: its kernel panics, and the domain is gone.
    """

    up_kib_s: int = UP_KIB_S
    down_kib_s: int = DOWN_KIB_S
    moving_s: float = 0.0
    stuck_s: float = 0.0
    never_below_kib: int = 0
    never_above_kib: int | None = None
    inaccuracy_kib: int = 0
    dead: bool = False
    grows_kib_s: int = 0
    takes_grants: bool = False
    silent_from_s: float = float("inf")
    lie_factor: float = 1.0
    paused_s: Sequence[tuple[float, float]] = ()
    crash_at_s: float = float("inf")

    @property
    def is_obedient(self) -> bool:
        """Whether its balloon does what is asked, as fast as balloons are."""
        return (
            not (self.dead or self.stuck_s or self.never_below_kib or self.grows_kib_s or self.inaccuracy_kib)
            and self.never_above_kib is None
            and min(self.up_kib_s, self.down_kib_s) >= DOWN_KIB_S
        )

    def is_standing(self, now_s: float) -> bool:
        """Whether its balloon does not move at this time."""
        return self.dead or (self.stuck_s > 0 and now_s % (self.moving_s + self.stuck_s) >= self.moving_s)

    def moves_again_s(self, now_s: float) -> float:
        """When its balloon will move next; `now_s` if it does."""
        if not self.is_standing(now_s):
            return now_s
        if self.dead:
            return float("inf")
        turn_s = self.moving_s + self.stuck_s
        return (now_s // turn_s + 1) * turn_s

    def is_paused(self, now_s: float) -> bool:
        """Whether the toolstack has paused it."""
        return any(from_s <= now_s < until_s for from_s, until_s in self.paused_s)

    def pauses_s(self, now_s: float) -> float:
        """When the toolstack will next pause or unpause it; inf if never."""
        return min((edge_s for pause in self.paused_s for edge_s in pause if edge_s > now_s), default=float("inf"))
