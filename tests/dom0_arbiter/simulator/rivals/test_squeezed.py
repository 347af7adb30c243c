"""squeezed: one fraction for all, and memory is freed before it is given."""

from hypothesis import given
from hypothesis import strategies as st

from dom0_arbiter.simulator import Character
from dom0_arbiter.simulator.rivals.squeezed import Domain, phase, proportional_targets
from tests.dom0_arbiter.simulator.rivals.worlds import MIB, actual_mib, guest_spec, world_of

many = st.dictionaries(
    st.integers(1, 50),
    st.builds(
        lambda actual, low, more: Domain(actual_kib=actual, dynamic_min_kib=low, dynamic_max_kib=low + more),
        st.integers(0, 2**32),
        st.integers(0, 2**32),
        st.integers(0, 2**32),
    ),
    max_size=8,
)


def test_each_gets_the_same_fraction_of_its_range() -> None:
    # Freeable: 400 - 200 and 700 - 500 MiB, less 8 KiB each. Surplus: 100 + 400 MiB - 16 KiB = 511,984 KiB.
    # Ranges: 800 + 500 = 1300 MiB = 1,331,200 KiB. Gamma = 0.384603365.
    # 204,800 + 0.384603365 * 819,200 = 519,867.08; 512,000 + 0.384603365 * 512,000 = 708,916.92
    domains = {
        1: Domain(actual_kib=400 * MIB, dynamic_min_kib=200 * MIB, dynamic_max_kib=1000 * MIB),
        2: Domain(actual_kib=700 * MIB, dynamic_min_kib=500 * MIB, dynamic_max_kib=1000 * MIB),
    }
    targets = proportional_targets(domains, 100 * MIB)
    assert targets == {1: 519_867, 2: 708_916}
    assert phase(domains, targets) == {2: 708_916}  # 700 MiB are 716,800 KiB: it has to free some first


def test_whoever_shrinks_goes_first() -> None:
    domains = {
        1: Domain(actual_kib=900 * MIB, dynamic_min_kib=200 * MIB, dynamic_max_kib=1000 * MIB),
        2: Domain(actual_kib=300 * MIB, dynamic_min_kib=200 * MIB, dynamic_max_kib=1000 * MIB),
    }
    # Surplus: 700 + 100 MiB - 16 KiB = 819,184 KiB; range 1,638,400; gamma 0.49999023; 204,800 + 409,592 = 614,392
    targets = proportional_targets(domains, 0)
    assert targets == {1: 614_392, 2: 614_392}
    assert phase(domains, targets) == {1: 614_392}
    shrunk = domains | {1: Domain(actual_kib=614_392, dynamic_min_kib=200 * MIB, dynamic_max_kib=1000 * MIB)}
    assert phase(shrunk, targets) == targets


def test_no_domains_and_no_ranges_are_no_trouble() -> None:
    assert proportional_targets({}, 100) == {}
    fixed = Domain(actual_kib=500, dynamic_min_kib=400, dynamic_max_kib=400)
    assert proportional_targets({1: fixed}, 10**6) == {1: 400}


@given(many, st.integers(-(2**33), 2**33))
def test_targets_stay_within_their_ranges_and_within_what_there_is(domains: dict[int, Domain], spare_kib: int) -> None:
    targets = proportional_targets(domains, spare_kib)
    assert all(d.dynamic_min_kib <= targets[domid] <= d.dynamic_max_kib for domid, d in domains.items())
    given_kib = sum(targets[domid] - d.dynamic_min_kib for domid, d in domains.items())
    assert given_kib <= max(0, spare_kib + sum(d.freeable_kib for d in domains.values())) + 1


def test_guests_end_at_one_fraction_whatever_they_need() -> None:
    specs = [guest_spec("idle", has=1000, need=150), guest_spec("busy", has=300, need=900, swap=1024)]
    world, _ = world_of(*specs, total=1400, name="squeezed")
    world.run(20)
    # 1400 - 64 slack = 1336; each 200 + gamma * 824, gamma = 936 / 1648: 668
    assert abs(actual_mib(world, 1) - 668) < 1 and abs(actual_mib(world, 2) - 668) < 1


def test_a_stuck_guest_is_left_out_and_may_not_grow_later() -> None:
    specs = [guest_spec("stuck", has=300, need=150), guest_spec("other", has=1000, need=150)]
    world, _ = world_of(*specs, total=1400, name="squeezed")
    world.guests[1].become(Character(dead=True), 0.0)
    world.run(30)
    assert actual_mib(world, 1) == 300
    assert world.host.domains[1].maxmem_kib == 301 * MIB
    assert abs(actual_mib(world, 2) - 1024) < 1  # all that it may have, of the 1036 that are left
