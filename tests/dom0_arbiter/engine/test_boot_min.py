"""A domain that starts is given what its owner says it needs for that; a minute later it is one like all others."""

import pytest

from dom0_arbiter.engine import ReservationRequested
from dom0_arbiter.engine.domain import STARTS_S
from dom0_arbiter.policy import DomainSettings, Settings
from dom0_arbiter.simulator import Constant, Curve, GuestSpec, Steps, World

MIB = 1024
LATE_S = 20.0


def spec(name: str, *, size: int, need: int | Curve, **more: object) -> GuestSpec:
    """A guest without swap, MiB."""
    curve = Constant(kib=need * MIB) if isinstance(need, int) else need
    return GuestSpec(name=name, static_max_kib=1024 * MIB, actual_kib=size * MIB, need=curve, **more)  # type: ignore[arg-type]


def world_of(*, boot_min: int, free: int = 200) -> World:
    """A host whose only guest wins what surplus there is, with so many free MiB for `new` to start in."""
    starting = DomainSettings(weight=10, boot_min_kib=boot_min * MIB)
    settings = Settings(free_pool_kib=free * MIB, by_glob=[("new", starting), ("*", DomainSettings(weight=10_000))])
    world = World(total_kib=(600 + 64 + 2 + free) * MIB, settings=settings)
    world.start(spec("old", size=600, need=150))
    world.start_arbiter()
    world.run(LATE_S)
    return world


def size_mib(world: World, domid: int) -> int:
    return world.host.domains[domid].actual_kib // MIB


@pytest.mark.parametrize(("boot_min", "kills"), [(450, False), (0, True)])
def test_what_a_start_needs_is_there_before_it_asks(boot_min: int, kills: bool) -> None:
    world = world_of(boot_min=boot_min)
    boots = Steps(times_s=[0.0, LATE_S + 10], amounts_kib=[150 * MIB, 430 * MIB])
    domid = world.start(spec("new", size=200, need=boots))
    world.run(9)
    world.arbiter_every_s = 30.0  # dom0 is busy, as it is while guests start
    world.run(10)
    assert (size_mib(world, domid) >= 430) != kills
    assert (world.oom_kills_total > 0) == kills
    assert world.inspector.violations == []


def test_it_ends_a_minute_after_the_first_report() -> None:
    world = world_of(boot_min=500)
    domid = world.start(spec("new", size=200, need=150))
    world.run(STARTS_S - 2)
    assert world.arbiter is not None
    starting = world.arbiter.state.domains[domid]
    assert starting.demand is not None
    assert starting.demand.floor_kib == 500 * MIB
    assert size_mib(world, domid) >= 500
    world.run(4)
    started = world.arbiter.state.domains[domid]
    assert started.demand is not None
    assert started.demand.floor_kib < 200 * MIB
    assert world.inspector.violations == []


def test_a_restarted_arbiter_does_not_take_a_running_domain_for_one_that_starts() -> None:
    world = world_of(boot_min=500)
    domid = world.start(spec("new", size=200, need=150))
    world.run(STARTS_S + 5)
    world.start_arbiter()
    world.run(5)
    assert world.arbiter is not None
    demand = world.arbiter.state.domains[domid].demand
    assert demand is not None
    assert demand.floor_kib < 200 * MIB


def test_it_is_not_asked_for_while_a_guest_still_populates_on_demand() -> None:
    world = world_of(boot_min=450)
    domid = world.start(spec("new", size=200, need=150, is_hvm=True, unsettled_kib=200 * MIB, target_offset_kib=64))
    before = world.directory.entries[domid].target_kib
    world.run(0.4)
    assert world.directory.entries[domid].target_kib == before
    world.run(20)
    assert size_mib(world, domid) >= 450, "but once it has settled"
    assert world.inspector.violations == []


@pytest.mark.parametrize(("boot_min", "kib"), [(0, 100 * MIB), (300, 300 * MIB)])
def test_memory_set_aside_for_a_start_counts_it(boot_min: int, kib: int) -> None:
    world = world_of(boot_min=boot_min, free=350)
    assert world.arbiter is not None
    world.arbiter.put(ReservationRequested(name="new", size_kib=100 * MIB, min_kib=100 * MIB))
    world.run(5)
    reservation = world.arbiter.state.reservations["new"]
    assert (reservation.outcome, reservation.kib) == ("granted", kib)
