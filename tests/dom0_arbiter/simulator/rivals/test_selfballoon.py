"""Selfballooning: each guest on its own, up at once, down slowly, to a floor."""

from hypothesis import given
from hypothesis import strategies as st

from dom0_arbiter.simulator.rivals.selfballoon import floor_kib, next_total_kib
from tests.dom0_arbiter.simulator.rivals.worlds import MIB, actual_mib, guest_spec, world_of


def test_the_floor_is_the_table_of_its_source() -> None:
    assert floor_kib(12 * MIB, 0) == 12 * MIB  # below 16 MiB: not at all
    assert floor_kib(40 * MIB, 0) == 28 * MIB  # 16 + 24/2
    assert floor_kib(200 * MIB, 0) == 60 * MIB  # 40 + 160/8
    # Useful: 1018; 6 + 99 + (1018 - 99) / 32 = 133.71875 MiB
    assert floor_kib(1024 * MIB, 6 * MIB) == 136_928


def test_up_at_once_down_by_an_eighth_of_the_gap() -> None:
    assert next_total_kib(400, 800, 100) == 800
    assert next_total_kib(800, 400, 100) == 750
    assert next_total_kib(800, 400, 770) == 770


@given(st.integers(0, 2**32), st.integers(0, 2**32), st.integers(0, 2**32))
def test_a_step_never_overshoots_its_goal_nor_goes_below_the_floor(total: int, goal: int, least: int) -> None:
    after = next_total_kib(total, goal, least)
    assert after >= least
    assert after == least or min(total, goal) <= after <= max(total, goal)


def test_an_idle_guest_melts_and_a_busy_one_takes_what_xen_has() -> None:
    specs = [guest_spec("idle", has=800, need=150, swap=1024), guest_spec("busy", has=300, need=600, swap=1024)]
    world, _ = world_of(*specs, total=1400, name="selfballoon")
    world.run(4)
    assert 700 < actual_mib(world, 1) < 750  # an eighth of the way
    world.run(2)
    assert actual_mib(world, 2) > 500  # five seconds after its programs began
    world.run(120)
    assert actual_mib(world, 1) < 250


def test_what_programs_need_is_covered_in_the_end() -> None:
    world, _ = world_of(guest_spec("busy", has=300, need=600, swap=1024), total=1400, name="selfballoon")
    world.run(15)
    assert world.host.domains[1].actual_kib >= world.guests[1].demand_kib


def test_a_new_guest_is_let_grow_to_its_maximum() -> None:
    world, _ = world_of(guest_spec("one", has=300, need=150), total=1400, name="selfballoon")
    world.run(1)
    assert world.host.domains[1].maxmem_kib == 1025 * MIB
