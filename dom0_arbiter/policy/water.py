"""Weighted max-min fairness in exact integers: progressive filling, as water rises in vessels.

Bertsekas and Gallager, Data Networks (1992), 6.5.2: all shares rise together in proportion to their weights; one that
has what it asked for stops, and the others go on with what is left.
"""

from collections.abc import Sequence
from dataclasses import dataclass

_WEIGHT_BITS = 16  # weights are 1..65535, so two distinct quotients differ by more than 2^-32


@dataclass(frozen=True, slots=True, kw_only=True)
class Vessel:
    """Gets clamp(origin + weight * level, low, high), with low <= high and weight in 1..65535. KiB."""

    weight: int
    low_kib: int
    high_kib: int
    origin_kib: int = 0


def fill(vessels: Sequence[Vessel], budget_kib: int) -> list[int]:
    """Divide the budget, to the last KiB, in O(n log n).

    Returns one amount per vessel, in order. The amounts add up to the budget, unless that lies below the sum of the
    lows (then everyone gets its low) or above the sum of the highs (then its high).
    """
    lows = sum(v.low_kib for v in vessels)
    if budget_kib <= lows:
        return [v.low_kib for v in vessels]
    if budget_kib >= sum(v.high_kib for v in vessels):
        return [v.high_kib for v in vessels]
    # A vessel rises from level (low - origin) / weight to (high - origin) / weight: visit these points upwards.
    points = []
    for index, v in enumerate(vessels):
        points.append((_level(v.low_kib - v.origin_kib, v.weight), 0, index))
        points.append((_level(v.high_kib - v.origin_kib, v.weight), 1, index))
    points.sort()
    resting_kib, origins_kib, weights = lows, 0, 0  # of those at rest; of those rising
    rising: set[int] = set()
    for level, stops, index in points:
        # The water stands at `level` here if what rises would by then hold more than what is left.
        if weights and origins_kib * _SCALE + weights * level >= (budget_kib - resting_kib) * _SCALE:
            break
        v = vessels[index]
        if stops:
            rising.discard(index)
            resting_kib, origins_kib, weights = resting_kib + v.high_kib, origins_kib - v.origin_kib, weights - v.weight
        else:
            rising.add(index)
            resting_kib, origins_kib, weights = resting_kib - v.low_kib, origins_kib + v.origin_kib, weights + v.weight
    shares = []
    water_kib = budget_kib - resting_kib - origins_kib
    for index, v in enumerate(vessels):
        if index in rising:
            shares.append(max(v.low_kib, min(v.high_kib, v.origin_kib + v.weight * water_kib // weights)))
        else:
            shares.append(v.low_kib if _level(v.low_kib - v.origin_kib, v.weight) >= level else v.high_kib)
    crumbs = budget_kib - sum(shares)  # less than one KiB for each that was rising
    for index in sorted(rising):
        if crumbs > 0 and shares[index] < vessels[index].high_kib:
            shares[index] += 1
            crumbs -= 1
    return shares


_SCALE = 1 << (2 * _WEIGHT_BITS + 1)


def _level(amount_kib: int, weight: int) -> int:
    """Quotient amount / weight, scaled so that distinct quotients stay distinct and in order, and equal ones equal."""
    return (amount_kib * _SCALE) // weight
