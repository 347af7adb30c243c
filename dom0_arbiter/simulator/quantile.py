"""Quantiles of measured times."""

from collections.abc import Sequence
from statistics import quantiles


def percentile(ascending: Sequence[float], percent: int) -> float | None:
    """Linear between neighbours; None of nothing. percent: 1..99."""
    if len(ascending) < 2:
        return ascending[0] if ascending else None
    return quantiles(ascending, n=100, method="inclusive")[percent - 1]
