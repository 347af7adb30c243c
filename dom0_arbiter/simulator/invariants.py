"""What must hold on every host at every moment, as functions of the host's truth and the engine's state.

Judged from Xen's figures and the guests' true needs, not from what the engine believes of them; the sharing of memory
is reckoned anew here, in a way that has nothing in common with the engine's. `Inspector` adds the memory that rules
about time need.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from dom0_arbiter.engine import Action, Domain, SendGrant, SendWelcome, SetMaxmem, State, WriteTarget, step
from dom0_arbiter.policy import MARGIN_KIB
from dom0_arbiter.simulator.guests.guest import Guest
from dom0_arbiter.simulator.host import Allotment, Host

DEADBAND_KIB = 16_384  # differences that are not worth moving, and what a guest's last reserve may keep from others
STEP_KIB = 2048  # what a step must at least be worth, and what MemAvailable and the truth may be apart
HEARTBEATS = 3  # of silence, at most, until a guest is named as silent
PAGE_KIB = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One broken rule. `domain` is the name, None where it is the host's."""

    invariant: str
    at_s: float
    domain: str | None
    detail: str


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A moment: Xen, the guests as they are, what stands in memory/target, and what the engine makes of it.

    While it lasts amounts may change, as a plan is carried out; which domains there are, and what the engine knows of
    them, may not.
    """

    now_s: float
    host: Host
    guests: Mapping[int, Guest]
    read_target_kib: Callable[[int], int]
    state: State

    def violation(self, invariant: str, domid: int | None, detail: str) -> Violation:
        """One, here and now."""
        name = None if domid is None else self.guests[domid].spec.name if domid in self.guests else str(domid)
        return Violation(invariant=invariant, at_s=round(self.now_s, 3), domain=name, detail=detail)

    @cached_property
    def managed(self) -> Sequence[Domain]:
        """Domains whose memory the arbiter has taken into its hands."""
        there = self.host.domains
        return [
            domain
            for domain in self.state.domains.values()
            if domain.demand is not None
            and not (domain.settings.excluded or domain.is_manual)
            and domain.domid in there
        ]

    @cached_property
    def backed(self) -> Sequence[Allotment]:
        """Those of them whose growth must be backed; one that is being saved is left as it is, whatever others do."""
        return [self.host.domains[d.domid] for d in self.managed if not d.is_frozen(self.now_s)]

    def target_kib(self, domain: Domain) -> int:
        """What stands in memory/target, in Xen's view."""
        return self.read_target_kib(domain.domid) + domain.target_offset_kib

    def restores_kib(self, domid: int) -> int:
        """How much memory a domain may have at most for libxl to be able to restore it from what stands there."""
        return self.read_target_kib(domid) + self.guests[domid].spec.target_offset_kib + MARGIN_KIB


def unbacked_kib(scene: Scene) -> int:
    """A, H: how much more is promised to domains and set aside than is free beyond the slack; 0 or less is sound."""
    kept_kib = scene.state.settings.slack_kib + set_aside_kib(scene)
    return promised_kib(scene) + kept_kib - scene.host.free_kib


def set_aside_kib(scene: Scene, *outcomes: str) -> int:
    """What was granted to reservations and is not used yet; a domain that is being built is using it."""
    kib = sum(r.kib for r in scene.state.reservations.values() if r.outcome in (outcomes or ("granted",)))
    if not kib:
        return 0
    built_kib = sum(
        max(a.actual_kib, a.maxmem_kib) for domid, a in scene.host.domains.items() if domid not in scene.state.domains
    )
    return max(0, kib - built_kib)


def promised_kib(scene: Scene) -> int:
    """What the managed domains may still take."""
    return sum([a.maxmem_kib - a.actual_kib for a in scene.backed if a.maxmem_kib > a.actual_kib])


def check_action(scene: Scene, action: Action) -> Iterator[Violation]:
    """B, D, G: whether an action may be carried out in this moment, just before it is."""
    domid = action.domid
    domain = scene.state.domains.get(domid)
    if domain is None:
        yield scene.violation("G", domid, f"{type(action).__name__} for a domain that was released")
    elif domid in scene.host.domains and not isinstance(action, SendWelcome | SendGrant):
        yield from _check_sizes(scene, domain, action)


def _check_sizes(scene: Scene, domain: Domain, action: SetMaxmem | WriteTarget) -> Iterator[Violation]:
    domid, allotment = domain.domid, scene.host.domains[domain.domid]
    has_kib = -(-allotment.actual_kib // PAGE_KIB) * PAGE_KIB
    if domain.settings.excluded:
        yield scene.violation("B", domid, "is excluded, and was moved")
    if isinstance(action, SetMaxmem):
        if action.maxmem_kib > max(domain.ceiling_kib + MARGIN_KIB, has_kib + MARGIN_KIB, allotment.maxmem_kib):
            yield scene.violation("B", domid, f"maxmem {action.maxmem_kib} above its ceiling {domain.ceiling_kib}")
        return
    to_kib = action.target_kib + domain.target_offset_kib
    if to_kib > max(domain.ceiling_kib, has_kib):
        yield scene.violation("B", domid, f"target {to_kib} above its ceiling {domain.ceiling_kib}")
    if to_kib > has_kib and to_kib + MARGIN_KIB > allotment.maxmem_kib:
        yield scene.violation("B", domid, f"asked to grow to {to_kib}, maxmem is {allotment.maxmem_kib}")
    if to_kib >= min(has_kib, scene.target_kib(domain)):
        return  # nothing is taken from it
    if domain.demand is None:
        yield scene.violation("B", domid, f"shrunk to {to_kib} before it was heard")
    floor_kib = floor_of(scene, domain)
    if to_kib + PAGE_KIB <= floor_kib:
        yield scene.violation("B", domid, f"shrunk to {to_kib}, below its floor {floor_kib}")
    if domain.is_silent(scene.now_s) and to_kib + PAGE_KIB <= known_need_kib(domain):
        yield scene.violation("D", domid, f"is silent and was shrunk to {to_kib}; needed {known_need_kib(domain)}")


def floor_of(scene: Scene, domain: Domain) -> int:
    """What it cannot give up, by its last report; beyond dynamic-min only as far as its weighted share goes."""
    settings = domain.settings
    least_kib = min(domain.dynamic_min_kib(scene.now_s), domain.ceiling_kib)
    report = domain.report
    if report is None or domain.domid not in scene.guests:
        return least_kib
    stuck_kib = (
        report.total_kib - report.available_kib - min(report.anon_kib, report.swap_total_kib - report.swap_used_kib)
    )
    parties = scene.managed
    share_kib = weigh(scene, parties) * settings.weight // sum(p.settings.weight for p in parties)
    stuck_kib += scene.guests[domain.domid].spec.memory_offset_kib
    return max(least_kib, min(stuck_kib, share_kib, domain.ceiling_kib))


def known_need_kib(domain: Domain) -> int:
    """The working set of its last report, Xen's view as far as the engine knows it."""
    report = domain.report
    if report is None or domain.memory_offset_kib is None:
        return 0
    used_kib = report.total_kib - report.available_kib
    return min(domain.ceiling_kib, domain.memory_offset_kib + used_kib)


def weigh(scene: Scene, parties: Sequence[Domain]) -> int:
    """What there is to divide among these domains."""
    own_kib = sum(scene.host.domains[p.domid].actual_kib - MARGIN_KIB for p in parties)
    theirs = {p.domid for p in parties}
    promised_kib = sum(
        max(0, a.maxmem_kib - a.actual_kib) for domid, a in scene.host.domains.items() if domid not in theirs
    )
    return own_kib + scene.host.free_kib - promised_kib - scene.state.settings.slack_kib - set_aside_kib(scene)


def check_names(scene: Scene) -> Iterator[Violation]:
    """D: a guest that has stopped talking is named as silent, unless something graver keeps it out of hand."""
    for domain in scene.managed:
        guest, welcome = scene.guests.get(domain.domid), domain.welcome
        if guest is None or guest.agent is not None or welcome is None:
            continue
        silent_s = scene.now_s - max(guest.said_s, domain.introduced_s)
        named = domain.state(scene.now_s)
        if silent_s > HEARTBEATS * welcome.heartbeat_ms / 1000 and named not in ("silent", "paused", "frozen"):
            yield scene.violation("D", domain.domid, f"silent for {silent_s:.0f} s, and named {named}")


def check_rest(scene: Scene) -> Iterator[Violation]:
    """I: with nothing changed, the engine wants nothing, but to wake a driver (by a target one page away).

    Nothing has changed when the last plan was made for these very demands; what reports add up to meanwhile may wait.
    """
    if any(domain.demand is not domain.planned for domain in scene.state.domains.values()):
        return
    _, plan, _ = step(replace(scene.state, quiet_until_s=float("-inf")), [scene.host.sample()], scene.now_s)
    for action in plan.actions:
        stands_kib = scene.read_target_kib(action.domid)
        if not isinstance(action, WriteTarget) or abs(action.target_kib - stands_kib) > PAGE_KIB:
            yield scene.violation("I", action.domid, f"with nothing changed: {action}")


def uncovered(scene: Scene) -> Iterator[Domain]:
    """K: domains that are content with more than their target says, so that a restore of them would fail."""
    allotments, guests = scene.host.domains, scene.guests
    for domain in scene.managed:
        actual_kib, guest = allotments[domain.domid].actual_kib, guests.get(domain.domid)
        if (
            guest is not None
            and guest.driver.aim_kib >= actual_kib
            and actual_kib > scene.restores_kib(domain.domid)
            and not domain.is_paused
            and (domain.is_settled or not domain.is_hvm)
        ):
            yield domain


def check_liveness(scene: Scene) -> Iterator[Violation]:
    """J, B: once demands have stood still for 10 s, every working set within its fair share is covered.

    Domains that do not obey, or do not speak, keep what they have, and the others divide the rest. What a guest has and
    cannot give up is nobody else's to be covered with. The shrink rule leaves every guest a last reserve: it may be
    missing where somebody needs more than its plain weighted share, and is served from what others leave.
    """
    parties = [d for d in scene.managed if d.state(scene.now_s) == "ok" and _obeys(scene, d)]
    if not parties:
        return
    budget_kib = weigh(scene, parties)
    weights = [p.settings.weight for p in parties]
    actuals = [scene.host.domains[p.domid].actual_kib for p in parties]
    floors, needs = [], []
    for p, actual_kib in zip(parties, actuals, strict=True):
        guest, least_kib = scene.guests[p.domid], min(p.dynamic_min_kib(scene.now_s), p.ceiling_kib)
        kernel = guest.kernel
        used_kib = guest.spec.memory_offset_kib + kernel.total_kib - kernel.available_kib
        swappable_kib = min(kernel.anon_kib, kernel.swap_total_kib - kernel.swapped_kib) // 2
        floors.append(max(least_kib, min(actual_kib, used_kib - swappable_kib + DEADBAND_KIB, p.ceiling_kib)))
        claimed_kib = used_kib + kernel.swapped_kib
        if guest.spec.character.lie_factor > 1:
            claimed_kib = p.ceiling_kib  # whatever it claims, it competes for it with its weight
        needs.append(max(floors[-1], min(max(claimed_kib, guest.working_set_kib), p.ceiling_kib)))
    if sum(floors) > budget_kib:
        return  # there is no sharing out what is not there
    shares = share_out(weights, floors, needs, budget_kib)
    for p, actual_kib, share_kib in zip(parties, actuals, shares, strict=True):
        if scene.guests[p.domid].spec.character.lie_factor < 1:
            continue  # it said that it needs less
        needs_kib = scene.guests[p.domid].working_set_kib
        is_due = needs_kib * sum(weights) <= budget_kib * p.settings.weight
        reserves_kib = DEADBAND_KIB + STEP_KIB if is_due else DEADBAND_KIB * len(parties)
        if actual_kib + reserves_kib < min(share_kib, needs_kib):
            yield scene.violation("J", p.domid, f"has {actual_kib}, needs {needs_kib}, its share is {share_kib}")
    settings = scene.state.settings
    room_kib = sum(max(0, p.ceiling_kib - actual_kib) for p, actual_kib in zip(parties, actuals, strict=True))
    promises_kib = sum(max(0, a.maxmem_kib - a.actual_kib) for a in scene.host.domains.values())
    idle_kib = scene.host.free_kib - promises_kib - settings.slack_kib - scene.state.pool_kib
    idle_kib -= set_aside_kib(scene, "granted", "waiting")
    if sum(max(0, actual_kib - scene.target_kib(p)) for p, actual_kib in zip(parties, actuals, strict=True)) > idle_kib:
        return  # most of it is still on its way: it goes out in pieces worth their writes
    if settings.surplus.spread == 100 and min(idle_kib, room_kib) > DEADBAND_KIB + MARGIN_KIB * len(parties):
        yield scene.violation("J", None, f"{idle_kib} KiB unassigned, room for {room_kib}")


def _obeys(scene: Scene, domain: Domain) -> bool:
    guest = scene.guests.get(domain.domid)
    return guest is not None and guest.agent is not None and guest.spec.character.is_obedient


def share_out(weights: Sequence[int], lows: Sequence[int], highs: Sequence[int], budget_kib: int) -> list[int]:
    """Weighted max-min by bisection of the level: each gets clamp(weight * level, low, high)."""

    def at(level: float) -> list[int]:
        return [max(low, min(high, int(w * level))) for w, low, high in zip(weights, lows, highs, strict=True)]

    if sum(highs) <= budget_kib:
        return list(highs)
    below, above = 0.0, float(max(budget_kib, 1))
    for _ in range(60):
        level = (below + above) / 2
        below, above = (below, level) if sum(at(level)) > budget_kib else (level, above)
    return at(below)
