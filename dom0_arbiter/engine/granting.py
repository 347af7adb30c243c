"""Grants: who may take how much by itself, and taking that back where somebody needs it more."""

from collections.abc import Sequence

from dom0_arbiter.engine.actions import SendGrant
from dom0_arbiter.engine.balloon import TOLERANCE_KIB
from dom0_arbiter.engine.domain import GRANT_S, Domain
from dom0_arbiter.engine.turn import Turn
from dom0_arbiter.policy import MARGIN_KIB, Party, Room, is_other_grant, plan_grants
from protocol import TAKES_GRANTS, Grant


def renew_grants(turn: Turn, parties: Sequence[Party], room: Room) -> None:
    """While nobody is short: give what is free to those who may take it, and prolong what they have."""
    if not turn.state.settings.may_grant:
        return
    wishes = {p.domid: _wish_kib(turn, turn.domains[p.domid]) for p in parties}
    if not any(wishes.values()):
        return
    granted_kib = sum(turn.domains[domid].grant_kib for domid, wish_kib in wishes.items() if wish_kib)
    balloons = [turn.balloon(turn.domains[domid]) for domid, wish_kib in wishes.items() if wish_kib]
    margins_kib = sum(max(0, b.target_kib + MARGIN_KIB - max(b.maxmem_kib, b.actual_kib)) for b in balloons)
    spare_kib = room.unpromised_kib + granted_kib - margins_kib  # a grant stands above the margin
    planned = plan_grants(parties, wishes, spare_kib)
    changed = {
        domid: kib if is_other_grant(turn.domains[domid].grant_kib, kib) else turn.domains[domid].grant_kib
        for domid, kib in planned.items()
    }
    if sum(changed.values()) > spare_kib:
        changed = planned
    lowered = {domid: kib for domid, kib in changed.items() if kib < turn.domains[domid].grant_kib}
    for domid, kib in (lowered or changed).items():
        domain = turn.domains[domid]
        if kib != domain.grant_kib or (kib and turn.now_s - domain.granted_s >= GRANT_S / 2):
            _grant(turn, domain, kib)
    turn.stale = turn.stale or bool(lowered)  # what they may not take any more is granted to others after the next look


def take_back_grants(turn: Turn) -> bool:
    """Somebody is short: let nobody take by itself what it has not taken yet; return whether there was any."""
    found = False
    for domain in turn.domains.each():
        if domain.grant_kib:
            turn.take_grant(domain)
            found = True
    return found


def ungranted_kib(turn: Turn, parties: Sequence[Party]) -> int:
    """What is still to be granted to those who can take it: it is kept free for that, instead of lying in caches."""
    if not turn.state.settings.may_grant:
        return 0
    domains = (turn.domains[party.domid] for party in parties if party.may_grow)
    return sum(max(0, _allowed_kib(turn, domain) - domain.grant_kib) for domain in domains)


def _allowed_kib(turn: Turn, domain: Domain) -> int:
    """What its owner lets a domain take, if it can.

    Where Xen does not show maxmem (through xl), it cannot be set alone either.
    """
    hello, host = domain.hello, turn.state.sample
    if not domain.settings.grant_kib or hello is None or host is None or not hello.capabilities & TAKES_GRANTS:
        return 0
    seen = host.domains.get(domain.domid)
    return domain.settings.grant_kib if seen is not None and seen.is_maxmem_known else 0


def _wish_kib(turn: Turn, domain: Domain) -> int:
    """What it may be granted now: its agent must have told of the target that the grant is counted from."""
    report, balloon = domain.report, domain.balloon
    if report is None or balloon is None or not balloon.at_rest(turn.now_s):
        return 0
    knows_its_target = abs(report.balloon_target_kib - domain.xenstore_target_kib) <= TOLERANCE_KIB
    return _allowed_kib(turn, domain) if knows_its_target else 0


def _grant(turn: Turn, domain: Domain, kib: int) -> None:
    balloon, report = turn.balloon(domain), domain.report
    if report is None:
        return
    turn.limit(domain, balloon, balloon.target_kib + MARGIN_KIB + kib)
    extra_kib = max(0, kib + domain.xenstore_target_kib - report.balloon_target_kib)
    grant = Grant(
        version=report.version, extra_kib=extra_kib, echo_uptime_ms=report.uptime_ms, duration_ms=int(GRANT_S * 1000)
    )
    turn.actions.append(SendGrant(domid=domain.domid, grant=grant))
    turn.change(turn.domains[domain.domid], grant_kib=kib, granted_s=turn.now_s)
