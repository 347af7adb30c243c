"""Tiers are served in order, each fairly."""

from hypothesis import given
from hypothesis import strategies as st

from dom0_arbiter.policy import SURPLUS, Party, Surplus, allocate
from tests.dom0_arbiter.policy.parties import MIB, party


def shares_mib(parties: list[Party], budget: int, *, pool: int = 0, surplus: Surplus = SURPLUS["spread"]) -> list[int]:
    return [share // MIB for share in allocate(parties, budget * MIB, pool * MIB, surplus)]


def test_floors_come_before_working_sets() -> None:
    big = party(1, target=0, floor=100, working_set=2000)
    small = party(2, target=0, floor=100, working_set=100)
    assert shares_mib([big, small], 1000) == [900, 100]


def test_working_sets_in_contention_are_weighed_as_a_whole() -> None:
    light = party(1, target=0, working_set=2000, weight=100)
    heavy = party(2, target=0, working_set=2000, weight=300)
    idle = party(3, target=0, working_set=150)
    assert shares_mib([light, heavy, idle], 150 + 600) == [150, 450, 150]


def test_headroom_is_shared_as_headroom_so_that_a_large_domain_gets_some() -> None:
    large = party(1, target=0, working_set=440, headroom=50)
    small = [party(n, target=0, working_set=122) for n in (2, 3)]
    assert shares_mib([large, *small], 768) == [468, 150, 150]


def test_the_surplus_evens_out_sizes_and_stops_at_ceilings() -> None:
    parties = [party(1, target=0, working_set=100), party(2, target=0, working_set=300, ceiling=400)]
    assert shares_mib(parties, 760) == [380, 380]
    assert shares_mib(parties, 900) == [500, 400]


def test_without_spreading_the_surplus_stays_where_it_is() -> None:
    parties = [party(1, target=0, working_set=100), party(2, target=0, working_set=300)]
    assert shares_mib(parties, 2000, surplus=SURPLUS["keep-free"]) == [164, 364]


def test_surplus_is_shared_between_dom0_the_others_and_nobody() -> None:
    dom0, *guests = [party(n, target=0, working_set=100, ceiling=1000) for n in range(3)]
    rest = 400
    budget = 3 * 164 + rest
    half = Surplus(spread=50, dom0=25, keep_free=25)
    assert shares_mib([dom0, *guests], budget, surplus=half) == [164 + 100, 164 + 100, 164 + 100]
    assert shares_mib([dom0, *guests], budget, surplus=SURPLUS["dom0"]) == [164 + 400, 164, 164]
    assert shares_mib([dom0, *guests], budget, surplus=SURPLUS["spread"]) == [164, 364, 364]
    assert shares_mib(guests, budget - 164, surplus=half) == [264, 264], "what is dom0's stays free where it is alone"


@given(st.lists(st.integers(0, 2000), min_size=1, max_size=6), st.integers(0, 5000), st.integers(0, 100), st.data())
def test_no_more_surplus_is_given_than_its_share(
    ceilings: list[int], rest: int, spread: int, data: st.DataObject
) -> None:
    to_dom0 = data.draw(st.integers(0, 100 - spread))
    surplus = Surplus(spread=spread, dom0=to_dom0, keep_free=100 - spread - to_dom0)
    parties = [party(n, target=0, working_set=100, ceiling=164 + more) for n, more in enumerate(ceilings)]
    budget_kib = (164 * len(parties) + rest) * MIB
    dom0_kib, *shares_kib = (share - 164 * MIB for share in allocate(parties, budget_kib, 0, surplus))
    given = [(dom0_kib, to_dom0, ceilings[0]), (sum(shares_kib), spread, sum(ceilings[1:]))]
    for kib, percent, room in given:
        due_kib = min(rest * MIB * percent // 100, room * MIB)
        assert due_kib - 4 * len(parties) < kib <= due_kib


def test_the_pool_is_kept_out_of_comfort_but_never_out_of_a_working_set() -> None:
    parties = [party(1, target=0, working_set=400), party(2, target=0, working_set=400)]
    assert sum(shares_mib(parties, 950, pool=50)) == 900
    assert sum(shares_mib(parties, 800, pool=50)) == 800


def test_the_pool_is_there_for_headroom() -> None:
    parties = [party(1, target=0, working_set=400), party(2, target=0, working_set=400)]
    assert sum(shares_mib(parties, 860, pool=50)) == 860
    assert sum(shares_mib(parties, 900, pool=50)) == 864


def test_reserved_bursts_come_after_working_sets_and_before_headroom_and_comfort() -> None:
    bursting = party(1, target=0, working_set=200, reserved=300, weight=1)
    other = party(2, target=0, working_set=400, headroom=500, surge=500, weight=1000)
    assert shares_mib([bursting, other], 600) == [200, 400]
    assert shares_mib([bursting, other], 700) == [300, 400]
    assert shares_mib([bursting, other], 900) == [500, 400]
    assert shares_mib([bursting, other], 1000, pool=50) == [500, 500]


def test_a_floor_beyond_the_weighted_share_competes_as_a_working_set() -> None:
    liar = party(1, target=0, floor=3000, working_set=3000)
    honest = party(2, target=0, floor=300, working_set=500)
    assert shares_mib([liar, honest], 1000) == [500, 500]


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500), st.integers(1, 1000)), min_size=1, max_size=8))
def test_shares_are_whole_pages_within_the_budget(wants: list[tuple[int, int, int]]) -> None:
    parties = [
        party(n, target=0, floor=floor, working_set=floor + more, weight=weight, ceiling=floor + more + 7)
        for n, (floor, more, weight) in enumerate(wants)
    ]
    shares = allocate(parties, 1_000_003, 0, SURPLUS["spread"])
    assert all(share % 4 == 0 for share in shares)
    assert sum(shares) <= 1_000_003


def test_who_grows_gets_its_surge_before_others_keep_their_comfort() -> None:
    grower = party(1, target=256, working_set=200, surge=160)
    idle = party(2, target=256, working_set=100)
    shares = allocate([grower, idle], 512 * MIB, 0, SURPLUS["spread"])
    assert shares == [380 * MIB, 132 * MIB]
