"""How long a guest that thrashes was not heard of, by the writes of its report."""

from dataclasses import dataclass
from itertools import pairwise

from tests.xenlab.catalogue import CALMED, STORM
from tests.xenlab.timeline import REPORT, Timeline

GUEST = "g3"


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """From the storm's beginning to its end. longest_s: between two reports, or a report and either of those."""

    storm_s: float
    reports_total: int
    longest_s: float


def compute_silence(timeline: Timeline) -> Silence | None:
    """None of a run that had no storm that ended."""
    marks = dict(timeline.marks)
    if not {STORM, CALMED} <= marks.keys():
        return None
    from_s, until_s = marks[STORM], marks[CALMED]
    said_s = [w.at_s for w in timeline.written(timeline.domids[GUEST], REPORT, from_s=from_s, until_s=until_s)]
    longest_s = max(later - earlier for earlier, later in pairwise([from_s, *said_s, until_s]))
    return Silence(storm_s=round(until_s - from_s, 3), reports_total=len(said_s), longest_s=round(longest_s, 3))
