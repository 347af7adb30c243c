"""How fast a balloon moves in one direction, from the sizes that Xen shows."""

from dataclasses import dataclass

LATELY = 5  # moves whose median counts: two odd ones (a stall of dom0's, a guest's own) change nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """KiB/s of the last moves, oldest first."""

    lately_kib_s: tuple[float, ...] = ()

    @property
    def kib_s(self) -> float | None:
        """The median, of two the lower; None while unknown."""
        if not self.lately_kib_s:
            return None
        return sorted(self.lately_kib_s)[(len(self.lately_kib_s) - 1) // 2]


UNKNOWN = Pace()


def observe_pace(pace: Pace, moved_kib: int, elapsed_s: float, *, is_whole: bool) -> Pace:
    """Take in that it moved by so much in this time (both above 0).

    is_whole: that it moved from the first to the last of it. Else it may have begun later or arrived earlier, and how
    long we looked away says more than the size: it was at least so fast, which is news only where it was faster.
    """
    kib_s = moved_kib / elapsed_s
    if not is_whole and (pace.kib_s is None or kib_s <= pace.kib_s):
        return pace
    return Pace(lately_kib_s=(*pace.lately_kib_s, kib_s)[-LATELY:])
