"""MoM: five per cent at a time."""

from hypothesis import given
from hypothesis import strategies as st

from dom0_arbiter.simulator.rivals.mom import Guest, new_size
from tests.dom0_arbiter.simulator.rivals.worlds import MIB, actual_mib, guest_spec, world_of


def guest(*, size: int = 1000, used: int = 500, least: int = 100, most: int = 2000) -> Guest:
    return Guest(size_kib=size * MIB, used_kib=used * MIB, min_kib=least * MIB, max_kib=most * MIB)


guests = st.builds(
    lambda size, used, low, more: Guest(size_kib=size, used_kib=used, min_kib=low, max_kib=low + more),
    st.integers(1, 2**32),
    st.integers(0, 2**32),
    st.integers(0, 2**32),
    st.integers(0, 2**32),
)


def test_under_pressure_a_guest_shrinks_by_a_twentieth_but_keeps_what_it_uses_and_some() -> None:
    assert new_size(guest(), 0.10) == 950 * MIB  # at least 500 + 0.2 * 0.1/0.2 * 1000 = 600
    assert new_size(guest(used=860), 0.10) == 960 * MIB  # 860 + 100
    assert new_size(guest(used=910), 0.10) is None  # 910 + 100 is more than it has


def test_in_a_crisis_guests_are_made_to_swap() -> None:
    assert new_size(guest(used=980), 0.03) == 960 * MIB  # 980 + (0.03 - 0.05) * 1000


def test_with_plenty_a_guest_grows_by_a_twentieth_or_at_once_to_what_it_uses_and_a_fifth_of_its_maximum() -> None:
    assert new_size(guest(), 0.25) == 1050 * MIB  # 500 + 400 is less
    assert new_size(guest(used=800), 0.25) == 1200 * MIB  # 800 + 400
    assert new_size(guest(used=990, most=1150), 0.25) == 1150 * MIB  # 990 + 230 is more than it may have


def test_a_quarter_of_a_percent_is_not_worth_it() -> None:
    assert new_size(guest(used=898), 0.10) is None  # 998: 2 of 1000 MiB
    assert new_size(guest(used=897), 0.10) == 997 * MIB


@given(guests, st.floats(0, 1))
def test_no_guest_leaves_its_limits(one: Guest, host_free_ratio: float) -> None:
    size_kib = new_size(one, host_free_ratio)
    assert size_kib is None or size_kib <= max(one.size_kib, one.max_kib)
    assert size_kib is None or size_kib >= min(one.size_kib, one.min_kib)


def test_memory_is_given_after_averages_have_seen_the_need() -> None:
    spec = guest_spec("busy", has=400, need=700, swap=1024)
    world, _ = world_of(spec, total=2000, name="mom")
    world.run(9)
    assert actual_mib(world, 1) < 700
    world.run(60)
    assert actual_mib(world, 1) >= 700
