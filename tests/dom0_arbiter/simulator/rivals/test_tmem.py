"""Transcendent memory: what guests drop lies in memory that nobody else needs."""

from math import isclose

from hypothesis import given
from hypothesis import strategies as st

from dom0_arbiter.simulator import World
from dom0_arbiter.simulator.rivals.tmem import GuestPool, hit_ratio
from tests.dom0_arbiter.simulator.rivals.worlds import MIB, guest_spec, world_of


def pools(total: int = 1000) -> tuple[World, list[GuestPool]]:
    """Two guests of 300 MiB that would like 500 MiB of cache, on a host with 64 MiB of slack."""
    specs = [guest_spec(name, has=300, need=150, cache=500) for name in ("a", "b")]
    world, rival = world_of(*specs, total=total, name="tmem")
    rival.act()
    found = [guest.kernel.pool for guest in world.guests.values()]
    return world, [pool for pool in found if isinstance(pool, GuestPool)]


def test_the_pool_hits_as_a_larger_cache_would() -> None:
    # sqrt(100/400) = 0.5 hit the cache; with 125 more sqrt(225/400) = 0.75: half of the misses are found.
    assert isclose(hit_ratio(100, 125, 400), 0.5)
    assert hit_ratio(100, 300, 400) == 1.0
    assert hit_ratio(100, 0, 400) == hit_ratio(400, 50, 400) == hit_ratio(0, 0, 0) == 0.0


@given(st.integers(0, 2**30), st.integers(0, 2**30), st.integers(0, 2**30))
def test_a_hit_ratio_is_a_ratio(cache: int, pool: int, want: int) -> None:
    assert 0.0 <= hit_ratio(cache, pool, want) <= 1.0


def test_swapped_pages_take_free_memory_above_slack_and_give_it_back() -> None:
    world, (pool, _) = pools()
    assert pool.put_swap(500 * MIB) == 336 * MIB  # 1000 - 600 - 64
    assert world.host.free_kib == 64 * MIB
    assert pool.get_swap(100 * MIB) == 100 * MIB
    pool.drop_swap(236 * MIB)
    assert world.host.free_kib == 400 * MIB and pool.get_swap(1) == 0


def test_persistent_pages_count_against_the_domains_allocation() -> None:
    _, (pool, _) = pools(total=3000)
    assert pool.put_swap(2000 * MIB) == 725 * MIB  # 1024 + 1 - 300


def test_clean_pages_lie_in_free_memory_and_vanish_as_it_is_needed() -> None:
    world, (first, second) = pools()
    first.put_clean(200 * MIB)
    second.put_clean(100 * MIB)
    assert world.host.free_kib == 400 * MIB  # they count as free
    assert second.put_swap(136 * MIB) == 136 * MIB  # 200 of 336 are left, for 300 of clean pages
    assert first.ephemeral_kib == 200 * MIB * 2 // 3 and second.ephemeral_kib == 100 * MIB * 2 // 3
    assert world.host.reserve(200 * MIB) == 200 * MIB  # a balloon takes all
    assert first.get_clean(50 * MIB) == 0


def test_no_more_clean_pages_are_kept_than_the_guest_reads() -> None:
    _, (pool, _) = pools(total=3000)
    pool.put_clean(800 * MIB)
    assert pool.ephemeral_kib == 500 * MIB


def test_what_a_guest_had_is_freed_when_it_is_gone() -> None:
    world, (pool, _) = pools()
    pool.put_swap(100 * MIB)
    world.destroy(1)
    assert world.rival is not None
    world.rival.act()
    assert world.host.reserved_kib == 0 and world.host.free_kib == 700 * MIB


def test_memory_is_neither_lost_nor_made() -> None:
    specs = [guest_spec(name, has=300, need=600, cache=300, swap=1024) for name in ("a", "b", "c")]
    world, _ = world_of(*specs, total=1300, name="tmem")
    for _ in range(200):
        world.run(0.2)
        held_kib = sum(domain.actual_kib for domain in world.host.domains.values())
        assert held_kib + world.host.free_kib + world.host.reserved_kib == 1300 * MIB
        in_pools_kib = sum(guest.kernel.pooled_kib for guest in world.guests.values())
        assert in_pools_kib == world.host.reserved_kib
