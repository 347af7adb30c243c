"""Weighted max-min fairness in exact integers: progressive filling, as water rises in vessels.

Bertsekas and Gallager, Data Networks (1992), 6.5.2: all shares rise together in proportion to their weights; one that
has what it asked for stops, and the others go on with what is left.
"""

from collections.abc import Sequence

_WEIGHT_BITS = 16  # weights are 1..65535, so two distinct quotients differ by more than 2^-32


def pour(
    weights: Sequence[int],
    lows_kib: Sequence[int],
    highs_kib: Sequence[int],
    budget_kib: int,
    *,
    origins_kib: Sequence[int] | None = None,
) -> list[int]:
    """Divide the budget, to the last KiB, in O(n log n); returns one amount for each weight (1..65535), in order.

    Each is clamp(origin + weight * level, low, high), with low <= high, columns of equal length; origins are 0 if none
    are given. They add up to the budget, unless that lies below the sum of the lows (then everyone gets its low) or
    above the sum of the highs (then its high).
    """
    resting_kib = sum(lows_kib)
    if budget_kib <= resting_kib:
        return list(lows_kib)
    if budget_kib >= sum(highs_kib):
        return list(highs_kib)
    origins = origins_kib or [0] * len(weights)
    # A vessel rises from level (low - origin) / weight to (high - origin) / weight: visit these points upwards.
    starts = [_level(low - origin, w) for low, origin, w in zip(lows_kib, origins, weights, strict=True)]
    stops = [_level(high - origin, w) for high, origin, w in zip(highs_kib, origins, weights, strict=True)]
    moving = [index for index, (start, stop) in enumerate(zip(starts, stops, strict=True)) if start < stop]
    points = [(starts[index], False, index) for index in moving]
    points += [(stops[index], True, index) for index in moving]
    points.sort()
    rising: set[int] = set()
    rising_from_kib = rising_weight = 0  # the sums of their origins and weights
    level = 0
    for level, is_stop, index in points:
        # The water stands at `level` here if what rises would by then hold more than what is left.
        if rising and rising_from_kib * _SCALE + rising_weight * level >= (budget_kib - resting_kib) * _SCALE:
            break
        if is_stop:
            rising.discard(index)
            resting_kib += highs_kib[index]
            rising_from_kib -= origins[index]
            rising_weight -= weights[index]
        else:
            rising.add(index)
            resting_kib -= lows_kib[index]
            rising_from_kib += origins[index]
            rising_weight += weights[index]
    shares = [low if start >= level else high for low, high, start in zip(lows_kib, highs_kib, starts, strict=True)]
    water_kib = budget_kib - resting_kib - rising_from_kib
    for index in rising:
        risen_kib = origins[index] + weights[index] * water_kib // rising_weight
        shares[index] = max(lows_kib[index], min(highs_kib[index], risen_kib))
    crumbs = budget_kib - sum(shares)  # less than one KiB for each that was rising
    for index in sorted(rising):
        if crumbs > 0 and shares[index] < highs_kib[index]:
            shares[index] += 1
            crumbs -= 1
    return shares


_SCALE = 1 << (2 * _WEIGHT_BITS + 1)


def _level(amount_kib: int, weight: int) -> int:
    """Quotient amount / weight, scaled so that distinct quotients stay distinct and in order, and equal ones equal."""
    return (amount_kib * _SCALE) // weight
