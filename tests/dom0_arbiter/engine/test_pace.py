"""How fast a balloon moves is learned from what Xen shows, not from how often we look; and a slow one is given time."""

import pytest

from dom0_arbiter.engine.pace import LATELY, UNKNOWN, Pace, observe_pace
from dom0_arbiter.policy import Settings
from dom0_arbiter.simulator import Character, GuestSpec, Steps, World

MIB = 1024
SLOW_KIB_S = 40_000


def test_nothing_is_known_before_a_balloon_was_seen_on_its_way() -> None:
    assert UNKNOWN.kib_s is None
    assert observe_pace(UNKNOWN, 8 * MIB, 1.0, is_whole=False).kib_s is None


def test_what_arrived_while_nobody_looked_was_at_least_so_fast() -> None:
    pace = observe_pace(UNKNOWN, 100, 1.0, is_whole=True)
    assert observe_pace(pace, 1, 1.0, is_whole=False) is pace
    assert observe_pace(pace, 900, 1.0, is_whole=False).lately_kib_s == (100.0, 900.0)


def test_two_odd_moves_change_nothing_and_an_old_pace_is_forgotten() -> None:
    pace = Pace(lately_kib_s=(100.0,) * LATELY)
    for moved_kib in (1, 10_000):
        pace = observe_pace(pace, moved_kib, 1.0, is_whole=True)
    assert pace.kib_s == 100.0
    for _ in range(LATELY):
        pace = observe_pace(pace, 50, 1.0, is_whole=True)
    assert pace == Pace(lately_kib_s=(50.0,) * LATELY)


def spec(name: str, *, size: int, need: list[tuple[float, int]], character: Character) -> GuestSpec:
    """A guest that can swap, MiB."""
    curve = Steps(times_s=[at_s for at_s, _ in need], amounts_kib=[mib * MIB for _, mib in need])
    return GuestSpec(
        name=name,
        static_max_kib=2048 * MIB,
        actual_kib=size * MIB,
        need=curve,
        swap="disk",
        swap_total_kib=2048 * MIB,
        character=character,
    )


def world_of(up_kib_s: int, down_kib_s: int) -> World:
    """A guest that needs much more after 5 s, and one that has it."""
    world = World(total_kib=(1500 + 64 + 2) * MIB, settings=Settings(free_pool_kib=0))
    world.start(spec("a", size=300, need=[(0, 150), (5, 900)], character=Character(up_kib_s=up_kib_s)))
    world.start(spec("b", size=1200, need=[(0, 150)], character=Character(down_kib_s=down_kib_s)))
    world.start_arbiter()
    return world


@pytest.mark.parametrize("step_s", [0.02, 0.05, 0.2])
def test_both_ways_are_learned_however_often_we_look(step_s: float) -> None:
    world = world_of(SLOW_KIB_S, 2 * SLOW_KIB_S)
    world.run(30, moving_dt_s=step_s)
    assert world.arbiter is not None
    growing, giving = (world.arbiter.state.domains[domid].balloon for domid in (1, 2))
    assert growing is not None
    assert giving is not None
    assert growing.up.kib_s == pytest.approx(SLOW_KIB_S, rel=0.1)
    assert giving.down.kib_s == pytest.approx(2 * SLOW_KIB_S, rel=0.1)
    assert growing.down.kib_s is giving.up.kib_s is None
