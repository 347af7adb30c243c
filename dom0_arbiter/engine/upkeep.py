"""What each domain's balloon needs from us, whatever the policy says: the rules for moving one.

Runs on fresh figures from Xen, before planning.
"""

from dom0_arbiter.engine.actions import WriteTarget
from dom0_arbiter.engine.balloon import (
    NUDGE_AFTER_S,
    NUDGES,
    PAGE_KIB,
    REST_S,
    TOLERANCE_KIB,
    Balloon,
    give_up,
    nudge,
    wake,
)
from dom0_arbiter.engine.domain import Domain, party_of
from dom0_arbiter.engine.reservation import set_aside_kib
from dom0_arbiter.engine.turn import OWN_TARGETS, Turn
from dom0_arbiter.policy import MARGIN_KIB


def keep_up(turn: Turn) -> bool:
    """Write again a welcome that did not arrive; cover, wake, settle; and stand by invariant A.

    Covered is what guests took; woken are sleeping drivers; a stuck guest is settled for what it has. Return whether
    promises were withdrawn. What backed them may be taken until that is done: it must be seen free again before it is
    given to others.
    """
    promised_kib = turn.promised_kib()
    for domain in turn.domains.each():
        if domain.is_unanswered and domain.welcome is not None:
            domain = turn.welcome(domain, domain.welcome)  # noqa: PLW2901 - the same one, answered
        is_left_alone = domain.is_paused and not domain.is_frozen(turn.now_s)  # a paused one may be about to be saved
        if domain.balloon is not None and not (domain.settings.excluded or domain.is_manual or is_left_alone):
            _keep_up_one(turn, domain, domain.balloon)
        if domain.is_manual and domain.grant_kib:
            turn.take_grant(domain)  # who sized it by hand granted nothing
    _withdraw_promises(turn)
    return turn.promised_kib() < promised_kib


def _keep_up_one(turn: Turn, domain: Domain, balloon: Balloon) -> None:
    now_s = turn.now_s
    has_kib = _whole_pages(balloon.actual_kib)
    if domain.is_frozen(now_s):
        # What libxl saves is the target: a guest with more than that plus 1 MiB cannot be restored.
        is_covered = has_kib <= max(balloon.target_kib, domain.xenstore_target_kib + domain.target_offset_kib)
        if domain.is_unsure or not is_covered:
            turn.retarget(domain, balloon, has_kib, "covers what it has before it is suspended")
    elif domain.is_hvm and not domain.is_settled:
        # Populate-on-demand: no target is written, but to a guest that stands where no offset could have brought it.
        if domain.report is not None and now_s - max(balloon.changed_s, balloon.asked_s) >= 2 * NUDGE_AFTER_S:
            turn.retarget(domain, balloon, has_kib, "covers what it has, far from its target")
    elif has_kib > balloon.target_kib + TOLERANCE_KIB and (
        not balloon.shrink_asked or _was_standing(domain, balloon, now_s)
    ):
        turn.retarget(domain, balloon, has_kib, "covers what the guest took by itself")
    elif domain.is_unsure:
        turn.retarget(domain, balloon, has_kib, "keeps what it has: what was asked of it last may not have arrived")
    elif balloon.phase == "growing" and balloon.target_kib > min(domain.ceiling_kib, balloon.maxmem_kib - MARGIN_KIB):
        turn.retarget(domain, balloon, has_kib, "keeps what it has: it was found growing beyond its maximum")
    elif balloon.is_nudge_due(now_s) and party_of(domain, now_s) is not None:
        if balloon.nudges < NUDGES:
            _rewrite(turn, domain, nudge(balloon, now_s))
        else:
            was_growing = balloon.phase == "growing"
            settled = give_up(balloon, now_s)
            reason = "stopped growing: keeps what it has" if was_growing else "does not shrink: keeps what it has"
            turn.retarget(domain, settled, settled.target_kib, reason)
    elif turn.state.is_pressed and balloon.is_wake_due(now_s) and party_of(domain, now_s) is not None:
        _rewrite(turn, domain, wake(balloon, now_s))


def _was_standing(domain: Domain, balloon: Balloon, now_s: float) -> bool:
    """A shrink that was found under way may be one, or growth of the guest's own that nobody covered meanwhile.

    Not where maxmem is lower than what it has: it could not have grown to that.
    """
    could_grow = balloon.maxmem_kib >= balloon.actual_kib
    return could_grow and domain.decision is None and now_s - max(balloon.asked_s, balloon.progressed_s) >= REST_S


def _rewrite(turn: Turn, domain: Domain, woken: Balloon) -> None:
    """Write a target that differs by a page: the same one again would not wake the driver."""
    write = WriteTarget(domid=domain.domid, target_kib=woken.target_kib - domain.target_offset_kib)
    turn.actions.append(write)
    turn.change(
        domain,
        balloon=woken,
        xenstore_target_kib=write.target_kib,
        own_targets_kib=(write.target_kib, *domain.own_targets_kib[: OWN_TARGETS - 1]),
    )


def _withdraw_promises(turn: Turn) -> None:
    """Lower maxmem where it allows more than was granted, and wherever others took the memory that backed it."""
    for domain in turn.domains.each():
        balloon = domain.balloon
        if balloon is not None:
            granted_kib = max(balloon.target_kib + domain.grant_kib, balloon.actual_kib) + MARGIN_KIB
            if balloon.maxmem_kib > granted_kib and domain.is_in_hand(turn.now_s):
                turn.limit(domain, balloon, granted_kib)
    kept_kib = turn.state.settings.slack_kib + set_aside_kib(turn.state)
    excess_kib = turn.promised_kib() + kept_kib - turn.state.free_at_most_kib
    if excess_kib <= 0:
        return
    managed = [d.domid for d in turn.domains.each() if d.balloon is not None and d.is_in_hand(turn.now_s)]
    for withdraw in (_take_grant, _stop_growing, _take_margin):
        for domid in sorted(managed, key=lambda domid: _promised_kib(turn, domid), reverse=True):
            if excess_kib <= 0:
                return
            promised_kib = _promised_kib(turn, domid)
            withdraw(turn, turn.domains[domid])
            excess_kib -= promised_kib - _promised_kib(turn, domid)


def _promised_kib(turn: Turn, domid: int) -> int:
    return turn.balloon(turn.domains[domid]).promised_kib


def _take_grant(turn: Turn, domain: Domain) -> None:
    if domain.grant_kib:
        turn.take_grant(domain)


def _stop_growing(turn: Turn, domain: Domain) -> None:
    balloon = turn.balloon(domain)
    has_kib = _whole_pages(balloon.actual_kib)
    if balloon.target_kib > has_kib:
        turn.retarget(domain, balloon, has_kib, "others took the memory it was promised")


def _take_margin(turn: Turn, domain: Domain) -> None:
    balloon = turn.balloon(domain)
    has_kib = max(_whole_pages(balloon.actual_kib), balloon.target_kib)
    if has_kib < balloon.maxmem_kib:
        turn.limit(domain, balloon, has_kib)


def _whole_pages(kib: int) -> int:
    return -(-kib // PAGE_KIB) * PAGE_KIB
