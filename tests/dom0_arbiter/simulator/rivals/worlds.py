"""Worlds for the rivals' tests. MiB in, KiB inside."""

from dom0_arbiter.policy import DomainSettings, Settings
from dom0_arbiter.simulator import Constant, Curve, GuestSpec, World
from dom0_arbiter.simulator.rivals import RIVALS
from dom0_arbiter.simulator.rivals.rival import Rival

MIB = 1024


def guest_spec(
    name: str, *, has: int, need: int | Curve, most: int = 1024, cache: int = 0, swap: int = 0, offset: int = 0
) -> GuestSpec:
    """A guest, amounts in MiB; with `swap`, on a disk."""
    return GuestSpec(
        name=name,
        static_max_kib=most * MIB,
        actual_kib=has * MIB,
        need=Constant(kib=need * MIB) if isinstance(need, int) else need,
        cache=Constant(kib=cache * MIB),
        swap="disk" if swap else "none",
        swap_total_kib=swap * MIB,
        is_hvm=offset > 0,
        target_offset_kib=offset,
    )


def world_of(*specs: GuestSpec, total: int, name: str, slack: int = 64, least: int = 200) -> tuple[World, Rival]:
    """A host of `total` MiB with these guests, and the rival of that name at work."""
    settings = Settings(slack_kib=slack * MIB, default=DomainSettings(dynamic_min_kib=least * MIB))
    world = World(total_kib=total * MIB, settings=settings)
    for spec in specs:
        world.start(spec)
    world.rival = RIVALS[name](world)
    return world, world.rival


def actual_mib(world: World, domid: int) -> float:
    """What Xen has given it."""
    return world.host.domains[domid].actual_kib / MIB
