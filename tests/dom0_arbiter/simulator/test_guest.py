"""A played guest: what it asks for and says, and that time may leap over what does not change."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dom0_arbiter.simulator import Allotment, Character, Constant, Curve, Guest, GuestSpec, Host, Spikes, Steps
from dom0_arbiter.simulator.curve import linear, sine
from dom0_arbiter.simulator.directory import Directory, Entry
from protocol import URGENT, Report, Welcome, decode_report, encode_welcome

MIB = 1024
DT_S = 0.01
HEARTBEAT_S = 3.0
LATE_S = 0.25  # an agent at rest looks at least so often
SETTLES_S = HEARTBEAT_S + 2 * LATE_S
STATIC_MAX_KIB = 1024 * MIB


class Letterbox(Directory):
    """Keeps what was said, and when."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.said: list[tuple[float, Report]] = []

    def write_report(self, domid: int, value: bytes) -> None:
        super().write_report(domid, value)
        self.said.append((self.now_s, decode_report(value)))


Levels = tuple[int, ...]


@dataclass(slots=True, kw_only=True)
class Life:
    """One guest alone on a host, in steps of 10 ms; `closely`: played at each of them, else when it says so."""

    spec: GuestSpec
    closely: bool
    host: Host = field(init=False)
    guest: Guest = field(init=False)
    letterbox: Letterbox = field(default_factory=Letterbox)
    steps: int = 0
    played_total: int = 0

    def __post_init__(self) -> None:
        spec = self.spec
        self.host = Host(total_kib=4 * STATIC_MAX_KIB)
        self.host.build(1, Allotment(actual_kib=spec.actual_kib, maxmem_kib=spec.static_max_kib))
        welcome = encode_welcome(Welcome(version=1, reason="", heartbeat_ms=int(HEARTBEAT_S * 1000)))
        entry = Entry(uuid="u", name=spec.name, static_max_kib=STATIC_MAX_KIB, target_kib=spec.actual_kib)
        entry.welcome = welcome
        self.letterbox.introduce(1, entry)
        self.guest = Guest(1, spec, target_kib=spec.actual_kib, now_s=0.0)

    @property
    def now_s(self) -> float:
        return self.steps * DT_S

    def step(self) -> None:
        self.steps += 1
        self.letterbox.now_s = self.now_s
        if self.closely or self.guest.wake_s <= self.now_s:
            self.guest.advance(self.host, self.letterbox, self.now_s)
            self.played_total += 1

    def run(self, for_s: float) -> None:
        for _ in range(round(for_s / DT_S)):
            self.step()

    def levels(self) -> Levels:
        kernel = self.guest.kernel
        return (
            self.host.domains[1].actual_kib,
            kernel.total_kib,
            kernel.free_kib,
            kernel.anon_kib,
            kernel.cache_kib,
            kernel.swapped_kib,
            self.guest.demand_kib,
            self.guest.working_set_kib,
        )

    def costs(self) -> Levels:
        kernel, score = self.guest.kernel, self.guest.score
        return (
            kernel.psi_some_us_total,
            kernel.refaults_total,
            kernel.oom_kills_total,
            score.moved_kib,
            score.reversals,
            round(score.unmet_kib_s),
        )

    def last_said(self) -> Report:
        """But for when and how often."""
        report = self.letterbox.said[-1][1]
        values = {each.name: report[each.index] for each in Report.FIELDS}
        return Report(**values | {"sequence": 0, "uptime_ms": 0})


def spec(*, size: int = 600, need: Curve, cache: Curve | int = 0, **more: Any) -> GuestSpec:
    """A guest of so many MiB."""
    cache = Constant(kib=cache * MIB) if isinstance(cache, int) else cache
    return GuestSpec(
        name="a",
        static_max_kib=STATIC_MAX_KIB,
        actual_kib=size * MIB,
        need=need,
        cache=cache,
        **more,
    )


def steps(*points: tuple[float, int]) -> Steps:
    return Steps(times_s=[at_s for at_s, _ in points], amounts_kib=[mib * MIB for _, mib in points])


needs_mib = st.integers(60, 400)


@st.composite
def curves(draw: st.DrawFn) -> Curve:
    """What fits into every size that the guest is given."""
    low, high = sorted((draw(needs_mib), draw(needs_mib)))
    match draw(st.sampled_from(("steps", "spikes", "sine", "linear"))):
        case "spikes":
            every_s = draw(st.floats(1.0, 12.0))
            return Spikes(
                base_kib=low * MIB, peak_kib=high * MIB, every_s=every_s, for_s=every_s * draw(st.floats(0.1, 0.9))
            )
        case "sine":
            return sine(low * MIB, high * MIB, draw(st.floats(5.0, 60.0)))
        case "linear":
            return linear([0.0, draw(st.floats(1.0, 15.0))], [low * MIB, high * MIB])
        case _:
            points = draw(st.lists(st.tuples(st.floats(0.1, 15.0), needs_mib), max_size=5))
            return steps((0.0, low), *sorted(points))


caches = st.builds(lambda low, high, at_s: steps((0.0, low), (at_s, high)), *[st.integers(0, 50)] * 2, st.floats(1, 15))
targets = st.lists(st.tuples(st.floats(0.5, 15.0), st.integers(500, 800)), max_size=3)


@settings(deadline=None, max_examples=25)
@given(curves(), caches, targets)
def test_a_guest_that_is_played_when_it_says_so_is_what_it_would_be_if_watched_closely(
    need: Curve, cache: Curve, heard: list[tuple[float, int]]
) -> None:
    watched, left = (Life(spec=spec(need=need, cache=cache), closely=closely) for closely in (True, False))
    heard = sorted(heard)
    changed_s = 0.0
    while watched.now_s < 20.0:
        now_s = watched.now_s
        while heard and heard[0][0] <= now_s:
            _, target = heard.pop(0)
            watched.guest.hear(target * MIB, now_s)
            left.guest.hear(target * MIB, now_s)
        before = watched.levels()
        watched.step()
        left.step()
        if watched.levels() != before:
            changed_s = watched.now_s
        assert left.levels() == watched.levels()
        assert left.costs() == watched.costs()
        if watched.now_s - changed_s > SETTLES_S and watched.letterbox.said:
            assert left.last_said() == watched.last_said()
    assert left.played_total <= watched.played_total


def test_a_settled_guest_is_played_for_its_heartbeats_alone() -> None:
    life = Life(spec=spec(need=Constant(kib=200 * MIB)), closely=False)
    life.run(10)
    played_total, said_total = life.played_total, len(life.letterbox.said)
    life.run(60)
    assert len(life.letterbox.said) - said_total == 60 / HEARTBEAT_S
    assert life.played_total - played_total <= 2 * 60 / HEARTBEAT_S


@pytest.mark.parametrize("swap", [{}, {"swap": "disk", "swap_total_kib": 512 * MIB}])
def test_a_guest_says_as_much_as_one_that_is_watched_and_within_a_look_of_the_same_time(swap: dict[str, Any]) -> None:
    need = steps((0, 200), (8, 320), (16, 150))
    watched, left = (Life(spec=spec(need=need, cache=30, **swap), closely=closely) for closely in (True, False))
    watched.run(30)
    left.run(30)
    assert len(watched.letterbox.said) == len(left.letterbox.said)
    for (watched_s, said), (left_s, left_said) in zip(watched.letterbox.said, left.letterbox.said, strict=True):
        assert abs(left_s - watched_s) <= LATE_S + DT_S
        assert left_said.total_kib == said.total_kib
        assert left_said.sequence == said.sequence


def test_cache_that_finds_no_room_is_missed_just_as_much_while_nobody_looks() -> None:
    need = Constant(kib=200 * MIB)
    watched, left = (Life(spec=spec(need=need, cache=800), closely=closely) for closely in (True, False))
    for life in (watched, left):
        life.run(30)
        life.guest.stir(life.now_s)
        life.step()
    assert left.levels() == watched.levels()
    assert left.played_total < watched.played_total / 4
    for name in ("cache_miss_kib", "read_kib"):
        assert getattr(left.guest.kernel, name) == pytest.approx(getattr(watched.guest.kernel, name))
    assert watched.guest.kernel.cache_miss_kib > 0


def test_what_a_guest_needs_is_what_its_curve_says_in_xens_view() -> None:
    life = Life(spec=spec(need=Constant(kib=300 * MIB)), closely=False)
    life.run(5)
    assert life.guest.demand_kib == life.guest.working_set_kib == 300 * MIB


def test_demand_rises_as_fast_as_programs_could_touch_memory_whatever_they_get() -> None:
    need = steps((0, 200), (5, 900))
    demands = []
    for size in (300, 950):
        life = Life(
            spec=spec(size=size, need=need, swap="disk", swap_total_kib=STATIC_MAX_KIB),
            closely=True,
        )
        life.run(6)
        demands.append(life.guest.demand_kib)
    assert demands[0] == demands[1]
    assert 500 * MIB < demands[0] < 900 * MIB


def test_a_guest_that_runs_short_says_so_at_once() -> None:
    life = Life(spec=spec(size=300, need=steps((0, 200), (5, 295))), closely=False)
    life.run(8)
    urgent_s = [at_s for at_s, report in life.letterbox.said if report.flags & URGENT]
    assert 5.0 < urgent_s[0] < 5.5


def test_a_liar_reports_what_it_wants_and_nothing_that_cannot_be() -> None:
    for factor in (0.3, 2.0, 64.0):
        life = Life(spec=spec(need=Constant(kib=200 * MIB), character=Character(lie_factor=factor)), closely=False)
        life.run(5)
        said, kernel = life.letterbox.said[-1][1], life.guest.kernel
        claimed_kib = said.total_kib - said.available_kib + said.swap_used_kib
        assert claimed_kib == pytest.approx((kernel.total_kib - kernel.available_kib) * factor, rel=0.001)


def test_a_guest_that_falls_silent_lives_on() -> None:
    life = Life(spec=spec(need=steps((0, 200), (10, 300)), character=Character(silent_from_s=4.0)), closely=False)
    life.run(20)
    assert life.letterbox.said[-1][0] < 4.0
    assert life.guest.agent is None
    assert life.guest.demand_kib == 300 * MIB


def test_a_guest_crashes_when_it_is_due() -> None:
    life = Life(spec=spec(need=Constant(kib=200 * MIB), character=Character(crash_at_s=7.0)), closely=False)
    life.run(6.9)
    assert not life.guest.is_dead
    life.run(0.2)
    assert life.guest.is_dead


def test_a_guest_may_change_its_character() -> None:
    life = Life(spec=spec(need=Constant(kib=200 * MIB), character=Character(dead=True)), closely=False)
    life.guest.hear(400 * MIB, life.now_s)
    life.run(5)
    assert life.host.domains[1].actual_kib == 600 * MIB
    life.guest.become(replace(life.spec.character, dead=False), life.now_s)
    life.run(5)
    assert life.host.domains[1].actual_kib == 400 * MIB
