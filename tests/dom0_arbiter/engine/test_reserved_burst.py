"""A burst that was reserved is met without dom0; what is reserved is nobody else's, and nobody's working set."""

import pytest

from dom0_arbiter.engine import ReservationRequested
from dom0_arbiter.policy import DomainSettings, Settings
from dom0_arbiter.simulator import GuestSpec, Steps, World

MIB = 1024
BURST_AT_S = 40.0
STALL_S = 60.0


def spec(name: str, *, size: int, need: list[tuple[float, int]], **more: object) -> GuestSpec:
    """A guest, without swap if not said otherwise, MiB."""
    curve = Steps(times_s=[at_s for at_s, _ in need], amounts_kib=[mib * MIB for _, mib in need])
    return GuestSpec(name=name, static_max_kib=1024 * MIB, actual_kib=size * MIB, need=curve, **more)  # type: ignore[arg-type]


def world_of(*specs: GuestSpec, total: int, reserved: int) -> World:
    """A host with so many MiB for its guests; `a` has so much reserved, the others win what surplus there is."""
    favoured = DomainSettings(weight=10_000)
    bursting = DomainSettings(weight=10, reserved_burst_kib=reserved * MIB)
    settings = Settings(free_pool_kib=0, by_glob=[("a", bursting), ("*", favoured)])
    world = World(total_kib=(total + 64 + len(specs)) * MIB, settings=settings)
    for each in specs:
        world.start(each)
    world.start_arbiter()
    return world


def size_mib(world: World, domid: int) -> int:
    return world.host.domains[domid].actual_kib // MIB


@pytest.mark.parametrize(("reserved", "kills"), [(260, False), (0, True)])
def test_a_reserved_burst_is_met_while_dom0_stalls(reserved: int, kills: bool) -> None:
    bursting = spec("a", size=450, need=[(0, 150), (BURST_AT_S, 400)])
    world = world_of(bursting, spec("b", size=450, need=[(0, 150), (5, 480)]), total=900, reserved=reserved)
    world.run(BURST_AT_S - 1)
    world.arbiter_every_s = STALL_S
    world.run(0.5)
    writes = world.directory.target_writes_total
    world.run(20)
    assert world.directory.target_writes_total == writes, "dom0 did nothing"
    assert (world.oom_kills_total > 0) == kills
    assert (size_mib(world, 1) >= 400) != kills
    assert world.inspector.violations == []


def test_what_a_burst_used_of_it_is_held_again_afterwards() -> None:
    world = world_of(
        spec("a", size=450, need=[(0, 150), (10, 300)]), spec("b", size=750, need=[(0, 200)]), total=1200, reserved=260
    )
    world.run(30)
    assert size_mib(world, 1) >= 300 + 260 - 16


def test_nothing_is_held_for_a_burst_while_others_are_short_of_working_sets() -> None:
    world = world_of(
        spec("a", size=450, need=[(0, 150)]),
        spec("b", size=450, need=[(0, 150), (5, 720)], swap="disk", swap_total_kib=1024 * MIB),
        total=900,
        reserved=500,
    )
    world.run(4)
    assert size_mib(world, 1) >= 600, "what is held while there is enough"
    world.run(40)
    assert size_mib(world, 2) >= 700
    assert world.oom_kills_total == 0
    assert world.inspector.violations == []


@pytest.mark.parametrize(("reserved", "outcome"), [(0, "granted"), (300, "refused-lack")])
def test_a_start_does_not_take_what_is_reserved_for_a_burst(reserved: int, outcome: str) -> None:
    world = world_of(
        spec("a", size=450, need=[(0, 150)]), spec("b", size=350, need=[(0, 250)]), total=800, reserved=reserved
    )
    world.run(5)
    assert world.arbiter is not None
    world.arbiter.put(ReservationRequested(name="new", size_kib=250 * MIB, min_kib=250 * MIB))
    world.run(40)
    assert world.arbiter.state.reservations["new"].outcome == outcome
