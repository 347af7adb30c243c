"""Memory set aside for what is to come: asked for, waited for, granted or refused, and used or given back."""

from collections.abc import Sequence
from dataclasses import dataclass

from dom0_arbiter.engine.balloon import PAGE_KIB
from dom0_arbiter.engine.domain import Domain
from dom0_arbiter.engine.replace import replace
from dom0_arbiter.engine.state import State
from dom0_arbiter.engine.turn import Turn
from dom0_arbiter.policy import (
    DONOR_RESERVE_KIB,
    MARGIN_KIB,
    MOVE_MIN_KIB,
    Holdout,
    Outcome,
    Party,
    Room,
    Verdict,
    judge_reservation,
)

# What no report licenses, the margin, and what is not worth a step: a report licenses half of what is left.
DONOR_KEEPS_KIB = DONOR_RESERVE_KIB + MARGIN_KIB + 2 * MOVE_MIN_KIB
# So long without a sixty-fourth of what is asked for having come free, those who were to give it do not: a guest that
# gives a page at a time keeps nobody waiting.
GIVES_WITHIN_S = 10.0
LEAST_PACE_DIVISOR = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """One request and what came of it. Times of the arbiter's clock.

    kib: what is set aside, or what is waited for; missing_kib, blame (names of domains): what a refusal says.
    nearest_kib: how much was free for it when that had last come nearer, at nearer_s.
    """

    name: str
    size_kib: int
    min_kib: int
    asked_s: float
    outcome: Outcome = "waiting"
    kib: int = 0
    missing_kib: int = 0
    blame: Sequence[str] = ()
    decided_s: float | None = None
    nearest_kib: int = -1
    nearer_s: float = 0.0


def set_aside_kib(state: State) -> int:
    """What was granted and is not used yet.

    libxl describes a domain in xenstore after it has populated it (libxl_dom.c, libxl_create.c): one that Xen shows and
    xenstore does not describe is being built, from what was set aside.
    """
    granted_kib = sum(r.kib for r in state.reservations.values() if r.outcome == "granted")
    return max(0, granted_kib - state.unknown_kib)


def decide_reservations(turn: Turn, parties: Sequence[Party], room: Room) -> int:
    """Grant and refuse what can be decided now, in the order of asking; return how much memory is still waited for."""
    reservations = dict(turn.state.reservations)
    waiting = [r for r in reservations.values() if r.outcome == "waiting"]
    if not waiting:
        return 0
    possible_kib = _possible_kib(parties, room)
    unpromised_kib, awaited_kib = room.unpromised_kib, 0
    for reservation in waiting:
        decided = _decide(turn, reservation, parties, possible_kib, unpromised_kib)
        reservations[decided.name] = decided
        if decided.outcome in ("granted", "waiting"):
            possible_kib -= decided.kib
            unpromised_kib -= decided.kib
        if decided.outcome == "waiting":
            awaited_kib += decided.kib
    turn.state = replace(turn.state, reservations=reservations)
    return awaited_kib


def _decide(
    turn: Turn, reservation: Reservation, parties: Sequence[Party], possible_kib: int, unpromised_kib: int
) -> Reservation:
    now_s = turn.now_s
    nearer = unpromised_kib >= reservation.nearest_kib + max(MOVE_MIN_KIB, reservation.size_kib // LEAST_PACE_DIVISOR)
    nearest_kib, nearer_s = (unpromised_kib, now_s) if nearer else (reservation.nearest_kib, reservation.nearer_s)
    stands = now_s - nearer_s >= GIVES_WITHIN_S
    verdict = judge_reservation(
        size_kib=reservation.size_kib,
        min_kib=reservation.min_kib,
        possible_kib=possible_kib,
        unpromised_kib=unpromised_kib,
        holdouts=_holdouts(turn, {p.domid for p in parties}, stands=stands),
    )
    if verdict.outcome == "waiting" and stands:
        verdict = _settle_for(turn, reservation, parties, unpromised_kib)
    outcome = verdict.outcome
    return replace(
        reservation,
        outcome=outcome,
        kib=verdict.kib,
        missing_kib=verdict.missing_kib,
        blame=[turn.domains[domid].name for domid in verdict.blame],
        decided_s=None if outcome == "waiting" else now_s,
        nearest_kib=nearest_kib,
        nearer_s=nearer_s,
    )


def _possible_kib(parties: Sequence[Party], room: Room) -> int:
    """What could be set free beside working sets and the bursts reserved for them.

    A burst of those who give, the largest seen, must still find memory, and nobody gives its last reserve.
    """
    burst_kib = min(room.pool_kib, max((p.need_kib - p.secured_kib for p in parties), default=0))
    spares_kib = [p.held_kib - max(p.floor_kib, p.secured_kib) for p in parties]
    kept_kib = sum(min(spare, DONOR_KEEPS_KIB) for spare in spares_kib if spare > 0)
    return room.unpromised_kib + sum(spares_kib) - max(kept_kib, burst_kib)


def _settle_for(turn: Turn, reservation: Reservation, parties: Sequence[Party], unpromised_kib: int) -> Verdict:
    """Nothing more comes free: take what there is, or say who does not give, or that there is no more."""
    if unpromised_kib >= reservation.min_kib:
        return Verdict(outcome="granted", kib=min(reservation.size_kib, unpromised_kib - unpromised_kib % PAGE_KIB))
    missing_kib = reservation.min_kib - max(0, unpromised_kib)
    blame = [p.domid for p in parties if turn.balloon(turn.domains[p.domid]).phase == "shrinking"]
    return Verdict(outcome="refused-stuck" if blame else "refused-lack", missing_kib=missing_kib, blame=blame)


def _holdouts(turn: Turn, obedient: set[int], *, stands: bool) -> Sequence[Holdout]:
    """Domains that have more than they need and do not give it."""
    found = []
    for domain in turn.domains.each():
        if domain.domid in obedient or not _is_stuck(domain):
            continue
        balloon, demand = turn.balloon(domain), domain.demand
        if demand is not None:
            spare_kib = max(0, balloon.actual_kib - max(demand.secured_kib, domain.dynamic_min_kib(turn.now_s)))
            given_up = stands or balloon.is_given_up(turn.now_s)
            found.append(Holdout(domid=domain.domid, spare_kib=spare_kib, is_given_up=given_up))
    return found


def _is_stuck(domain: Domain) -> bool:
    balloon = domain.balloon
    return balloon is not None and (balloon.phase == "shrinking" or balloon.failed_phase == "shrinking")
