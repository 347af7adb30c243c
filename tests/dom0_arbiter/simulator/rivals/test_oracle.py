"""The oracle leaves no more demand uncovered than arithmetic makes it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from dom0_arbiter.simulator import Steps
from dom0_arbiter.simulator.rivals.oracle import Wish, sizes_kib
from tests.dom0_arbiter.simulator.rivals.worlds import MIB, actual_mib, guest_spec, world_of

many = st.dictionaries(
    st.integers(1, 50),
    st.builds(
        lambda now, soon, cached, weight: Wish(
            now_kib=now, soon_kib=now + soon, cached_kib=now + soon + cached, weight=weight
        ),
        st.integers(0, 2**32),
        st.integers(0, 2**32),
        st.integers(0, 2**32),
        st.integers(1, 65_535),
    ),
    max_size=8,
)


def wish(now: int, soon: int = 0, cached: int = 0) -> Wish:
    return Wish(now_kib=now, soon_kib=now + soon, cached_kib=now + soon + cached, weight=1)


def test_needs_come_before_foresight_before_starts_before_caches() -> None:
    wishes = {1: wish(300, 100, 500), 2: wish(200, 0, 500)}
    # 1000: 300 + 200 now, 100 soon; of the 400 left 150 wait for a start, 125 of cache each.
    assert sizes_kib(wishes, 1000, 150) == {1: 525, 2: 325}
    assert sizes_kib(wishes, 540, 0) == {1: 340, 2: 200}
    assert sizes_kib(wishes, 400, 150) == {1: 200, 2: 200}
    assert sizes_kib({}, 400, 0) == {}


@given(many, st.integers(0, 2**34), st.integers(0, 2**33))
def test_what_is_lacking_is_what_there_is_too_little(wishes: dict[int, Wish], total: int, awaited: int) -> None:
    sizes = sizes_kib(wishes, total, awaited)
    lacking = sum(max(0, one.now_kib - sizes[domid]) for domid, one in wishes.items())
    assert lacking == max(0, sum(one.now_kib for one in wishes.values()) - total)
    assert sum(sizes.values()) <= total


amounts = st.lists(st.integers(150, 900), min_size=6, max_size=6)


@settings(max_examples=15, deadline=None)
@given(st.lists(amounts, min_size=1, max_size=3))
def test_played_its_shortfall_is_never_more_than_arithmetic_makes_unavoidable(needs: list[list[int]]) -> None:
    # Needs change every 2 s; memory is for all, or half, of what could be needed at the most.
    times = [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    specs = [
        guest_spec(f"g{i}", has=200, need=Steps(times_s=times, amounts_kib=[n * MIB for n in need]), swap=2048)
        for i, need in enumerate(needs)
    ]
    total = 64 + 550 * len(needs)
    world, _ = world_of(*specs, total=total, name="oracle")
    for _ in range(240):
        world.run(0.05)
        guests, domains = world.guests.values(), world.host.domains
        lacking_kib = sum(max(0, guest.demand_kib - domains[guest.domid].actual_kib) for guest in guests)
        demand_kib = sum(guest.demand_kib for guest in guests)
        # What a guest can give without swapping is all but what its kernel holds on to: half a MiB, and its reserve.
        held_back_kib = 8 * MIB * len(needs)
        assert lacking_kib <= max(0, demand_kib - (total - 64) * MIB) + held_back_kib
        assert world.host.free_kib >= 64 * MIB


def test_a_spike_that_fits_is_never_noticed() -> None:
    need = Steps(times_s=[0.0, 5.0], amounts_kib=[300 * MIB, 900 * MIB])
    specs = [guest_spec("busy", has=350, need=need), guest_spec("idle", has=900, need=200)]
    world, _ = world_of(*specs, total=1314, name="oracle")
    world.run(15)
    assert world.oom_kills_total == 0
    assert actual_mib(world, 1) >= 900
