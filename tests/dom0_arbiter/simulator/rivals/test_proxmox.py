"""Proxmox: towards 80 % of the host, by shares, 100 MiB at a time."""

from hypothesis import given
from hypothesis import strategies as st

from dom0_arbiter.simulator.rivals.proxmox import STEP_MAX_KIB, Guest, goal_kib, new_sizes
from tests.dom0_arbiter.simulator.rivals.worlds import MIB, actual_mib, guest_spec, world_of


def guest(*, size: int = 1000, least: int = 500, most: int = 4000, shares: int = 1, free: int = 0) -> Guest:
    return Guest(size_kib=size * MIB, min_kib=least * MIB, max_kib=most * MIB, shares=shares, free_kib=free * MIB)


many = st.dictionaries(
    st.integers(1, 50),
    st.builds(
        lambda size, low, more, shares, free: Guest(
            size_kib=size, min_kib=low, max_kib=low + more, shares=shares, free_kib=free
        ),
        st.integers(0, 2**24),
        st.integers(0, 2**24),
        st.integers(0, 2**24),
        st.integers(1, 10_000),
        st.none() | st.integers(0, 2**24),
    ),
    max_size=8,
)


def test_the_goal_is_eighty_percent_of_the_host() -> None:
    assert goal_kib(10_000 * MIB, 4_000 * MIB) == 2_000 * MIB  # 8000 - 6000
    assert goal_kib(10_000 * MIB, 1_000 * MIB) == -1_000 * MIB  # 8000 - 9000


def test_growth_stops_at_100_mib_each() -> None:
    # 2000 + 500 + 500 above the minima, by 1:3: 500 + 750 = 1250 and 500 + 2250 = 2750; both 1100 this time.
    assert new_sizes({1: guest(), 2: guest(shares=3)}, 2_000 * MIB) == {1: 1100 * MIB, 2: 1100 * MIB}


def test_shares_take_from_one_even_while_the_host_has_plenty() -> None:
    # 120 + 500 + 500 = 1120 by 1:3: 500 + 280 = 780, so 900 this time; 500 + 840 = 1340, so 1100 this time.
    assert new_sizes({1: guest(), 2: guest(shares=3)}, 120 * MIB) == {1: 900 * MIB, 2: 1100 * MIB}


def test_shrinking_is_asked_of_those_at_ease() -> None:
    # Free 300 > 500 / 4. 1000 - 300 = 700, so 900 this time.
    assert new_sizes({1: guest(free=300), 2: guest(free=100)}, -300 * MIB) == {1: 900 * MIB}


def test_all_shrink_where_nobody_is_at_ease() -> None:
    # (-300 + 500 + 500) / 2 = 350 above 500: 850, so 900 this time.
    assert new_sizes({1: guest(), 2: guest()}, -300 * MIB) == {1: 900 * MIB, 2: 900 * MIB}


def test_growth_goes_to_those_in_need_alone() -> None:
    assert new_sizes({1: guest(free=300), 2: guest(free=100)}, 300 * MIB) == {2: 1100 * MIB}


def test_ten_mib_and_no_guests_are_nothing() -> None:
    assert new_sizes({1: guest()}, 10 * MIB) == {}
    assert new_sizes({}, 1000 * MIB) == {}


@given(many, st.integers(-(2**25), 2**25))
def test_nobody_moves_more_than_100_mib_nor_past_its_limits(guests: dict[int, Guest], goal: int) -> None:
    for domid, kib in new_sizes(guests, goal).items():
        one = guests[domid]
        assert abs(kib - one.size_kib) <= STEP_MAX_KIB
        assert kib <= max(one.max_kib, one.size_kib) and kib >= min(one.min_kib, one.size_kib)


def test_a_spike_waits_for_100_mib_every_ten_seconds() -> None:
    specs = [guest_spec("busy", has=300, need=700, swap=1024), guest_spec("idle", has=300, need=150)]
    world, _ = world_of(*specs, total=2000, name="proxmox")
    world.run(9)
    assert actual_mib(world, 1) == 400
    world.run(10)
    assert actual_mib(world, 1) == 500
