"""Static: nothing moves."""

from tests.dom0_arbiter.simulator.rivals.worlds import actual_mib, guest_spec, world_of


def test_nothing_ever_moves() -> None:
    world, rival = world_of(guest_spec("busy", has=300, need=600, swap=1024), total=2000, name="static")
    world.run(30)
    assert actual_mib(world, 1) == 300
    assert rival.due_s == float("inf")
