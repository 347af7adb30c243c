"""Long series made short enough to draw, without losing a peak."""

from collections.abc import Sequence

POINTS_MAX = 2000  # of one line; no screen shows more
POINTS_MIN = 200
PAGE_POINTS_MAX = 400_000  # of all lines of one page, some 3 MB of text


def points_for(lines: int) -> int:
    """How many points each of so many lines of a page may have."""
    return max(POINTS_MIN, min(POINTS_MAX, PAGE_POINTS_MAX // max(1, lines)))


def thin(series: Sequence[Sequence[int]], points: int) -> list[int]:
    """Return ascending indices, about `points` at most, that keep both ends and all local extremes of the series.

    The series are of equal length and drawn over the same times: each span of time keeps where each is least and most.
    """
    length = len(series[0])
    if length <= points:
        return list(range(length))
    spans = max(1, points // (2 * len(series)))
    kept = {0, length - 1}
    for span in range(spans):
        within = range(span * length // spans, (span + 1) * length // spans)
        for values in series:
            kept.add(min(within, key=values.__getitem__))
            kept.add(max(within, key=values.__getitem__))
    return sorted(kept)
