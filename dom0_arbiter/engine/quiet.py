"""Until when a host on which nothing moves needs no second thought: what time alone makes due, and what may drift.

A look that shows what the last one showed, before that time, is neither folded, kept up nor planned: what could come of
it has come of the last full look. That is invariant I, put to use.
"""

from dom0_arbiter.engine.balloon import NUDGE_AFTER_S, REST_S
from dom0_arbiter.engine.domain import GRANT_S, Domain
from dom0_arbiter.engine.needs import demand_of, is_ageing
from dom0_arbiter.engine.turn import Turn
from dom0_arbiter.policy import EVEN_S, EVEN_SOON_S

# A full look costs a settled host little, so seldom; and bounds what a mistake here could cost, and what changes of
# demand may add up to that are not noteworthy, while all have what they need.
QUIET_AT_MOST_S = 10.0
EARLY_S = 0.01  # well above what rounding could do to a sum of times
AGEING_STEP_S = 0.5
NEVER_S, ALWAYS_S = float("-inf"), float("inf")


def quiet_until_s(turn: Turn) -> float:
    """After a full look: -inf if anything was done or may be under way, else when something may become due."""
    awaited = any(r.outcome == "waiting" for r in turn.state.reservations.values())
    if turn.actions or turn.stale or turn.state.is_moving or awaited or not turn.sees_the_same:
        return NEVER_S
    due_s = min((next_due_s(domain, turn.now_s) for domain in turn.domains.each()), default=ALWAYS_S)
    return min(due_s, turn.now_s + QUIET_AT_MOST_S)


def quiet_after_report_s(turn: Turn, before: Domain, after: Domain) -> float:
    """What a report leaves of the quiet."""
    now_s, balloon, demand = turn.now_s, after.balloon, after.demand
    if balloon is None or demand is None or _needs_a_look(before, after, now_s):
        return NEVER_S
    until_s = min(turn.quiet_until_s, next_due_s(after, now_s))
    if demand == after.planned:
        return until_s
    is_short = turn.state.is_short or balloon.target_kib < demand.need_kib
    return NEVER_S if is_short else until_s


def _needs_a_look(before: Domain, after: Domain, now_s: float) -> bool:
    """Whether a report did more than move a demand: what the next look makes of it cannot be told from here."""
    return (
        before.is_provisional
        or after.is_provisional
        or before.memory_offset_kib != after.memory_offset_kib
        or before.resized_s != after.resized_s
        or _may_settle(after)
        or before.is_silent(now_s)
        or after.is_silent(now_s)
    )


def _may_settle(domain: Domain) -> bool:
    """Whether a look may teach the offset of an HVM or PVH guest's target."""
    balloon = domain.balloon
    return domain.is_hvm and not (domain.is_settled and balloon is not None and balloon.phase == "resting")


def next_due_s(domain: Domain, now_s: float) -> float:
    """The first time to come, or a little before, at which this domain may be seen otherwise by the clock alone.

    Each of these is a `now_s` compared somewhere in `balloon`, `domain`, `fold` or `upkeep`.
    """
    times_s = [domain.frozen_until_s, domain.silent_after_s, domain.granted_s + GRANT_S / 2]
    if domain.starts_until_s is not None:
        times_s.append(domain.starts_until_s)
    balloon = domain.balloon
    if balloon is not None:
        stands_s = max(balloon.changed_s, balloon.asked_s)
        moved_s = max(balloon.progressed_s, balloon.asked_s)
        times_s += (
            stands_s + REST_S,
            moved_s + REST_S,
            balloon.asked_s + EVEN_SOON_S,
            balloon.asked_s + EVEN_S,
            balloon.retry_s,
        )
        if balloon.phase != "resting":
            times_s.append(moved_s + NUDGE_AFTER_S * 2**balloon.nudges)
        if _may_settle(domain):
            same_s = max(balloon.changed_s, domain.resized_s)
            times_s += (same_s + REST_S, same_s + NUDGE_AFTER_S, stands_s + 2 * NUDGE_AFTER_S)
    if is_ageing(domain):
        times_s.append(_ages_at_s(domain, now_s))
    due_s = ALWAYS_S
    for at_s in times_s:
        if now_s - EARLY_S < at_s < due_s:
            due_s = at_s
    return due_s - EARLY_S


def _ages_at_s(domain: Domain, now_s: float) -> float:
    """A time before its demand falls by age: such a demand only falls, so that equal at two times is equal between."""
    steady_s, changed_s = 0.0, QUIET_AT_MOST_S
    if demand_of(domain, now_s + changed_s) == domain.demand:
        return ALWAYS_S
    while changed_s - steady_s > AGEING_STEP_S:
        middle_s = (steady_s + changed_s) / 2
        if demand_of(domain, now_s + middle_s) == domain.demand:
            steady_s = middle_s
        else:
            changed_s = middle_s
    return now_s + steady_s
