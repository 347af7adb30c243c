"""One step: take in what happened, keep the balloons in order, and plan if there are fresh figures to plan with."""

from collections.abc import Mapping, Sequence

from dom0_arbiter.engine.actions import Plan
from dom0_arbiter.engine.balloon import PAGE_KIB
from dom0_arbiter.engine.domain import Decision, Domain, party_of
from dom0_arbiter.engine.events import Event, HostSampled
from dom0_arbiter.engine.fold import fold
from dom0_arbiter.engine.granting import renew_grants, take_back_grants, ungranted_kib
from dom0_arbiter.engine.needs import demand_of, is_ageing
from dom0_arbiter.engine.quiet import quiet_until_s
from dom0_arbiter.engine.replace import replace
from dom0_arbiter.engine.reservation import decide_reservations, set_aside_kib
from dom0_arbiter.engine.state import State
from dom0_arbiter.engine.turn import Turn
from dom0_arbiter.engine.upkeep import keep_up
from dom0_arbiter.policy import REACTION_MOST_S, Moves, Party, Room, plan_moves

LOOK_MOVING_S = 0.02  # while balloons move: a PV guest gives 128 MiB in 0.24 s, and what is free is wanted
LOOK_FREEZING_S = 0.2  # while a domain is about to be suspended: one that is back already must have been seen away
LOOK_SETTLED_S = 1.0
REACTION_WEIGHT = 0.2  # of the newest, in what has been learned of a domain's reaction time
REACTION_LEAST_S = 0.25


def step(state: State, events: Sequence[Event], now_s: float) -> tuple[State, Plan, Sequence[Decision]]:
    """Return the next state, what is to be done now, and why.

    Memory moves only in steps whose events contain a HostSampled: what is given away must have been seen free just now.
    Where the host shows what it showed before, and nothing can have become due since, that is all (see `quiet`).
    Where other events make a new plan desirable, the returned plan asks to look again at once (look_again_s 0).
    `now_s` is any clock that never runs backwards.
    """
    turn = Turn(state, now_s)
    for event in events:
        if isinstance(event, HostSampled):
            turn.sees_the_same = event == turn.state.sample
            if turn.is_quiet and event is events[-1]:
                turn.state = replace(turn.state, looked_s=now_s)
                continue
        fold(turn, event)
    if turn.sampled:
        turn.stale = keep_up(turn)
        if not turn.stale:
            _plan(turn)
        is_moving = any(d.balloon is not None and d.balloon.is_progressing(now_s) for d in turn.domains.each())
        is_freezing = any(now_s < d.frozen_until_s for d in turn.domains.each())
        turn.state = replace(turn.state, is_moving=is_moving, is_freezing=is_freezing)
        turn.quiet_until_s = quiet_until_s(turn)
    new_state = replace(turn.state, domains=turn.domains, stale=turn.stale, quiet_until_s=turn.quiet_until_s)
    look_again_s = 0.0 if turn.stale else _pace_s(new_state)
    return new_state, Plan(actions=turn.actions, look_again_s=look_again_s), turn.decisions


def _pace_s(state: State) -> float:
    if state.is_moving:
        return LOOK_MOVING_S
    return LOOK_FREEZING_S if state.is_freezing else LOOK_SETTLED_S


def _plan(turn: Turn) -> None:
    now_s = turn.now_s
    for domain in turn.domains.each():
        if is_ageing(domain) or (domain.demand is None and domain.history is not None):
            turn.change(domain, demand=demand_of(domain, now_s))
    obeying = (d for d in turn.domains.each() if d.balloon is not None and not d.balloon.is_stalled(now_s))
    parties = [p for d in obeying if (p := party_of(d, now_s)) is not None]
    settings = turn.state.settings
    promised_kib, claimed_kib = turn.promised_kib(), turn.claimed_kib()
    managed_kib = sum(p.held_kib for p in parties) + turn.state.free_kib - promised_kib - settings.slack_kib
    burst_kib = max((p.need_kib - p.secured_kib for p in parties), default=0)
    room = Room(
        free_kib=turn.state.free_kib,
        promised_kib=promised_kib - claimed_kib,
        claimed_kib=claimed_kib,
        slack_kib=settings.slack_kib,
        pool_kib=settings.pool_kib(max(0, managed_kib), burst_kib),
        reserved_kib=set_aside_kib(turn.state),
        granting_kib=ungranted_kib(turn, parties),
    )
    awaited_kib = decide_reservations(turn, parties, room)
    room = replace(room, reserved_kib=set_aside_kib(turn.state), awaited_kib=awaited_kib)
    coming_kib = sum(d.balloon.coming_kib(now_s) for d in turn.domains.each() if d.balloon is not None)
    asked_s = max((d.balloon.asked_s for d in turn.domains.each() if d.balloon is not None), default=now_s)
    planned = plan_moves(
        parties,
        room,
        coming_kib=coming_kib,
        surplus=settings.surplus,
        calm_s=now_s - asked_s,
        was_evening=turn.state.is_evening,
    )
    for move in planned.moves:
        domain = turn.domains[move.domid]
        turn.retarget(domain, turn.balloon(domain), move.to_kib, move.reason)
    if planned.is_pressed:
        turn.stale = take_back_grants(turn) or turn.stale  # what backed them is to be seen free first
    elif not planned.moves:
        renew_grants(turn, parties, room)
    _remember(turn, planned, {p.domid: p for p in parties})
    turn.state = replace(
        turn.state,
        pool_kib=room.pool_kib,
        floors_missing_kib=planned.floors_missing_kib,
        is_pressed=planned.is_pressed,
        is_evening=planned.is_evening,
        is_short=any(p.is_short for p in parties),
    )


def _remember(turn: Turn, planned: Moves, parties: Mapping[int, Party]) -> None:
    for each in turn.domains.each():
        share_kib = planned.shares_kib.get(each.domid)
        domain = _time_reaction(turn, each, parties.get(each.domid), share_kib)
        awaits_report = share_kib is not None and domain.demand is not None and domain.demand.least_kib > share_kib
        if domain.planned is not domain.demand or domain.awaits_report != awaits_report:
            turn.change(domain, planned=domain.demand, awaits_report=awaits_report)


def _time_reaction(turn: Turn, domain: Domain, party: Party | None, share_kib: int | None) -> Domain:
    """Learn how long this domain waits, once it cannot, for what it needs: decision, donors, and both balloons.

    Waiting for what the host does not have is no reaction.
    """
    since_s, now_s = domain.waits_since_s, turn.now_s
    if party is None or share_kib is None or share_kib + PAGE_KIB <= party.need_kib:
        return domain if since_s is None else turn.change(domain, waits_since_s=None)
    if party.actual_kib + PAGE_KIB <= party.need_kib:
        begins = since_s is None and party.actual_kib + PAGE_KIB <= party.pressing_kib
        return turn.change(domain, waits_since_s=now_s) if begins else domain
    if since_s is None:
        return domain
    seen_s = min(max(now_s - since_s, REACTION_LEAST_S), REACTION_MOST_S)
    reaction_s = domain.reaction_s + (seen_s - domain.reaction_s) * REACTION_WEIGHT
    turn.stale = turn.stale or is_ageing(domain)  # its demand is reckoned anew with each plan, and now with this
    return turn.change(domain, waits_since_s=None, reaction_s=reaction_s)
