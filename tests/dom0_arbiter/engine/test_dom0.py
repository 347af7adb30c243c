"""Dom0 as a managed domain in a played host: its floor, its share of the surplus, its cache."""

from dom0_arbiter.policy import DOM0, DOM0_NAME, SURPLUS, DomainSettings, Settings, Surplus
from dom0_arbiter.simulator import Constant, GuestSpec, World
from dom0_arbiter.simulator.curve import Curve, linear

MIB = 1024
GIB = 1024 * MIB
SLACK_KIB = 64 * MIB


def world_of(*, surplus: Surplus, spare: int, burst: int = 0) -> World:
    """Dom0 of 2 GiB that needs 700 MiB, two guests of 512 MiB that need 100, and so many spare MiB."""
    settings = Settings(
        surplus=surplus, free_pool_kib=0, dom0=DomainSettings(dynamic_min_kib=GIB, dynamic_max_kib=4 * GIB)
    )
    world = World(total_kib=3 * GIB + 3 * MIB + SLACK_KIB + spare * MIB, settings=settings)
    idle = Constant(kib=100 * MIB)
    bursting = linear([0.0, 5.0, 25.0], [100 * MIB, 100 * MIB, (100 + burst) * MIB])
    needs: list[tuple[str, int, Curve]] = [
        (DOM0_NAME, 2048, Constant(kib=700 * MIB)),
        ("a", 512, bursting),
        ("b", 512, idle),
    ]
    for name, size, need in needs:
        world.start(GuestSpec(name=name, static_max_kib=4 * GIB, actual_kib=size * MIB, need=need))
    world.start_arbiter()
    return world


def sizes_mib(world: World) -> list[int]:
    return [world.host.domains[domid].actual_kib // MIB for domid in (DOM0, 1, 2)]


def test_dom0_gives_down_to_its_floor_and_no_further() -> None:
    world = world_of(surplus=SURPLUS["spread"], spare=0, burst=1550)
    world.run(60)
    dom0, needy, _ = sizes_mib(world)
    assert 1024 <= dom0 < 1150
    assert needy > 1650
    assert world.oom_kills_total == 0
    assert world.inspector.violations == []


def test_surplus_goes_to_whom_it_is_said_to_go() -> None:
    """A guest's comfort here is 610 MiB."""
    found: dict[str, list[int]] = {}
    for name, surplus in [*SURPLUS.items(), ("half", Surplus(spread=50, dom0=50))]:
        world = world_of(surplus=surplus, spare=1024)
        world.run(900)
        found[name] = [*sizes_mib(world), world.host.free_kib // MIB]
        assert world.inspector.violations == [], name
    assert found["dom0"][0] > 2700
    assert found["spread"][0] < 2100 and min(found["spread"][1:3]) > 900
    assert found["keep-free"][3] > 1000
    assert found["spread"][0] < found["half"][0] < found["dom0"][0]
