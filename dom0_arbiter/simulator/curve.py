"""Amounts of memory over time: what a guest's programs need, what its caches would like."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, pi, sin
from typing import Protocol

INSTANT_S = 1e-6  # this soon before a change the amount is the new one, lest rounding has a leap to it end before it


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
        into_s = self._into_s(now_s)
        return now_s - (into_s - INSTANT_S) + (self.for_s if into_s < self.for_s < self.every_s else self.every_s)

    def _is_peak(self, now_s: float) -> bool:
        return now_s >= self.first_s and self._into_s(now_s) < self.for_s

    def _into_s(self, now_s: float) -> float:
        return (now_s - self.first_s + INSTANT_S) % self.every_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """What `turn` says of its first `period_s`, again and again from time 0."""

    turn: Steps
    period_s: float

    def at(self, now_s: float) -> int:
        """The amount at this point of the period."""
        return self.turn.at((now_s + INSTANT_S) % self.period_s)

    def steady_until_s(self, now_s: float) -> float:
        """The next of the turn's times, or the next period."""
        into_s = (now_s + INSTANT_S) % self.period_s
        return now_s - (into_s - INSTANT_S) + min(self.turn.steady_until_s(into_s), self.period_s)


def linear(times_s: Sequence[float], amounts_kib: Sequence[int]) -> Steps:
    """Straight lines from point to point, in steps, so that time can leap from one to the next.

    Each step is at most a grain high (see `grain_kib`) and has the amount of its beginning: exact at every point,
    behind by less than a grain between them. Before the first point and after the last it stays level.
    """
    grain = grain_kib(max(amounts_kib))
    step_times_s, step_amounts_kib = [], []
    for (from_s, from_kib), (to_s, to_kib) in pairwise(zip(times_s, amounts_kib, strict=True)):
        steps = max(1, -(-abs(to_kib - from_kib) // grain))
        for step in range(steps):
            step_times_s.append(from_s + (to_s - from_s) * step / steps)
            step_amounts_kib.append(from_kib + (to_kib - from_kib) * step // steps)
    return Steps(times_s=[*step_times_s, times_s[-1]], amounts_kib=[*step_amounts_kib, amounts_kib[-1]])


def sine(low_kib: int, high_kib: int, period_s: float) -> Cycle:
    """Up and down between the two, from the middle upwards at time 0, in even steps, a grain high at most."""
    quarter_steps = max(1, ceil(pi * (high_kib - low_kib) / grain_kib(high_kib) / 4))
    steps = 4 * quarter_steps  # so that both ends are met
    middle_kib, amplitude_kib = (low_kib + high_kib) / 2, (high_kib - low_kib) / 2
    return Cycle(
        turn=Steps(
            times_s=[period_s * step / steps for step in range(steps)],
            amounts_kib=[round(middle_kib + amplitude_kib * sin(2 * pi * step / steps)) for step in range(steps)],
        ),
        period_s=period_s,
    )


def grain_kib(most_kib: int) -> int:
    """The height of steps that stand for a slope: 1 MiB, or 1/256 of the most, whichever is more."""
    return max(1024, most_kib // 256)
