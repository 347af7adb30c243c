"""Whatever befalls a host, in whatever order: no invariant breaks, and once it is left alone it settles."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dom0_arbiter.engine import ResumeRequested
from dom0_arbiter.policy import SURPLUS, DomainSettings, Settings, Surplus
from dom0_arbiter.simulator import Character, Constant, GuestSpec, World

MIB = 1024
GUESTS_MAX = 6
CALM_S = 12.0


class Dial:
    """A wish that the machine turns."""

    def __init__(self, kib: int) -> None:
        self.kib = kib

    def at(self, now_s: float) -> int:
        return self.kib

    def steady_until_s(self, now_s: float) -> float:
        return now_s + 0.1


mebibytes = st.integers(96, 1500).map(lambda mib: mib * MIB)
ratios = st.floats(0.5, 1.5)
choices = st.integers(0, GUESTS_MAX - 1)
characters = st.one_of(
    st.just(Character()),
    st.just(Character(dead=True)),
    st.builds(Character, down_kib_s=st.sampled_from((4_000, 40_000)), up_kib_s=st.sampled_from((4_000, 40_000))),
    st.builds(Character, moving_s=st.floats(0.2, 2), stuck_s=st.floats(0.5, 15)),
    st.builds(Character, inaccuracy_kib=st.sampled_from((64, 1000, 4096))),
    st.builds(Character, grows_kib_s=st.sampled_from((1_000, 100_000))),
    st.builds(Character, lie_factor=st.sampled_from((0.3, 2.0, 10.0))),
    st.builds(Character, never_below_kib=mebibytes),
)


class AnyFate(RuleBasedStateMachine):
    """One host, a few guests, and everything that can go wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(total_kib=0, settings=Settings())
        self.dials: dict[int, Dial] = {}

    @initialize(
        spare=st.integers(0, 2048),
        guests=st.lists(st.tuples(mebibytes, st.booleans(), st.booleans()), min_size=1, max_size=4),
        surplus=st.sampled_from(list(SURPLUS.values())),
    )
    def begin(self, spare: int, guests: list[tuple[int, bool, bool]], surplus: Surplus) -> None:
        policy = Settings(
            surplus=surplus,
            by_glob=[("guest1", DomainSettings(weight=1024)), ("guest3", DomainSettings(dynamic_max_kib=600 * MIB))],
        )
        total_kib = sum(kib for kib, _, _ in guests) + policy.slack_kib + spare * MIB
        self.world = World(total_kib=total_kib, settings=policy, seed=spare)
        for kib, is_hvm, has_swap in guests:
            self.start(kib, is_hvm, has_swap)
        self.world.start_arbiter()

    def start(self, kib: int, is_hvm: bool, has_swap: bool, character: Character | None = None) -> None:
        dial = Dial(min(100 * MIB, kib))
        domid = self.world.start(
            GuestSpec(
                name=f"guest{len(self.world.guests)}",
                static_max_kib=2048 * MIB,
                actual_kib=kib,
                need=dial,
                cache=Constant(kib=200 * MIB),
                swap="disk" if has_swap else "none",
                swap_total_kib=1024 * MIB if has_swap else 0,
                is_hvm=is_hvm,
                target_offset_kib=64 if is_hvm else 0,
                unsettled_kib=min(300 * MIB, 2048 * MIB - kib) if is_hvm else 0,
                character=character or Character(),
            )
        )
        self.dials[domid] = dial

    def any(self, choice: int) -> int | None:
        domids = list(self.world.guests)
        return domids[choice % len(domids)] if domids else None

    @rule(seconds=st.sampled_from((0.02, 0.3, 2.0, 12.0)))
    def time_passes(self, seconds: float) -> None:
        self.world.run(seconds)

    @rule(choice=choices, kib=mebibytes)
    def need_changes(self, choice: int, kib: int) -> None:
        domid = self.any(choice)
        if domid is not None:
            self.dials[domid].kib = kib

    @rule(choice=choices, character=characters)
    def character_changes(self, choice: int, character: Character) -> None:
        domid = self.any(choice)
        if domid is not None:
            self.world.guests[domid].become(character, self.world.now_s)

    @rule(choice=choices)
    def agent_dies(self, choice: int) -> None:
        domid = self.any(choice)
        if domid is not None:
            self.world.guests[domid].agent = None

    @precondition(lambda self: len(self.world.guests) < GUESTS_MAX)
    @rule(kib=mebibytes, is_hvm=st.booleans(), has_agent=st.booleans())
    def xl_create(self, kib: int, is_hvm: bool, has_agent: bool) -> None:
        kib = min(kib, self.world.host.free_kib & ~3)
        if kib >= 96 * MIB:
            self.start(kib, is_hvm, False, None if has_agent else Character(silent_from_s=0.0))

    @rule(choice=choices)
    def domain_ends(self, choice: int) -> None:
        domid = self.any(choice)
        if domid is not None:
            self.world.destroy(domid)

    @rule(choice=choices, ratio=ratios)
    def operator_sets_target(self, choice: int, ratio: float) -> None:
        domid = self.any(choice)
        if domid is not None:
            self.world.mem_set(domid, int(self.world.host.domains[domid].actual_kib * ratio) & ~3)

    @rule(choice=choices, ratio=ratios)
    def operator_sets_maxmem(self, choice: int, ratio: float) -> None:
        domid = self.any(choice)
        if domid is not None:
            self.world.set_maxmem(domid, int(self.world.host.domains[domid].maxmem_kib * ratio) & ~3)

    @rule(choice=choices)
    def operator_hands_back(self, choice: int) -> None:
        domid = self.any(choice)
        if domid is not None and self.world.arbiter is not None:
            self.world.arbiter.put(ResumeRequested(domid=domid))

    @rule(choice=choices)
    def a_write_fails(self, choice: int) -> None:
        domid = self.any(choice)
        if domid is not None:
            self.world.failing.add(domid)

    @rule(choice=choices, seconds=st.sampled_from((0.1, 1.0, 12.0)))
    def domain_is_saved(self, choice: int, seconds: float) -> None:
        domid = self.any(choice)
        if domid is not None:
            self.world.save(domid)
            self.world.run(seconds)
            if domid in self.world.guests:
                self.world.resume(domid)

    @rule(choice=choices)
    def domain_is_paused_or_goes_on(self, choice: int) -> None:
        domid = self.any(choice)
        if domid is not None:
            self.world.pause(domid, is_paused=not self.world.host.domains[domid].is_paused)

    @rule(seconds=st.sampled_from((0.0, 0.05, 3.0)))
    def arbiter_is_killed_and_comes_back(self, seconds: float) -> None:
        self.world.kill_arbiter()
        self.world.run(seconds)
        self.world.start_arbiter()

    @invariant()
    def nothing_is_broken(self) -> None:
        assert self.world.inspector.violations == []

    @invariant()
    def xen_has_every_page_once(self) -> None:
        host = self.world.host
        assert host.free_kib >= 0
        assert sum(a.actual_kib for a in host.domains.values()) + host.free_kib == host.total_kib

    def teardown(self) -> None:
        self.world.run(CALM_S)
        assert self.world.inspector.violations == []


TestAnyFate = AnyFate.TestCase
TestAnyFate.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
