"""The figures of one run, computed from its timeline: how fast memory came, how fast it went, and what that cost.

`run_s` is from the first touch to the last, without the holding. The *report* is the first after the first touch that
shows at least 4 MiB less available than the one before the touch. The *target write* is the first after the first
touch that raises the spiker's target by 16 MiB or more; what answers *urgency* is the first after it that raises the
target at all, or the first page that comes then, whoever asked for it. The *last page* is when the spiker first had the
most it had before it let go. *Settled* is when the spiker is back at what it may hold at T0 and Xen's free memory
within its limit, and both stay so. *At rest* is when the last managed guest came within 16 MiB of what it has 10 s
after the release, *grown* when the spiker came as near to its most: these hold whatever size the policy leaves a guest
that has had a spike. *Unhindered* is the pace at which the program touches, on a CPU that it shares, until its guest
first has less available than is urgent. A *round* is the median time between two decisions to write targets, while the
program touches. The *answer* to the release is the first write of any target after the spiker's first report of it.
*Donors* are the other managed guests, while the program touches or holds.
"""

import statistics
from dataclasses import dataclass, fields
from itertools import pairwise

from protocol import RemoteProtocolError, decode_report, decode_welcome
from tests.xenlab.timeline import REPORT, TARGET, Program, Timeline

REPORT_SHOWS_KIB = 4 * 1024
TARGET_RAISED_KIB = 16 * 1024
BALLOON_STRETCH_KIB = 16 * 1024
NEAR_KIB = 16 * 1024
ONE_ROUND_S = 0.25  # writes of one decision follow each other within this
PAGE_SEEN_KIB = 64  # less than this is not the balloon: PVH guests waver by 16 pages
FREE_JUDGED_AFTER_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a run is held against, in KiB."""

    spiker_kib: int  # the spiker at rest
    free_kib: int  # Xen's free memory at rest


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One run; None where a figure has no meaning or the moment never came."""

    free_at_t0_kib: int | None = None
    oom_kills: int | None = None
    touch_to_report_s: float | None = None
    urgent_to_target_s: float | None = None
    urgent_to_page_s: float | None = None
    touch_to_target_s: float | None = None
    touch_to_first_page_s: float | None = None
    touch_to_last_page_s: float | None = None
    run_s: float | None = None
    control_run_s: float | None = None
    run_ratio: float | None = None
    release_settled_s: float | None = None
    free_after_kib: int | None = None
    target_writes: int | None = None
    touch_mib_s: float | None = None
    control_touch_mib_s: float | None = None  # how fast the program touches where the memory is there
    balloon_mib_s: float | None = None
    balloon_down_mib_s: float | None = None
    touch_to_grown_s: float | None = None
    release_at_rest_s: float | None = None
    unhindered_mib_s: float | None = None
    write_round_s: float | None = None
    release_answer_s: float | None = None
    donor_down_mib_s: float | None = None


def compute_figures(timeline: Timeline, limits: Limits) -> Figures:
    """What a run with a spiker shows; counters only where there was none."""
    spiker, control = timeline.program("spiker"), timeline.program("control")
    if spiker is None or spiker.first_s is None:
        return Figures(
            free_at_t0_kib=_free_at_t0_kib(timeline),
            oom_kills=count_oom_kills(timeline),
            target_writes=_count_writes(timeline, timeline.started_s, timeline.ended_s),
        )
    domid, touch_s, release_s = timeline.domids[spiker.guest], spiker.first_s, spiker.end_s
    target_s = _target_raised_s(timeline, spiker)
    crossed_s = _urgent_s(timeline, spiker)
    run_s, control_run_s = spiker.run_s, control.run_s if control else None
    before = timeline.sample_at(touch_s)
    had_kib = before.domains[domid].mem_kib if before and domid in before.domains else 0
    sizes = timeline.sizes(domid, from_s=touch_s, until_s=release_s)
    most_kib = max((kib for _, kib in sizes), default=had_kib)
    grown = [at_s for at_s, kib in sizes if kib > had_kib + PAGE_SEEN_KIB]
    after = timeline.sample_at(release_s + FREE_JUDGED_AFTER_S)
    return Figures(
        free_at_t0_kib=_free_at_t0_kib(timeline),
        oom_kills=count_oom_kills(timeline),
        touch_to_report_s=_since(touch_s, _reported_s(timeline, domid, touch_s)),
        urgent_to_target_s=_since(crossed_s, _raised_after_s(timeline, spiker, crossed_s)),
        urgent_to_page_s=_since(crossed_s, _grown_after_s(timeline, domid, crossed_s)),
        touch_to_target_s=_since(touch_s, target_s),
        touch_to_first_page_s=_since(touch_s, grown[0] if grown else None),
        touch_to_last_page_s=_since(touch_s, next((at_s for at_s, kib in sizes if grown and kib == most_kib), None)),
        run_s=_rounded(run_s),
        control_run_s=_rounded(control_run_s),
        run_ratio=_rounded(run_s / control_run_s) if run_s and control_run_s else None,
        release_settled_s=_settled_s(timeline, domid, release_s, limits),
        free_after_kib=after.free_after_kib if after else None,
        target_writes=_count_writes(timeline, touch_s, release_s + FREE_JUDGED_AFTER_S),
        touch_mib_s=_rounded(spiker.touched_kib / 1024 / run_s) if run_s else None,
        control_touch_mib_s=_rounded(control.touched_kib / 1024 / control_run_s) if control and control_run_s else None,
        balloon_mib_s=_balloon_mib_s(sizes),
        balloon_down_mib_s=_balloon_down_mib_s(timeline, touch_s),
        touch_to_grown_s=_since(touch_s, next((at_s for at_s, kib in sizes if kib >= most_kib - NEAR_KIB), None)),
        release_at_rest_s=_at_rest_s(timeline, release_s),
        unhindered_mib_s=_unhindered_mib_s(spiker, crossed_s),
        write_round_s=_write_round_s(timeline, touch_s, spiker.last_s or release_s),
        release_answer_s=_answer_s(timeline, domid, release_s),
        donor_down_mib_s=_balloon_down_mib_s(timeline, touch_s, until_s=release_s, but=domid),
    )


def median_figures(runs: list[Figures]) -> Figures:
    """Of each figure, the median over the runs that have it."""

    def median(name: str) -> float | None:
        values = [value for run in runs if (value := getattr(run, name)) is not None]
        return _rounded(statistics.median(values)) if values else None

    return Figures(**{one.name: median(one.name) for one in fields(Figures)})  # type: ignore[arg-type]


def count_oom_kills(timeline: Timeline, *, but: str = "") -> int | None:
    """OOM kills in the guests during the run, by their kernels' own counters; `but` names a guest left out."""
    before, after = timeline.facts.get("stats_before"), timeline.facts.get("stats_after")
    if before is None or after is None:
        return None
    return sum(int(after[name]["oom_kill"] - before[name]["oom_kill"]) for name in after if name != but)


def _free_at_t0_kib(timeline: Timeline) -> int | None:
    sample = timeline.sample_at(timeline.t0_s) if timeline.t0_s is not None else None
    return sample.free_after_kib if sample else None


def _since(from_s: float | None, at_s: float | None) -> float | None:
    return None if from_s is None or at_s is None else round(at_s - from_s, 4)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _reported_s(timeline: Timeline, domid: int, touch_s: float) -> float | None:
    said_kib: int | None = None
    for write in timeline.written(domid, REPORT, from_s=timeline.started_s):
        try:
            available_kib = decode_report((write.value or "").encode("latin-1")).available_kib
        except RemoteProtocolError:
            continue
        if write.at_s >= touch_s and (said_kib is None or available_kib <= said_kib - REPORT_SHOWS_KIB):
            return write.at_s
        if write.at_s < touch_s:
            said_kib = available_kib
    return None


def _target_raised_s(timeline: Timeline, spiker: Program) -> float | None:
    domid, touch_s = timeline.domids[spiker.guest], spiker.first_s or spiker.start_s
    target_kib: int | None = timeline.facts.get("targets_kib", {}).get(spiker.guest)
    for write in timeline.written(domid, TARGET, from_s=timeline.t0_s or timeline.started_s):
        raised = write.kib is not None and target_kib is not None and write.kib >= target_kib + TARGET_RAISED_KIB
        if write.at_s >= touch_s and raised:
            return write.at_s
        target_kib = write.kib
    return None


def _raised_after_s(timeline: Timeline, spiker: Program, after_s: float | None) -> float | None:
    """The first write after a moment that raises the spiker's target, by whatever amount."""
    if after_s is None:
        return None
    target_kib: int | None = timeline.facts.get("targets_kib", {}).get(spiker.guest)
    for write in timeline.written(timeline.domids[spiker.guest], TARGET, from_s=timeline.t0_s or timeline.started_s):
        if write.at_s >= after_s and write.kib is not None and target_kib is not None and write.kib > target_kib:
            return write.at_s
        target_kib = write.kib
    return None


def _urgent_s(timeline: Timeline, spiker: Program) -> float | None:
    """When the guest's MemAvailable fell below the agent's threshold, between two of the program's milestones."""
    welcome = timeline.facts.get("welcomes", {}).get(spiker.guest)
    try:
        urgent_kib = decode_welcome((welcome or "").encode("latin-1")).urgent_kib
    except RemoteProtocolError:
        return None
    if spiker.milestones and spiker.milestones[0].available_kib < urgent_kib:
        return spiker.milestones[0].at_s
    for earlier, later in pairwise(spiker.milestones):
        if later.available_kib < urgent_kib:
            share = (earlier.available_kib - urgent_kib) / (earlier.available_kib - later.available_kib)
            return earlier.at_s + share * (later.at_s - earlier.at_s)
    return None


def _grown_after_s(timeline: Timeline, domid: int, after_s: float | None) -> float | None:
    """When a domain first had more than at a moment."""
    before = None if after_s is None else timeline.sample_at(after_s)
    if before is None or after_s is None or domid not in before.domains:
        return None
    had_kib = before.domains[domid].mem_kib
    return next((at_s for at_s, kib in timeline.sizes(domid, from_s=after_s) if kib > had_kib + PAGE_SEEN_KIB), None)


def _settled_s(timeline: Timeline, domid: int, release_s: float, limits: Limits) -> float | None:
    settled_s: float | None = None
    for sample in timeline.samples:
        if sample.at_s < release_s:
            continue
        size = sample.domains.get(domid)
        at_rest = size is None or size.mem_kib <= limits.spiker_kib
        if not at_rest or sample.free_after_kib > limits.free_kib:
            settled_s = None
        elif settled_s is None:
            settled_s = sample.at_s
    return _since(release_s, settled_s)


def _count_writes(timeline: Timeline, from_s: float, until_s: float) -> int:
    return sum(write.key == TARGET and from_s <= write.at_s <= until_s for write in timeline.writes)


def _balloon_mib_s(sizes: list[tuple[float, int]]) -> float | None:
    """The fastest growth over at least 16 MiB: the balloon's own rate, where the arbiter let it run."""
    best: float | None = None
    first = 0
    for last in range(len(sizes)):
        while first < last and sizes[last][1] - sizes[first + 1][1] >= BALLOON_STRETCH_KIB:
            first += 1
        grown_kib, took_s = sizes[last][1] - sizes[first][1], sizes[last][0] - sizes[first][0]
        if grown_kib >= BALLOON_STRETCH_KIB and took_s > 0:
            best = max(best or 0.0, grown_kib / 1024 / took_s)
    return _rounded(best)


def _balloon_down_mib_s(
    timeline: Timeline, from_s: float, *, until_s: float = float("inf"), but: int | None = None
) -> float | None:
    """The fastest shrink of any managed guest over at least 16 MiB."""
    rates = []
    for domid in timeline.managed:
        sizes = [(at_s, -kib) for at_s, kib in timeline.sizes(domid, from_s=from_s, until_s=until_s)]
        if domid != but and (rate := _balloon_mib_s(sizes)) is not None:
            rates.append(rate)
    return max(rates, default=None)


def _answer_s(timeline: Timeline, domid: int, release_s: float) -> float | None:
    report = next(timeline.written(domid, REPORT, from_s=release_s), None)
    if report is None:
        return None
    writes = (write.at_s for write in timeline.writes if write.key == TARGET and write.at_s >= report.at_s)
    return _since(report.at_s, next(writes, None))


def _at_rest_s(timeline: Timeline, release_s: float) -> float | None:
    judged_s = release_s + FREE_JUDGED_AFTER_S
    if not timeline.samples or timeline.samples[-1].at_s < judged_s:
        return None
    last_s = release_s
    for domid in timeline.managed:
        sizes = timeline.sizes(domid, from_s=release_s, until_s=judged_s)
        for index, (_, kib) in enumerate(sizes[:-1]):
            if abs(kib - sizes[-1][1]) > NEAR_KIB:
                last_s = max(last_s, sizes[index + 1][0])
    return _since(release_s, last_s)


def _unhindered_mib_s(spiker: Program, crossed_s: float | None) -> float | None:
    until_s = spiker.last_s if crossed_s is None else crossed_s
    before = [one for one in spiker.milestones if until_s is not None and one.at_s <= until_s]
    if len(before) < 2 or before[-1].at_s <= before[0].at_s:
        return None
    return _rounded((before[-1].touched_kib - before[0].touched_kib) / 1024 / (before[-1].at_s - before[0].at_s))


def _write_round_s(timeline: Timeline, from_s: float, until_s: float) -> float | None:
    rounds: list[float] = []
    last_s = float("-inf")
    for write in timeline.writes:
        if write.key == TARGET and from_s <= write.at_s <= until_s:
            if write.at_s - last_s > ONE_ROUND_S:
                rounds.append(write.at_s)
            last_s = write.at_s
    gaps_s = [later - earlier for earlier, later in pairwise(rounds)]
    return _rounded(statistics.median(gaps_s)) if gaps_s else None
