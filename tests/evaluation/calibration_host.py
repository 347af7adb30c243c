"""The lab's host of `spike`, played: guests as they were at T0, a program that goes at a given pace, and a recorder."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isqrt

from dom0_arbiter.policy import DomainSettings, Settings
from dom0_arbiter.simulator import Character, Constant, GuestSpec, Steps, World
from dom0_arbiter.simulator.guests.kernel import Kernel
from tests.xenlab.catalogue import FREE_TOLERANCE_MIB, SLACK_MIB, SMALL, SPIKER_AT_START_MIB
from tests.xenlab.figures import Figures, Limits, compute_figures
from tests.xenlab.timeline import REPORT, TARGET, Milestone, Program, Sample, Size, Timeline, Write

MIB = 1024
SPIKER, DONORS = "g3", ("g1", "g2")
TOUCHED_KIB = 300 * MIB
CACHED_KIB = 120 * MIB
HOLD_S = 12.0
TOUCHES_AT_S = 60.0  # by then the played host is at rest
READ_BY_S = 10.0  # the file; nobody reads it again
GIVEN_UP_S = 120.0
JUDGED_S = 30.0
STEP_S = 0.01
SAMPLE_S = 0.05  # as the lab's recorder
MILESTONE_KIB = 16 * MIB
LIMITS = Limits(spiker_kib=SPIKER_AT_START_MIB * MIB, free_kib=(SLACK_MIB + FREE_TOLERANCE_MIB) * MIB)


@dataclass(frozen=True, slots=True, kw_only=True)
class Speeds:
    """What the lab measured. touch: (KiB, KiB/s), ascending: the pace up to so much touched; the last holds beyond it.

    donor_down_kib_s: of guests that give up their cache; down_kib_s: of one that has free pages to give. turn_s: the
    arbiter acts no oftener while the program touches; release_turn_s: once it has let go; 0: whenever it has reason.
    """

    touch: Sequence[tuple[int, float]]
    up_kib_s: int
    down_kib_s: int
    donor_down_kib_s: int
    turn_s: float
    release_turn_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """One at T0, Xen's view, KiB. used_kib: what it could not give up."""

    actual_kib: int
    used_kib: int


class Toucher:
    """A curve that a program draws as it goes: at most so fast, and no faster for having had to wait. Mutable.

    A program that the OOM killer has taken wants nothing more.
    """

    def __init__(self, base_kib: int, paces: Sequence[tuple[int, float]]) -> None:
        self.kernel: Kernel | None = None
        self.first_s = TOUCHES_AT_S
        self.last_s: float | None = None
        self.end_s: float | None = None
        self._base_kib = base_kib
        self._paces = paces
        self._at_s = 0.0

    def at(self, now_s: float) -> int:
        """What it would hold by the end of the next step."""
        step_s, self._at_s = now_s - self._at_s, now_s
        if now_s < self.first_s or self.kernel is None or self.end_s is not None:
            return self._base_kib
        if self.kernel.oom_kills_total:
            self.end_s = now_s
            return self._base_kib
        held_kib = self.kernel.held_kib
        if self.last_s is None and held_kib >= TOUCHED_KIB:
            self.last_s = now_s
        if self.last_s is not None and now_s >= self.last_s + HOLD_S:
            self.end_s = now_s
            return self._base_kib
        kib_s = next((kib_s for until_kib, kib_s in self._paces if held_kib < until_kib), self._paces[-1][1])
        return self._base_kib + min(TOUCHED_KIB, held_kib + max(4, int(kib_s * min(step_s, STEP_S))))

    def steady_until_s(self, now_s: float) -> float:
        """It changes all the time while it touches."""
        if self.end_s is not None:
            return float("inf")
        if self.last_s is not None:
            return self.last_s + HOLD_S
        return max(now_s, self.first_s)


@dataclass(slots=True)
class Watch:
    """What the lab's recorder would have seen of a world, and the program's milestones. Mutable."""

    world: World
    samples: list[Sample] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    milestones: list[Milestone] = field(default_factory=list)
    targets_kib: dict[int, int] = field(default_factory=dict)
    reports: dict[int, bytes | None] = field(default_factory=dict)

    def look(self, kernel: Kernel) -> None:
        """Take in this moment."""
        world, now_s = self.world, self.world.now_s
        for domid, entry in world.directory.entries.items():
            maxmem_kib = world.host.domains[domid].maxmem_kib
            if entry.target_kib != self.targets_kib.get(domid):
                self.targets_kib[domid] = entry.target_kib
                self._note(domid, TARGET, str(entry.target_kib), maxmem_kib)
            if entry.report is not None and entry.report != self.reports.get(domid):
                self.reports[domid] = entry.report
                self._note(domid, REPORT, entry.report.decode("latin-1"), None)
        if not self.samples or now_s >= self.samples[-1].at_s + SAMPLE_S - 1e-9:
            domains = {
                domid: Size(mem_kib=allotment.actual_kib, maxmem_kib=allotment.maxmem_kib, live=True)
                for domid, allotment in world.host.domains.items()
            }
            free_kib = world.host.free_kib
            self.samples.append(Sample(at_s=now_s, free_before_kib=free_kib, free_after_kib=free_kib, domains=domains))
        touched_kib = kernel.held_kib
        if now_s >= TOUCHES_AT_S and (
            not self.milestones or touched_kib >= self.milestones[-1].touched_kib + MILESTONE_KIB
        ):
            self.milestones.append(Milestone(at_s=now_s, touched_kib=touched_kib, available_kib=kernel.available_kib))

    def _note(self, domid: int, key: str, value: str, maxmem_kib: int | None) -> None:
        self.writes.append(Write(at_s=self.world.now_s, domid=domid, key=key, value=value, maxmem_kib=maxmem_kib))


def play_spike(guests: dict[str, Guest], speeds: Speeds) -> tuple[Figures, int]:
    """Play it; return its figures, and how often the OOM killer came."""
    settings = Settings(slack_kib=SLACK_MIB * MIB, free_pool_kib=0, default=DomainSettings(dynamic_min_kib=64 * MIB))
    world = World(total_kib=SMALL.managed_mib * MIB, settings=settings)
    world.arbiter_every_s = speeds.turn_s
    domids, touchers = {}, {}
    for name, guest in guests.items():
        static_max_kib = SMALL.static_max_mib * MIB
        down_kib_s = speeds.down_kib_s if name == SPIKER else speeds.donor_down_kib_s
        character = Character(up_kib_s=speeds.up_kib_s, down_kib_s=down_kib_s)
        base = base_spec(name, static_max_kib, guest, character)
        need_kib = base.memory_offset_kib + base.kernel_kib + isqrt(static_max_kib * 16) * 3 // 2
        need = touchers[name] = Toucher(need_kib, speeds.touch)
        if name != SPIKER:
            need.end_s = 0.0
        spec = GuestSpec(
            name=name,
            static_max_kib=static_max_kib,
            actual_kib=SMALL.guest_mib * MIB,
            need=need,
            cache=Steps(times_s=[0.0, READ_BY_S], amounts_kib=[CACHED_KIB if name in DONORS else 0, 0]),
            kernel_kib=base.kernel_kib,
            character=character,
        )
        domids[name] = world.start(spec)
    toucher, kernel = touchers[SPIKER], world.guests[domids[SPIKER]].kernel
    toucher.kernel = kernel
    world.start_arbiter()
    watch = Watch(world)
    until_s = TOUCHES_AT_S + GIVEN_UP_S
    targets_kib: dict[str, int] = {}
    while world.now_s < until_s:
        if world.now_s < TOUCHES_AT_S <= world.now_s + STEP_S:
            targets_kib = {name: world.directory.entries[domid].target_kib for name, domid in domids.items()}
        world.step(STEP_S)
        watch.look(kernel)
        if toucher.end_s is not None:
            world.arbiter_every_s = speeds.release_turn_s
            until_s = min(until_s, toucher.end_s + JUDGED_S)
    timeline = make_timeline(watch, domids, toucher, targets_kib)
    return compute_figures(timeline, LIMITS), world.oom_kills_total


def base_spec(name: str, static_max_kib: int, guest: Guest, character: Character) -> GuestSpec:
    """A guest whose kernel holds what the lab's held, so that it can give up no more, and no less."""
    spec = GuestSpec(
        name=name, static_max_kib=static_max_kib, actual_kib=guest.actual_kib, need=Constant(kib=0), character=character
    )
    reserve_kib = isqrt(static_max_kib * 16) * 3 // 2
    kernel_kib = max(1, guest.used_kib - spec.memory_offset_kib - reserve_kib)
    return GuestSpec(
        name=name,
        static_max_kib=static_max_kib,
        actual_kib=guest.actual_kib,
        need=Constant(kib=0),
        kernel_kib=kernel_kib,
        character=character,
    )


def make_timeline(watch: Watch, domids: dict[str, int], toucher: Toucher, targets_kib: dict[str, int]) -> Timeline:
    """As if the lab had recorded it."""
    world = watch.world
    end_s = world.now_s if toucher.end_s is None else toucher.end_s
    welcome = world.directory.entries[domids[SPIKER]].welcome or b""
    killed = toucher.last_s is None
    spiker = Program(
        role="spiker",
        guest=SPIKER,
        command="",
        start_s=TOUCHES_AT_S,
        first_s=TOUCHES_AT_S,
        last_s=toucher.last_s,
        end_s=end_s,
        touched_kib=TOUCHED_KIB,
        signal=9 if killed else 0,
        status=0,
        milestones=tuple(watch.milestones),
    )
    return Timeline(
        scenario="spike",
        variant="",
        number=1,
        invalid=None,
        started_s=0.0,
        t0_s=TOUCHES_AT_S,
        ended_s=world.now_s,
        domids=domids,
        managed={domid: name for name, domid in domids.items()},
        samples=tuple(watch.samples),
        writes=tuple(watch.writes),
        programs=(spiker,),
        marks=(),
        facts={"targets_kib": targets_kib, "welcomes": {SPIKER: welcome.decode("latin-1")}},
        claims=(),
    )
