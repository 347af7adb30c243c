"""From timelines to the lab's verdict: what was ours to get right and was not, and the figures, as one JSON object.

Only outcomes and invariants gate, and times as a ratio with room to spare: an emulated machine stretches seconds.
"""

from dataclasses import asdict
from typing import Any

from tests.xenlab.catalogue import FREE_TOLERANCE_MIB, SLACK_MIB, SPIKER_AT_START_MIB, SPIKER_LOST_BEFORE_MIB, Scenario
from tests.xenlab.estimates import compute_estimates
from tests.xenlab.figures import Figures, Limits, compute_figures, count_oom_kills, median_figures
from tests.xenlab.invariants import Violation, find_violations
from tests.xenlab.recovery import compute_recovery
from tests.xenlab.shares import compute_shares, judge_shares
from tests.xenlab.silence import compute_silence
from tests.xenlab.timeline import Timeline

# The aim is 1.5. On one emulated CPU the donors' balloons alone cost half of the program's own time (docs/figures.md),
# a busy machine doubles what is left, and late growth shows as an OOM kill: the gate is for what that would miss.
RUN_RATIO_AIM = 1.5
RUN_RATIO_GATE = 6.0
# Nobody can serve a program that touches faster than a balloon grows: whether it survives is what these find out, with
# both rates told, and not what they ask.
OFTEN_LOST = ("spike-stalled", "spike-granted", "spike-pooled")
MAY_LOSE_SPIKER = ("spike-fast", "rate-sweep", *OFTEN_LOST)
SWEEP = "rate-sweep"
# Of the guests' own counters, what describes them at T0.
MEMINFO = {"total": "MemTotal", "free": "MemFree", "available": "MemAvailable", "cached": "Cached", "anon": "AnonPages"}
SPIKES = ("spike", "spike-freed", "spike-shared", "spike-wide", "spike-fast", "spike-pvh", SWEEP)


def limits_of(scenario: Scenario) -> Limits:
    """What a run of a scenario is held against."""
    spiker_mib = SPIKER_LOST_BEFORE_MIB if scenario.name in OFTEN_LOST else SPIKER_AT_START_MIB
    if scenario.shape.guest_mib >= SPIKER_AT_START_MIB:
        spiker_mib = scenario.shape.guest_mib + 100
    return Limits(spiker_kib=spiker_mib << 10, free_kib=(SLACK_MIB + FREE_TOLERANCE_MIB) << 10)


def judge_run(scenario: Scenario, timeline: Timeline) -> tuple[Figures, list[Violation], list[str]]:
    """The figures of a valid run, the invariants it broke, and everything else that was wrong with it."""
    limits = limits_of(scenario)
    figures = compute_figures(timeline, limits)
    violations = find_violations(timeline, SLACK_MIB << 10)
    failures = [
        f"{claim['claim']}: no" + (f" ({claim['found']})" if claim["found"] is not None else "")
        for claim in timeline.claims
        if not claim["holds"]
    ]
    spiker = timeline.program("spiker")
    spared = spiker.guest if spiker and scenario.name in MAY_LOSE_SPIKER else ""
    if kills := count_oom_kills(timeline, but=spared):
        failures.append(f"{kills} OOM kills")
    if spiker and not spiker.complete and not spared:
        failures.append(f"the program ended with signal {spiker.signal}, status {spiker.status}")
    if scenario.name in SPIKES and spiker is not None:
        if figures.free_after_kib is None or figures.free_after_kib > limits.free_kib:
            failures.append(
                f"10 s after the release Xen has {figures.free_after_kib} KiB free, at most {limits.free_kib} wanted"
            )
        if figures.release_settled_s is None:
            failures.append("the memory did not go back")
    failures += judge_shares(timeline, compute_shares(timeline))
    failures += [
        f"invariant {one.invariant}" + (f", {one.domain}" if one.domain else "") + f": {one.detail}"
        for one in violations
    ]
    return figures, violations, failures


def judge_scenario(scenario: Scenario, timelines: list[Timeline], wanted: int, spoiled: list[str]) -> dict[str, Any]:
    """One entry of `scenarios`; `wanted` valid runs make it whole, `spoiled` names what the emulator cost."""
    runs, valid, failures = [], [], []
    for timeline in timelines:
        label = f"run {timeline.number}" + (f" ({timeline.variant})" if timeline.variant else "")
        if timeline.invalid is not None:
            runs.append(_run_json(Figures(), [], timeline))
            continue
        figures, violations, wrong = judge_run(scenario, timeline)
        valid.append(figures)
        runs.append(_run_json(figures, violations, timeline))
        failures += [f"{label}: {one}" for one in wrong]
    if len(valid) < wanted:
        reasons = [timeline.invalid for timeline in timelines if timeline.invalid] + spoiled
        failures.append(f"{len(valid)} valid runs of {wanted}" + (f": {reasons[-1]}" if reasons else ""))
    median = median_figures(valid)
    if scenario.name in SPIKES and scenario.name not in MAY_LOSE_SPIKER and (median.run_ratio or 0.0) > RUN_RATIO_GATE:
        failures.append(
            f"the program takes {median.run_ratio} times as long as the control; "
            f"{RUN_RATIO_AIM} is the aim, {RUN_RATIO_GATE} the gate"
        )
    return {
        "name": scenario.name,
        "gating": scenario.gating,
        "passed": not failures,
        "failures": failures,
        "spoiled": spoiled,
        "survived_total": sum(run["survived"] is True for run in runs),
        "fastest_survived_mib_s": fastest_survived(timelines) if scenario.name == SWEEP else None,
        "runs": runs,
        "median": {"valid": None, **asdict(median), "violations": []},
    }


def fastest_survived(timelines: list[Timeline]) -> float | None:
    """The fastest pace of a sweep that all its runs survived, and all runs at slower paces; None where not even one."""
    fastest = None
    valid = [timeline for timeline in timelines if timeline.invalid is None]
    for pace in sorted({float(timeline.variant) for timeline in valid}):
        if not all(_survived(timeline) for timeline in valid if float(timeline.variant) == pace):
            break
        fastest = pace
    return fastest


def _survived(timeline: Timeline) -> bool | None:
    spiker = timeline.program("spiker")
    return spiker.complete if spiker is not None and timeline.invalid is None else None


def _run_json(figures: Figures, violations: list[Violation], timeline: Timeline) -> dict[str, Any]:
    is_valid = timeline.invalid is None
    recovery = compute_recovery(timeline) if is_valid else None
    silence = compute_silence(timeline) if is_valid else None
    return {
        "valid": timeline.invalid is None,
        "variant": timeline.variant or None,
        "invalid": timeline.invalid,
        "survived": _survived(timeline),
        **asdict(figures),
        "violations": [asdict(one) for one in violations],
        "shares": [asdict(one) for one in compute_shares(timeline)] if is_valid else [],
        "recovery": None if recovery is None else asdict(recovery),
        "silence": None if silence is None else asdict(silence),
        "estimates": [asdict(one) for one in compute_estimates(timeline)] if is_valid else [],
        "surplus": timeline.facts.get("surplus"),
        "alone": timeline.facts.get("alone"),
        "giving": timeline.facts.get("giving"),
        "tried": timeline.facts.get("tried", []),
        "touched": describe_touches(timeline) if is_valid else [],
        "at_t0": describe_start(timeline) if is_valid else {},
    }


def describe_start(timeline: Timeline) -> dict[str, dict[str, int]]:
    """Each managed guest at T0, for whoever plays the same host elsewhere: Xen's figure, and /proc/meminfo's. KiB."""
    sample = timeline.sample_at(timeline.t0_s) if timeline.t0_s is not None else None
    stats = timeline.facts.get("stats_before", {})
    if sample is None:
        return {}
    return {
        name: {
            "actual_kib": sample.domains[domid].mem_kib,
            **{f"{key}_kib": stats[name][word] for key, word in MEMINFO.items() if word in stats[name]},
        }
        for name, domid in timeline.domids.items()
        if domid in sample.domains and name in stats
    }


def describe_touches(timeline: Timeline) -> list[list[float]]:
    """How far the spiker had touched when, and what its guest had left: [s since its first touch, KiB, KiB]."""
    spiker = timeline.program("spiker")
    if spiker is None or spiker.first_s is None:
        return []
    return [[round(one.at_s - spiker.first_s, 3), one.touched_kib, one.available_kib] for one in spiker.milestones]
