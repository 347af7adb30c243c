"""What a guest's memory has cost it and the host so far. docs/simulator.md has the definitions."""

REVERSAL_S = 30.0
REVERSAL_KIB = 4096


class GuestScore:
    """Mutable; told of each move and of each moment. KiB, seconds.

    unmet_kib_s: integral of demand not covered. A run is what its size moved in one direction; a reversal is a run of
    at least REVERSAL_KIB less than REVERSAL_S after one of as much the other way. reactions_s: how long each shortage
    lasted that is over.
    """

    __slots__ = (
        "_lacking_kib",
        "_run_ended_s",
        "_run_kib",
        "_short_s",
        "_stood_s",
        "_was_run_kib",
        "moved_kib",
        "reactions_s",
        "reversals",
        "unmet_kib_s",
    )

    def __init__(self) -> None:
        self.unmet_kib_s = 0.0
        self.moved_kib = self.reversals = 0
        self.reactions_s: list[float] = []
        self._lacking_kib = 0
        self._stood_s = 0.0
        self._short_s: float | None = None
        self._run_kib = self._was_run_kib = 0
        self._run_ended_s = float("-inf")

    def stands(self, demand_kib: int, actual_kib: int, now_s: float) -> None:
        """From now on, until told otherwise, so much is demanded and so much is there."""
        self.unmet_kib_s += self._lacking_kib * (now_s - self._stood_s)
        self._stood_s = now_s
        self._lacking_kib = max(0, demand_kib - actual_kib)
        if self._lacking_kib and self._short_s is None:
            self._short_s = now_s
        elif not self._lacking_kib and self._short_s is not None:
            self.reactions_s.append(now_s - self._short_s)
            self._short_s = None

    def all_reactions_s(self, now_s: float) -> list[float]:
        """How long each shortage lasted, that which is not over included."""
        return self.reactions_s if self._short_s is None else [*self.reactions_s, now_s - self._short_s]

    def moved(self, kib: int, now_s: float) -> None:
        """Its size changed by so much, which may be negative."""
        self.moved_kib += abs(kib)
        if (kib > 0) == (self._run_kib > 0):
            was_kib = self._run_kib
            self._run_kib += kib
        else:
            was_kib = 0
            self._was_run_kib, self._run_kib = self._run_kib, kib
            if abs(self._was_run_kib) < REVERSAL_KIB or now_s - self._run_ended_s > REVERSAL_S:
                self._was_run_kib = 0
        if self._was_run_kib and abs(was_kib) < REVERSAL_KIB <= abs(self._run_kib):
            self.reversals += 1
        self._run_ended_s = now_s
