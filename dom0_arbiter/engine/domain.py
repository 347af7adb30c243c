"""What the engine knows of one domain, and what that makes of it."""

from dataclasses import dataclass
from typing import Literal

from dom0_arbiter.engine.balloon import SLOW_AFTER_S, TOLERANCE_KIB, Balloon
from dom0_arbiter.policy import MARGIN_KIB, REACTION_S, Demand, DomainSettings, History, Party
from protocol import FINAL, Hello, Report, Welcome

DomainState = Literal["ok", "slow", "stuck", "at-limit", "silent", "no-agent", "paused", "frozen", "manual", "excluded"]

SILENT_HEARTBEATS = 2.5  # a heartbeat may be late by a stall of the guest, two in a row are not
SETTLES_WITHIN_S = 60.0  # populate-on-demand is over when the guest's balloon driver has started; later, it won't
# From its first report, which comes early in a start; what starts with it has asked for its memory by then. (Most of
# systemd's services are given up after 90 s from the same moment, DefaultTimeoutStartSec.)
STARTS_S = 60.0
GRANT_S = 120.0  # what a grant is good for; renewed at half of it
MOVED_UNHEARD_S = 10.0  # nor does an agent that runs let its guest's size change without a word


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Why a target changed: the numbers that made it, for logs and status. Xen's view, KiB."""

    domid: int
    at_s: float
    from_kib: int
    to_kib: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """One guest. `balloon` is None until Xen has been seen to know the domain; times are of the arbiter's clock.

    target_offset_kib: Xen's mem_kb less memory/target when settled (0 for PV, 16 pages for PVH, more with video RAM).
    is_settled: of HVM and PVH, whether the balloon has given up what the guest believes in and Xen never gave
    (populate-on-demand), so that the target's offset is known and a target may be written. resized_s: when a report
    last brought another MemTotal.
    memory_offset_kib: Xen's mem_kb less the guest's MemTotal; None until learned.
    xenstore_target_kib: what stands in memory/target, as far as known; own_targets_kib: our latest writes there.
    own_maxmem_kib: what we last set, or found: another is somebody else's. None: not known. is_unsure: a write failed,
    so that either may not hold.
    grant_kib: what it may take by itself beyond its target, as last said at granted_s.
    starts_until_s: until when it counts as starting, once it was heard.
    reaction_s: how long it waits for memory, from being short to having it, as seen lately.
    """

    domid: int
    uuid: str
    name: str
    static_max_kib: int
    videoram_kib: int = 0
    settings: DomainSettings
    xenstore_target_kib: int
    target_offset_kib: int = 0
    is_hvm: bool = False
    is_settled: bool = False
    resized_s: float = float("-inf")
    is_paused: bool = False
    is_shut_down: bool = False
    is_manual: bool = False
    frozen_until_s: float = float("-inf")
    introduced_s: float
    balloon: Balloon | None = None
    own_targets_kib: tuple[int, ...] = ()
    own_maxmem_kib: int | None = None
    is_unsure: bool = False
    is_unanswered: bool = False  # its welcome may not have arrived
    hello: Hello | None = None
    welcome: Welcome | None = None
    history: History | None = None
    is_provisional: bool = (
        False  # the report was found, and may be of another size than the domain's: it licenses nothing
    )
    memory_offset_kib: int | None = None
    demand: Demand | None = None
    planned: Demand | None = None  # the demand that the last plan was made for
    awaits_report: bool = False  # that plan would have taken more, had the last report licensed it
    decision: Decision | None = None
    grant_kib: int = 0
    granted_s: float = float("-inf")
    waits_since_s: float | None = None
    starts_until_s: float | None = None
    reaction_s: float = REACTION_S

    @property
    def ceiling_kib(self) -> int:
        """min(dynamic-max, static-max)."""
        if self.settings.dynamic_max_kib is None:
            return self.static_max_kib
        return min(self.settings.dynamic_max_kib, self.static_max_kib)

    @property
    def report(self) -> Report | None:
        """The newest report."""
        return None if self.history is None else self.history.report

    def dynamic_min_kib(self, now_s: float) -> int:
        """What its owner lets it have at least: more while it starts, if boot_min says so."""
        is_starting = self.starts_until_s is not None and now_s < self.starts_until_s
        return max(self.settings.dynamic_min_kib, self.settings.boot_min_kib if is_starting else 0)

    def is_frozen(self, now_s: float) -> bool:
        """Whether the domain is being suspended, saved, migrated or shut down, and must keep its size."""
        return self.is_shut_down or now_s < self.frozen_until_s

    def is_silent(self, now_s: float) -> bool:
        """Whether its agent has stopped talking."""
        return now_s > self.silent_after_s

    @property
    def silent_after_s(self) -> float:
        """When its agent will count as silent, if nothing more is heard or seen of it."""
        if self.history is None or self.welcome is None or self.balloon is None:
            return float("inf")
        report = self.history.report
        if report.flags & FINAL:
            return float("-inf")
        late_s = self.history.arrived_s + SILENT_HEARTBEATS * self.welcome.heartbeat_ms / 1000
        if self.memory_offset_kib is not None:
            unheard_kib = abs(self.memory_offset_kib + report.total_kib - self.balloon.actual_kib)
            if unheard_kib > 2 * self.welcome.change_kib + TOLERANCE_KIB:
                late_s = min(late_s, max(self.history.arrived_s, self.balloon.changed_s) + MOVED_UNHEARD_S)
        return late_s

    def is_in_hand(self, now_s: float) -> bool:
        """Whether its maxmem is ours to set."""
        return self.state(now_s) not in ("excluded", "frozen", "manual", "no-agent")

    def is_movable(self, now_s: float) -> bool:
        """Whether its size may be changed: it is ours, speaks, and its target's offset is known."""
        return not (
            self.settings.excluded
            or self.is_paused
            or self.is_manual
            or self.welcome is None
            or self.welcome.version == 0
            or (self.is_hvm and not self.is_settled)
            or self.is_frozen(now_s)
            or self.is_silent(now_s)
        )

    def state(self, now_s: float) -> DomainState:
        """The one word that status shows: what keeps the domain from being managed, else how it obeys."""
        if self.settings.excluded:
            return "excluded"
        if self.is_frozen(now_s):
            return "frozen"
        if self.is_paused:
            return "paused"
        if self.is_manual:
            return "manual"
        if self.demand is None or self.balloon is None or self.welcome is None or self.welcome.version == 0:
            return "no-agent"
        if self.is_silent(now_s):
            return "silent"
        if self.is_hvm and not self.is_settled:
            return "slow" if now_s - self.introduced_s < SETTLES_WITHIN_S else "stuck"
        if self.balloon.failures > 0:  # until it obeys again, be it asked again or not
            return "at-limit" if self.balloon.failed_phase == "growing" else "stuck"
        if self.balloon.phase != "resting" and now_s - self.balloon.asked_s > SLOW_AFTER_S:
            return "slow"
        return "ok"


def party_of(domain: Domain, now_s: float) -> Party | None:
    """The domain as allocation sees it, or None where its memory must not be moved now."""
    balloon, demand = domain.balloon, domain.demand
    if balloon is None or demand is None or not domain.is_movable(now_s):
        return None
    at_limit = balloon.is_given_up(now_s)
    if at_limit and balloon.failed_phase == "shrinking":
        return None
    if at_limit:
        demand = demand.capped(balloon.target_kib)
    return Party(
        domid=domain.domid,
        weight=domain.settings.weight,
        target_kib=balloon.target_kib,
        actual_kib=balloon.actual_kib,
        held_kib=max(balloon.actual_kib, balloon.maxmem_kib) - MARGIN_KIB,
        dynamic_min_kib=domain.dynamic_min_kib(now_s),
        floor_kib=demand.floor_kib,
        working_set_kib=demand.working_set_kib,
        secured_kib=demand.secured_kib,
        pressing_kib=demand.pressing_kib,
        need_kib=demand.need_kib,
        surge_kib=demand.surge_kib,
        comfort_kib=demand.comfort_kib,
        ceiling_kib=balloon.target_kib if at_limit else domain.ceiling_kib,
        least_kib=balloon.target_kib if domain.is_provisional else demand.least_kib,
        may_grow=not at_limit,
    )
