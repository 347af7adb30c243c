"""How much more a guest needs within one reaction time, read off its own past: padding is measured, not guessed.

The past is kept as a histogram of how much the guest's use grew within windows of a second; old windows count less. New
guests start with a prior that a quiet past outweighs within the hour.
"""

from dataclasses import dataclass
from math import log2

WINDOW_S = 1.0
HALF_LIFE_S = 3600.0
MISSED_RATIO = 0.01  # one window in a hundred may bring more than the headroom: what is so rare, the free pool is for
PRIOR_WINDOWS = 20.0  # outvoted after 2,000 quiet windows, half an hour
_PER_DOUBLING = 4  # buckets: what is read off is at most 19 % too much, never too little
_LEAST_KIB = 1024  # growth below this is noise
_BUCKETS = 1 + _PER_DOUBLING * 20  # up to 1 TiB
_RESCALE = 2.0**64
_HALVINGS_MAX = 512.0  # after so many, what was before is forgotten; a guest's clock may leap by any span


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """Windows by how much they brought. `unit` is what a window of now weighs; those of the past keep their weight."""

    weights: tuple[float, ...] = (0.0,) * _BUCKETS
    total: float = 0.0
    unit: float = 1.0
    prior: float = PRIOR_WINDOWS


def observe_growth(growth: Growth, grown_kib: int, span_s: float) -> Growth:
    """Take in that use grew by so much (or fell) in a span of at least a window: in one window of it, at worst."""
    unit = growth.unit * 2.0 ** min(span_s / HALF_LIFE_S, _HALVINGS_MAX)
    weights, total, prior = list(growth.weights), growth.total, growth.prior
    if unit > _RESCALE:
        weights, total, prior, unit = [w / unit for w in weights], total / unit, prior / unit, 1.0
    windows = span_s / WINDOW_S
    weights[_bucket(grown_kib)] += unit
    weights[0] += unit * (windows - 1)
    return Growth(weights=tuple(weights), total=total + unit * windows, unit=unit, prior=prior)


def headroom_kib(growth: Growth, prior_kib: int, reaction_s: float) -> int:
    """Return what no more than one reaction time in a hundred brings, KiB; prior_kib where little is known yet."""
    may_miss = MISSED_RATIO * (growth.total + growth.prior)
    seen, prior_bucket = 0.0, _bucket(prior_kib)
    for bucket in range(_BUCKETS - 1, -1, -1):
        seen += growth.weights[bucket]
        if seen > may_miss:
            return int(_upper_kib(bucket) * reaction_s / WINDOW_S)
        if bucket == prior_bucket:
            seen += growth.prior
            if seen > may_miss:
                return int(prior_kib * reaction_s / WINDOW_S)
    return int(prior_kib * reaction_s / WINDOW_S)


def _bucket(kib: int) -> int:
    if kib <= _LEAST_KIB:
        return 0
    return min(_BUCKETS - 1, 1 + int(_PER_DOUBLING * log2(kib / _LEAST_KIB)))


def _upper_kib(bucket: int) -> int:
    return 0 if bucket == 0 else int(_LEAST_KIB * 2.0 ** (bucket / _PER_DOUBLING))


NO_GROWTH = Growth()
