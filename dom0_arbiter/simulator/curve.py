"""Amounts of memory over time: what a guest's programs need, what its caches would like."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class Curve(Protocol):
    """An amount in KiB as a function of time in seconds."""

    def at(self, now_s: float) -> int:
        """The amount now."""

    def steady_until_s(self, now_s: float) -> float:
        """A time before which the amount stays as it is now; `now_s` itself where it changes all the time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """Always the same."""

    kib: int

    def at(self, now_s: float) -> int:
        """The amount."""
        return self.kib

    def steady_until_s(self, now_s: float) -> float:
        """For ever."""
        return float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """From each time its amount; times ascend, the first amount holds before the first time too."""

    times_s: Sequence[float]
    amounts_kib: Sequence[int]

    def at(self, now_s: float) -> int:
        """The amount of the last time passed."""
        return self.amounts_kib[max(0, bisect_right(self.times_s, now_s) - 1)]

    def steady_until_s(self, now_s: float) -> float:
        """The next of the times."""
        index = bisect_right(self.times_s, now_s)
        return self.times_s[index] if index < len(self.times_s) else float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spikes:
    """`peak_kib` for the first for_s of every every_s, counted from `first_s`; else `base_kib`."""

    base_kib: int
    peak_kib: int
    every_s: float
    for_s: float
    first_s: float = 0.0

    def at(self, now_s: float) -> int:
        """Peak or base."""
        return self.peak_kib if self._is_peak(now_s) else self.base_kib

    def steady_until_s(self, now_s: float) -> float:
        """The next edge."""
        if now_s < self.first_s:
            return self.first_s
        began_s = now_s - (now_s - self.first_s) % self.every_s
        return began_s + (self.for_s if self._is_peak(now_s) else self.every_s)

    def _is_peak(self, now_s: float) -> bool:
        return now_s >= self.first_s and (now_s - self.first_s) % self.every_s < self.for_s
