"""Which targets are worth changing now, given who should have how much.

The plan never promises memory: growth is planned only into memory that Xen already shows as free, shrinks only as far
as each domain's last report licenses. What remains is planned when the next figures arrive, so there is no plan to
remember, and none to lose.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from dom0_arbiter.policy.allocate import PAGE_KIB, Party, allocate, counted_floors
from dom0_arbiter.policy.settings import Surplus
from dom0_arbiter.policy.water import pour

MIB = 1024
MARGIN_KIB = 1 * MIB  # maxmem − target: PVH needs 16 pages of it to reach its target; libxl leaves as much
CHUNK_KIB = 8 * MIB  # growth comes in steps of at least this, unless less is wanted: a step costs two writes
AWAITED_KIB = 64 * MIB  # nor is more than this left idle until all of a large step is there
UNASSIGNED_KIB = 16 * MIB  # free memory, and differences, not worth moving while nobody is short
# Moving has its price: cache that is lost, superpages that are split, and it may be wanted back before long. While
# nobody presses, memory is evened out soon where comfort lacks an eighth of all that is managed, or a quarter of it is
# in the wrong place; for less it must have been quiet for a while. Once begun, it goes on until the rest is not worth
# it.
EVEN_SOON_S, EVEN_S = 1.0, 20.0  # since the last target was written
COMFORT_DIVISOR = 8
SURPLUS_DIVISOR = 4
LEAST_DIVISOR = 100
MOVE_MIN_KIB = 1 * MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Xen's free memory and who has a claim on it, KiB.

    `promised_kib`: Σ max(0, maxmem − actual) of the guests in hand. `claimed_kib`: the same of all others (being built,
    pinned, excluded): not given away while it is theirs, but no debt either, and nobody is shrunk for it.
    reserved_kib: set aside for reservations; awaited_kib: what is to be set free for those that wait for theirs;
    granting_kib: what is to be granted yet.
    """

    free_kib: int
    promised_kib: int
    slack_kib: int
    pool_kib: int
    claimed_kib: int = 0
    reserved_kib: int = 0
    awaited_kib: int = 0
    granting_kib: int = 0

    @property
    def unpromised_kib(self) -> int:
        """What growth may still be granted from; negative: others took what was promised."""
        own_kib = self.free_kib - self.promised_kib - self.slack_kib - self.reserved_kib
        return own_kib if own_kib < 0 else max(0, own_kib - self.claimed_kib)


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One target to change, Xen's view, and the numbers that made the decision."""

    domid: int
    from_kib: int
    to_kib: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Moves:
    """What to do now (shrinks before grows), what was aimed at, how much the floors lack, and whether anybody waits.

    is_evening: surplus is on its way to where it belongs, and more of it will be.
    """

    moves: Sequence[Move]
    shares_kib: dict[int, int]
    floors_missing_kib: int
    is_pressed: bool
    is_evening: bool


def plan_moves(
    parties: Sequence[Party], room: Room, *, coming_kib: int, surplus: Surplus, calm_s: float, was_evening: bool = False
) -> Moves:
    """Decide. `coming_kib` is what shrinks under way will still set free, calm_s the time since the last new target.

    Domains that cannot wait are served at once, first from what is free (the pool included), then by shrinks of as much
    as is lacking; those that are merely short once it has been calm for a while: a domain that grows steadily is better
    served by few steps, each when it is due, than by many small ones. While nobody presses, memory is taken only if
    enough of it is in the wrong place.
    """
    budget_kib = sum(p.held_kib for p in parties) + room.unpromised_kib
    shares = allocate(parties, budget_kib - room.awaited_kib, room.pool_kib, surplus, room.granting_kib)
    kept = _keeps(parties, shares)
    if kept:
        keeping = {move.domid: move.to_kib for move in kept}
        parties = [p._replace(target_kib=keeping.get(p.domid, p.target_kib)) for p in parties]
        coming_kib -= sum(move.to_kib - move.from_kib for move in kept)
    floors = counted_floors(parties, budget_kib)
    aims = list(zip(shares, parties, strict=True))
    wants = [share - p.target_kib if share > p.target_kib and p.may_grow else 0 for share, p in aims]
    gives = [
        max(0, p.target_kib - max(share, floor, p.least_kib)) if share < p.target_kib else 0
        for (share, p), floor in zip(aims, floors, strict=True)
    ]
    pressing = [_is_pressing(p, want, calm_s) for p, want in zip(parties, wants, strict=True)]
    overdrawn_kib = max(0, -room.unpromised_kib)
    free_kib = max(0, room.unpromised_kib)
    chunk_kib = CHUNK_KIB
    is_pressed = any(pressing) or overdrawn_kib > 0 or room.awaited_kib > 0
    is_evening = False
    if is_pressed:
        wants = [want if is_pressing else 0 for want, is_pressing in zip(wants, pressing, strict=True)]
        lacking_kib = sum(wants) + overdrawn_kib + room.awaited_kib - free_kib - coming_kib
        can_grow_on = overdrawn_kib == 0 and room.awaited_kib == 0 and not any(p.is_strained for p in parties)
        if can_grow_on and min(lacking_kib, sum(gives)) < max(CHUNK_KIB, sum(wants) // 4):
            lacking_kib = 0  # it grows: one step later instead of two now
    else:
        free_kib = max(0, free_kib - room.pool_kib)
        idle_kib = min(sum(wants), free_kib)
        is_worth_it = _is_worth_evening(parties, shares, floors, budget_kib, calm_s, was_evening=was_evening)
        is_worth_it = is_worth_it and sum(gives) >= UNASSIGNED_KIB
        is_evening = is_worth_it or (was_evening and (calm_s < EVEN_SOON_S or coming_kib > 0))
        if not is_worth_it:
            gives = [0] * len(parties)
        if idle_kib < UNASSIGNED_KIB:
            if is_worth_it or coming_kib:  # more is on its way
                wants = [0] * len(parties)
            else:  # what shrinks left over goes out in one piece
                wants = [want if want >= MOVE_MIN_KIB else 0 for want in wants]
                chunk_kib = max(MOVE_MIN_KIB, min(CHUNK_KIB, idle_kib))
        lacking_kib = sum(gives)
    grown = {
        move.domid: move for move in _grows(parties, shares, wants, free_kib, chunk_kib, more_comes=coming_kib > 0)
    }
    kept = [grown.pop(move.domid, move) for move in kept]  # what keeps and grows is told once
    return Moves(
        moves=[*kept, *_shrinks(parties, shares, gives, lacking_kib), *grown.values()],
        shares_kib={p.domid: share for p, share in zip(parties, shares, strict=True)},
        floors_missing_kib=max(0, sum(floors) - budget_kib),
        is_pressed=is_pressed,
        is_evening=is_evening,
    )


def _is_pressing(party: Party, want_kib: int, calm_s: float) -> bool:
    """Whether a domain is served now: strained, or without what may not be waited for, or merely short for a while.

    Unless it is strained, a step must be worth two writes.
    """
    if party.is_strained and party.cannot_wait:
        return want_kib >= MOVE_MIN_KIB
    return want_kib >= CHUNK_KIB and (party.cannot_wait or (party.is_short and calm_s >= EVEN_S))


def _is_worth_evening(
    parties: Sequence[Party],
    shares: Sequence[int],
    floors: Sequence[int],
    budget_kib: int,
    calm_s: float,
    *,
    was_evening: bool,
) -> bool:
    """Whether so much is in the wrong place, and has been for so long, that moving it is worth its price."""
    if calm_s < EVEN_SOON_S:
        return False
    misplaced_kib = lacks_kib = 0
    for p, share, floor in zip(parties, shares, floors, strict=True):
        misplaced_kib += max(0, p.target_kib - max(share, floor))
        lacks_kib += max(0, min(share, p.comfort_kib) - p.target_kib) if p.may_grow else 0
    is_long = was_evening or calm_s >= EVEN_S
    return misplaced_kib >= UNASSIGNED_KIB and (
        misplaced_kib >= budget_kib // SURPLUS_DIVISOR
        or min(misplaced_kib, lacks_kib) >= budget_kib // COMFORT_DIVISOR
        or (is_long and misplaced_kib >= budget_kib // LEAST_DIVISOR)
    )


def _keeps(parties: Sequence[Party], shares: Sequence[int]) -> list[Move]:
    """Call off shrinks under way of domains that became short meanwhile: what they still hold costs nobody anything."""
    moves = []
    for p, share in zip(parties, shares, strict=True):
        if not p.is_short:
            continue
        to_kib = min(share, p.actual_kib - p.actual_kib % PAGE_KIB)
        if to_kib - p.target_kib >= MOVE_MIN_KIB:
            reason = f"keeps {_mib(to_kib - p.target_kib)} that it was to give: needs {_mib(p.need_kib)}"
            moves.append(Move(domid=p.domid, from_kib=p.target_kib, to_kib=to_kib, reason=reason))
    return moves


def _shrinks(parties: Sequence[Party], shares: Sequence[int], gives: Sequence[int], lacking_kib: int) -> list[Move]:
    """Take what is lacking from those who can give, most from those with the most to give per weight.

    So they come to their shares together: the large are not drained to theirs while the idle keep what nobody needs.
    """
    if lacking_kib <= 0:
        return []
    lacking_kib = max(lacking_kib, CHUNK_KIB)
    lows = [p.target_kib - give for p, give in zip(parties, gives, strict=True)]
    targets = [p.target_kib for p in parties]
    kept = pour([p.weight for p in parties], lows, targets, sum(targets) - lacking_kib, origins_kib=lows)
    moves = []
    for p, share, keep in zip(parties, shares, kept, strict=True):
        to_kib = keep - keep % PAGE_KIB
        if p.target_kib - to_kib >= MOVE_MIN_KIB:
            given = _mib(p.target_kib - to_kib)
            reason = f"gives {given}: its share is {_mib(share)}, its working set {_mib(p.working_set_kib)}"
            moves.append(Move(domid=p.domid, from_kib=p.target_kib, to_kib=to_kib, reason=reason))
    return moves


def _grows(
    parties: Sequence[Party],
    shares: Sequence[int],
    wants: Sequence[int],
    free_kib: int,
    chunk_kib: int,
    *,
    more_comes: bool,
) -> list[Move]:
    """Hand out what is free now, working sets first, to as many of those below their share as get a chunk each.

    A domain that is not strained waits for half of what it wants, within reason, if more is coming: each step costs two
    writes.
    """
    growing = [(p, share) for p, share, want in zip(parties, shares, wants, strict=True) if want]
    growing.sort(key=lambda pair: (pair[0].target_kib - min(pair[0].working_set_kib, pair[1])) / pair[0].weight)
    growing = growing[: max(1, free_kib // CHUNK_KIB)]
    moves = []
    for (p, share), to_kib in zip(growing, _now(growing, free_kib), strict=True):
        gets_kib, want_kib = to_kib - p.target_kib, share - p.target_kib
        waits = more_comes and not p.is_strained
        step_kib = min(want_kib, max(chunk_kib, min(want_kib // 2, AWAITED_KIB)) if waits else chunk_kib)
        if gets_kib >= max(PAGE_KIB, step_kib - PAGE_KIB):
            reason = f"gets {_mib(gets_kib)}: its share is {_mib(share)}, it needs {_mib(p.need_kib)}"
            moves.append(Move(domid=p.domid, from_kib=p.target_kib, to_kib=to_kib, reason=reason))
    return moves


def _now(growing: Sequence[tuple[Party, int]], free_kib: int) -> list[int]:
    """Targets for now: fill up the working sets first, then reserved bursts, comfort, the rest of the shares.

    What a domain may take already (`held_kib`) costs nothing; what it lacks of its margin is promised with its growth.
    """
    lows = [p.target_kib for p, _ in growing]
    budget_kib = sum(lows) + free_kib - sum(max(0, p.target_kib - p.held_kib) for p, _ in growing)
    weights = [p.weight for p, _ in growing]
    for tier in (
        [min(p.working_set_kib, share) for p, share in growing],
        [min(p.secured_kib, share) for p, share in growing],
        [min(p.comfort_kib, share) for p, share in growing],
        [share for _, share in growing],
    ):
        lows = pour(weights, lows, list(map(max, lows, tier)), budget_kib)
    return [max(p.target_kib, low - low % PAGE_KIB) for (p, _), low in zip(growing, lows, strict=True)]


def _mib(kib: int) -> str:
    return f"{kib / MIB:.1f} MiB"
