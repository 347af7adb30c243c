"""What holds for every peer on every host."""

import pytest

from dom0_arbiter.simulator import Character, Steps
from dom0_arbiter.simulator.rivals import RIVALS
from tests.dom0_arbiter.simulator.rivals.worlds import MIB, guest_spec, world_of

SELF = {"selfballoon", "tmem"}  # dom0 does not name their sizes
NAMES = [
    "static", "qmemman", "squeezed", "proxmox", "mom", "hyper-v", "selfballoon", "committed-as", "tmem", "oracle",
]  # fmt: skip


def test_they_are_the_ones_that_were_promised_each_under_its_own_name() -> None:
    assert list(RIVALS) == NAMES
    assert all(rival.name == name for name, rival in RIVALS.items())


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_host_is_no_trouble(name: str) -> None:
    world, rival = world_of(total=1000, name=name)
    world.run(31)
    assert world.host.free_kib == 1000 * MIB
    assert rival.due_s > world.now_s


@pytest.mark.parametrize("name", NAMES)
def test_a_guest_alone_stays_within_its_limits_and_the_owner_of_its_slack(name: str) -> None:
    need = Steps(times_s=[0.0, 10.0, 30.0], amounts_kib=[250 * MIB, 700 * MIB, 250 * MIB])
    world, _ = world_of(guest_spec("one", has=400, need=need, cache=200, swap=1024), total=900, name=name)
    for _ in range(60):
        world.run(1.0)
        assert world.host.domains[1].actual_kib <= 900 * MIB
        if name not in SELF:
            assert world.host.domains[1].maxmem_kib <= 1025 * MIB
        if name in {"squeezed", "committed-as", "hyper-v", "oracle"}:
            assert world.host.domains[1].actual_kib >= 200 * MIB
            assert world.host.free_kib >= 63 * MIB  # maxmem is a MiB above the target


@pytest.mark.parametrize("name", NAMES)
def test_the_silent_the_paused_and_the_gone_are_survived(name: str) -> None:
    specs = [guest_spec(f"g{i}", has=300, need=400, swap=1024) for i in range(4)]
    world, _ = world_of(*specs, total=2000, name=name)
    world.run(3)
    world.guests[1].become(Character(silent_from_s=3.0), world.now_s)
    world.pause(2, is_paused=True)
    world.run(12)
    world.destroy(3)
    world.run(12)
    world.pause(2, is_paused=False)
    if world.host.free_kib >= 200 * MIB:
        world.start(guest_spec("new", has=200, need=250))
    world.run(12)
    held_kib = sum(domain.actual_kib for domain in world.host.domains.values())
    assert held_kib + world.host.free_kib + world.host.reserved_kib == 2000 * MIB


@pytest.mark.parametrize("name", ["qmemman", "squeezed", "hyper-v", "oracle"])
def test_those_whose_originals_do_so_make_room_for_a_start(name: str) -> None:
    specs = [guest_spec(f"g{i}", has=700, need=250) for i in range(2)]
    world, _ = world_of(*specs, total=1500, name=name)
    world.run(5)
    world.await_memory(400 * MIB, held_kib=0)
    world.run(15)
    assert world.host.free_kib >= 464 * MIB
