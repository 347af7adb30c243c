"""Hyper-V: demand and a fifth, weights, and nothing is taken that nobody needs."""

from hypothesis import given
from hypothesis import strategies as st

from dom0_arbiter.simulator import Steps
from dom0_arbiter.simulator.rivals.hyper_v import Vm, balloon_floor_kib, desired_kib, new_sizes
from tests.dom0_arbiter.simulator.rivals.worlds import MIB, actual_mib, guest_spec, world_of


def vm(*, size: int, desired: int, least: int = 200, weight: int = 1) -> Vm:
    return Vm(size_kib=size * MIB, min_kib=least * MIB, desired_kib=desired * MIB, weight=weight)


many = st.dictionaries(
    st.integers(1, 50),
    st.builds(
        lambda size, low, more, weight: Vm(size_kib=size, min_kib=low, desired_kib=low + more, weight=weight),
        st.integers(0, 2**32),
        st.integers(0, 2**32),
        st.integers(0, 2**32),
        st.integers(1, 10_000),
    ),
    max_size=8,
)


def test_demand_is_what_is_committed_and_a_floor_and_a_fifth_on_top() -> None:
    assert balloon_floor_kib(800 * MIB) == 204 * MIB  # 104 + 800/8
    assert desired_kib(300 * MIB, 800 * MIB) == 619_315  # (300 + 204) * 1024 * 1.2 = 619,315.2


def test_the_floor_is_the_table_of_its_source() -> None:
    for total, floor in ((16, 16), (32, 24), (128, 72), (512, 168), (2048, 360), (8192, 744), (32_768, 1512)):
        assert balloon_floor_kib(total * MIB) == floor * MIB


def test_too_little_is_shared_by_weight_above_the_minimum() -> None:
    # 600 + 600 - 2 * 200 = 800 by 1:3
    sizes = new_sizes({1: vm(size=600, desired=900), 2: vm(size=600, desired=900, weight=3)}, 0)
    assert sizes == {1: 400 * MIB, 2: 800 * MIB}


def test_the_lowest_weight_gives_first_and_no_more_than_is_needed() -> None:
    # The third lacks 200 and 50 are free: 150 from the first, which is over by 600.
    vms = {
        1: vm(size=1000, desired=400),
        2: vm(size=700, desired=400, weight=2),
        3: vm(size=300, desired=500, weight=3),
    }
    assert new_sizes(vms, 50 * MIB) == {1: 850 * MIB, 2: 700 * MIB, 3: 500 * MIB}


def test_nobody_wants_anything_of_no_memory() -> None:
    assert new_sizes({}, 500) == {}


@given(many, st.integers(0, 2**33))
def test_nobody_falls_below_its_minimum_nor_grows_past_its_wish_and_all_fits(vms: dict[int, Vm], spare: int) -> None:
    sizes = new_sizes(vms, spare)
    for domid, one in vms.items():
        assert min(one.min_kib, one.size_kib) <= sizes[domid] <= max(one.desired_kib, one.size_kib)
    room_kib = spare + sum(one.size_kib for one in vms.values())
    assert sum(sizes.values()) <= max(room_kib, sum(one.min_kib for one in vms.values()))


def test_a_spike_is_met_within_seconds_and_idle_memory_is_given_back_after_minutes() -> None:
    need = Steps(times_s=[0.0, 10.0, 60.0], amounts_kib=[300 * MIB, 600 * MIB, 300 * MIB])
    world, _ = world_of(guest_spec("busy", has=500, need=need, swap=1024), total=2000, name="hyper-v")
    world.run(14)
    assert actual_mib(world, 1) > 720  # 600 and a fifth
    world.run(36)  # the floor grows with the guest, a little less each time
    had_mib = actual_mib(world, 1)
    world.run(250)
    assert actual_mib(world, 1) == had_mib
    world.run(80)
    assert actual_mib(world, 1) < had_mib
