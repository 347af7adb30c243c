"""What each estimator makes of a guest's reports, against the size that its program was found to need.

All in the guest's view: the truth is the smallest good size, as Xen counts it, less what Xen counts and MemTotal does
not show.
"""

from dataclasses import dataclass

from dom0_arbiter.policy import ESTIMATORS, History, observe_report
from protocol import RemoteProtocolError, decode_report
from tests.xenlab.catalogue import COMFORTABLE
from tests.xenlab.timeline import REPORT, Timeline

GUEST = "g3"


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """at: "comfortable" (nothing was ever short), or "smallest" (after the program ran at the smallest good size)."""

    at: str
    estimator: str
    estimate_kib: int
    truth_kib: int
    error_kib: int
    ratio: float


def compute_estimates(timeline: Timeline) -> list[Estimate]:
    """Nothing of a run that did no bisection, or did not come to its end."""
    facts = timeline.facts
    comfortable_s = dict(timeline.marks).get(COMFORTABLE)
    if comfortable_s is None or "smallest_mib" not in facts:
        return []
    comfortable = facts["comfortable"]
    offset_kib = comfortable["actual_kib"] - comfortable["stat"]["MemTotal"]
    good = [found for found in facts["tried"] if found["is_good"]]
    smallest = min(good, key=lambda found: int(found["actual_kib"]), default=None)
    truth_kib = (comfortable["actual_kib"] if smallest is None else smallest["actual_kib"]) - offset_kib
    moments = [("comfortable", comfortable_s)]
    if smallest is not None:
        moments.append(("smallest", smallest["until_s"]))
    found = []
    for at, at_s in moments:
        history = history_at(timeline, timeline.domids[GUEST], at_s)
        if history is None:
            continue
        for name, estimator in ESTIMATORS.items():
            estimate_kib = estimator(history, at_s)
            found.append(
                Estimate(
                    at=at,
                    estimator=name,
                    estimate_kib=estimate_kib,
                    truth_kib=truth_kib,
                    error_kib=estimate_kib - truth_kib,
                    ratio=round(estimate_kib / truth_kib, 3),
                )
            )
    return found


def history_at(timeline: Timeline, domid: int, at_s: float) -> History | None:
    """What the arbiter would remember of a guest's reports of this run at a moment."""
    history = None
    for write in timeline.written(domid, REPORT, from_s=timeline.started_s, until_s=at_s):
        try:
            report = decode_report((write.value or "").encode("latin-1"))
        except RemoteProtocolError:
            continue
        if history is None or report.uptime_ms > history.report.uptime_ms:  # a watch may fire twice for one value
            history = observe_report(history, report, write.at_s)
    return history
