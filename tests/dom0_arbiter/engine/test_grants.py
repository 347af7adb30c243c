"""Grants: memory that one guest may take by itself, and nobody else meanwhile."""

from dom0_arbiter.policy import SURPLUS, DomainSettings, Settings
from dom0_arbiter.policy.settings import SurplusName
from dom0_arbiter.simulator import Character, Constant, GuestSpec, World
from dom0_arbiter.simulator.invariants import unbacked_kib

MIB = 1024
TAKES = Character(takes_grants=True)


def world_of(*needs_mib: int, grant: int = 256, spare: int = 500, surplus: SurplusName = "keep-free") -> World:
    settings = Settings(surplus=SURPLUS[surplus], free_pool_kib=0, default=DomainSettings(grant_kib=grant * MIB))
    sizes_kib = 600 * MIB * len(needs_mib)
    world = World(total_kib=sizes_kib + (64 + spare) * MIB, settings=settings)
    for number, need in enumerate(needs_mib):
        world.start(
            GuestSpec(
                name=f"g{number}",
                static_max_kib=1600 * MIB,
                actual_kib=600 * MIB,
                need=Constant(kib=need * MIB),
                character=TAKES,
            )
        )
    world.start_arbiter()
    world.run(10.0)
    return world


def grants_mib(world: World) -> list[int]:
    assert world.arbiter is not None
    return [domain.grant_kib // MIB for domain in world.arbiter.state.domains.values()]


def test_a_grant_is_what_maxmem_allows_above_the_target() -> None:
    world = world_of(300, 300)
    assert grants_mib(world) == [256, 256] or sum(grants_mib(world)) > 400
    for domid, domain in enumerate(world.arbiter.state.domains.values() if world.arbiter else (), 1):
        assert domain.balloon is not None
        assert world.host.domains[domid].maxmem_kib == domain.balloon.target_kib + MIB + domain.grant_kib
    assert world.inspector.violations == []


def test_what_may_be_granted_is_not_spread_to_caches() -> None:
    """In the lab it was: guests with a grant to come had it all as surplus, and nothing was left to grant."""
    world = world_of(300, 300, grant=200, surplus="spread")
    assert grants_mib(world) == [200, 200]
    assert world.host.free_kib <= (64 + 2 * 200 + 16) * MIB, "the rest is"
    assert world.inspector.violations == []


def test_a_grant_that_is_not_renewed_just_now_is_not_granted_to_another() -> None:
    """A guest whose size had moved a little kept its grant, and the same memory was granted to its neighbour."""
    world = world_of(300, 300, grant=1000)
    for _ in range(40):
        world.host.populate(1, 4)  # of its margin: it is not at rest, so that its grant is not renewed
        world.guests[1].kernel.total_kib += 4
        world.run(0.3)
        assert unbacked_kib(world.scene()) <= 0
    assert world.inspector.violations == []


def test_who_sizes_a_guest_by_hand_grants_it_nothing() -> None:
    world = world_of(300, 300)
    assert grants_mib(world)[0] > 0
    world.mem_set(1, 400 * MIB)
    world.run(2.0)
    assert grants_mib(world)[0] == 0
    assert world.host.domains[1].maxmem_kib == 400 * MIB + MIB


def test_the_maxmem_of_a_pinned_domain_is_left_to_who_set_it() -> None:
    world = world_of(300, 300)
    world.set_maxmem(1, 1200 * MIB)
    world.run(2.0)
    assert world.arbiter is not None and world.arbiter.state.domains[1].state(world.now_s) == "manual"
    world.start(GuestSpec(name="late", static_max_kib=900 * MIB, actual_kib=300 * MIB, need=Constant(kib=800 * MIB)))
    world.run(5.0)
    assert world.host.domains[1].maxmem_kib == 1200 * MIB
    assert grants_mib(world)[0] == 0


def test_nobody_is_granted_what_xen_does_not_let_us_allow() -> None:
    assert sum(grants_mib(world_of(300, 300, grant=0))) == 0
