"""How a guest came out of a swap storm, from PSI's own counters in the guest and the arbiter's writes.

A window lasts a second, and is well if all programs stalled on memory (PSI `full`) for less than 1 % of it.
"""

import statistics
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from tests.xenlab.catalogue import HANDED_BACK, STORM, WATCHED
from tests.xenlab.figures import PAGE_SEEN_KIB, TARGET_RAISED_KIB
from tests.xenlab.timeline import TARGET, Timeline

WINDOW_S = 1.0
WELL_RATIO = 0.01
PAGE_KIB = 4
GUEST = "g3"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Stalls over a stretch of a second or a little more."""

    from_s: float
    until_s: float
    full_ratio: float
    some_ratio: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """None where the moment never came.

    full_before_ratio: of the median window of the storm. handed_back_to_target_s: until the first write that raises the
    guest's target by 16 MiB, or until it grew, for in a starved dom0 the recorder hears of a write after the guest did.
    target_to_well_s: from that write until the end of the first window that is well and
    began no earlier; a second is the least. target_to_well_for_good_s: until the end of the last window that is not
    well, or the same if there is none after it; ill_after_s: in such windows. The stall of a single page, 10 ms, makes
    a window ill on this machine. target_to_last_page_s: until the guest first had the most it got.
    """

    full_before_ratio: float | None
    some_before_ratio: float | None
    handed_back_to_target_s: float | None
    target_to_well_s: float | None
    target_to_well_for_good_s: float | None
    ill_after_s: float | None
    target_to_last_page_s: float | None
    handed_back_to_well_s: float | None
    wanted_mib: int
    swapped_in_storm_kib: int
    swapped_after_kib: int
    swapped_in_kib: int


def compute_recovery(timeline: Timeline) -> Recovery | None:
    """None of a run that was no storm, or never came so far."""
    marks = dict(timeline.marks)
    if not {STORM, HANDED_BACK} <= marks.keys() or "pressure" not in timeline.facts:
        return None
    facts, back_s = timeline.facts, marks[HANDED_BACK]
    windows = make_windows(facts["pressure"]["start_s"], facts["pressure"]["rows"])
    storm = [each for each in windows if each.from_s >= marks[STORM] and each.until_s <= back_s]
    given_s = _given_s(timeline, back_s)
    well_s = for_good_s = ill_after_s = last_page_s = None
    if given_s is not None:
        # Then the lab asks the guest for its counters, and what it asks by was swapped out long ago.
        after = [
            each for each in windows if given_s <= each.from_s and each.until_s <= marks.get(WATCHED, each.until_s)
        ]
        well_s = next((each.until_s for each in after if each.full_ratio < WELL_RATIO), None)
        sizes = timeline.sizes(timeline.domids[GUEST], from_s=given_s, until_s=windows[-1].until_s)
        most_kib = max((kib for _, kib in sizes), default=0)
        last_page_s = next((at_s for at_s, kib in sizes if kib == most_kib), None)
        if well_s is not None:
            ill_s = [each.until_s for each in after if each.full_ratio >= WELL_RATIO]
            for_good_s = max([well_s, *ill_s])
            ill_after_s = _ill_s([each for each in after if each.from_s >= well_s])
    in_storm, recovered = facts["stat_in_storm"], facts["stat_recovered"]
    return Recovery(
        full_before_ratio=_median([each.full_ratio for each in storm]),
        some_before_ratio=_median([each.some_ratio for each in storm]),
        handed_back_to_target_s=_span(back_s, given_s),
        target_to_well_s=_span(given_s, well_s),
        target_to_well_for_good_s=_span(given_s, for_good_s),
        ill_after_s=ill_after_s,
        target_to_last_page_s=_span(given_s, last_page_s),
        handed_back_to_well_s=_span(back_s, well_s),
        wanted_mib=facts["wanted_mib"],
        swapped_in_storm_kib=in_storm["SwapTotal"] - in_storm["SwapFree"],
        swapped_after_kib=recovered["SwapTotal"] - recovered["SwapFree"],
        swapped_in_kib=(recovered["pswpin"] - in_storm["pswpin"]) * PAGE_KIB,
    )


def make_windows(start_s: float, rows: Sequence[Sequence[int]]) -> list[Window]:
    """From each row the shortest window of at least a second; rows are [ms since start_s, full_us, some_us]."""
    times_s = [start_s + row[0] / 1000 for row in rows]
    windows = []
    for last, until_s in enumerate(times_s):
        first = bisect_right(times_s, until_s - WINDOW_S) - 1
        if first < 0:
            continue
        span_us = (until_s - times_s[first]) * 1e6
        full, some = ((rows[last][column] - rows[first][column]) / span_us for column in (1, 2))
        windows.append(Window(from_s=times_s[first], until_s=until_s, full_ratio=full, some_ratio=some))
    return windows


def _given_s(timeline: Timeline, back_s: float) -> float | None:
    domid = timeline.domids[GUEST]
    before = [w.kib for w in timeline.written(domid, TARGET, from_s=timeline.started_s, until_s=back_s) if w.kib]
    sample = timeline.sample_at(back_s)
    if not before or sample is None or domid not in sample.domains:
        return None
    writes = timeline.written(domid, TARGET, from_s=back_s)
    raised = (w.at_s for w in writes if w.kib is not None and w.kib >= before[-1] + TARGET_RAISED_KIB)
    held_kib = sample.domains[domid].mem_kib
    grown = (at_s for at_s, kib in timeline.sizes(domid, from_s=back_s) if kib > held_kib + PAGE_SEEN_KIB)
    return min((at_s for at_s in (next(raised, None), next(grown, None)) if at_s is not None), default=None)


def _ill_s(windows: Sequence[Window]) -> float:
    """Windows overlap: each stretch counts once."""
    total_s, until_s = 0.0, float("-inf")
    for window in windows:
        if window.full_ratio >= WELL_RATIO and window.from_s >= until_s:
            total_s += window.until_s - window.from_s
            until_s = window.until_s
    return round(total_s, 3)


def _median(values: Sequence[float]) -> float | None:
    return round(statistics.median(values), 4) if values else None


def _span(from_s: float | None, until_s: float | None) -> float | None:
    return None if from_s is None or until_s is None else round(until_s - from_s, 3)
