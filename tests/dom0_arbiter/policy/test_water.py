"""Progressive filling is exact, fair, and worth nobody's lie."""

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from dom0_arbiter.policy import pour


@dataclass(frozen=True, kw_only=True)
class Vessel:
    weight: int
    low_kib: int
    high_kib: int
    origin_kib: int = 0


def fill(vessels: Sequence[Vessel], budget_kib: int) -> list[int]:
    return pour(
        [v.weight for v in vessels],
        [v.low_kib for v in vessels],
        [v.high_kib for v in vessels],
        budget_kib,
        origins_kib=[v.origin_kib for v in vessels],
    )


kib = st.integers(0, 2**33)
vessels = st.builds(
    lambda weight, low, more, origin: Vessel(weight=weight, low_kib=low, high_kib=low + more, origin_kib=origin),
    weight=st.integers(1, 65_535),
    low=kib,
    more=kib | st.just(0),
    origin=kib | st.just(0),
)
many = st.lists(vessels, min_size=1, max_size=12)


@given(many, st.data())
def test_all_of_the_budget_is_shared_and_nobody_leaves_its_bounds(parties: list[Vessel], data: st.DataObject) -> None:
    lows, highs = sum(v.low_kib for v in parties), sum(v.high_kib for v in parties)
    budget_kib = data.draw(st.integers(lows, highs))
    shares = fill(parties, budget_kib)
    assert sum(shares) == budget_kib
    assert all(v.low_kib <= share <= v.high_kib for v, share in zip(parties, shares, strict=True))


@given(many, st.data())
def test_nobody_above_its_low_stands_higher_than_one_below_its_high(parties: list[Vessel], data: st.DataObject) -> None:
    budget_kib = data.draw(st.integers(sum(v.low_kib for v in parties), sum(v.high_kib for v in parties)))
    shares = list(zip(parties, fill(parties, budget_kib), strict=True))
    for poor, poor_kib in shares:
        for rich, rich_kib in shares:
            if poor_kib < poor.high_kib and rich_kib > rich.low_kib:  # to the KiB that rounding leaves
                assert (poor_kib + 1 - poor.origin_kib) * rich.weight >= (rich_kib - 1 - rich.origin_kib) * poor.weight


@given(many, kib)
def test_bounds_win_over_a_budget_that_does_not_fit(parties: list[Vessel], more: int) -> None:
    lows, highs = sum(v.low_kib for v in parties), sum(v.high_kib for v in parties)
    assert fill(parties, lows - more) == [v.low_kib for v in parties]
    assert fill(parties, highs + more) == [v.high_kib for v in parties]


@given(many, st.data())
def test_asking_for_more_takes_nothing_from_those_who_ask_for_less_than_their_share(
    parties: list[Vessel], data: st.DataObject
) -> None:
    honest = [Vessel(weight=v.weight, low_kib=0, high_kib=v.high_kib) for v in parties]
    budget_kib = data.draw(st.integers(0, sum(v.high_kib for v in honest)))
    liar = data.draw(st.integers(0, len(honest) - 1))
    greedy = list(honest)
    greedy[liar] = Vessel(weight=honest[liar].weight, low_kib=0, high_kib=honest[liar].high_kib * 10 + 1)
    weights = sum(v.weight for v in honest)
    for index, share in enumerate(fill(greedy, budget_kib)):
        if index != liar:
            fair_kib = budget_kib * honest[index].weight // weights
            assert share >= min(honest[index].high_kib, fair_kib) - 1


def test_nothing_is_shared_among_nobody() -> None:
    assert pour([], [], [], 100) == []


def test_what_one_cannot_use_goes_to_the_others_by_weight() -> None:
    # 100 by 1:1:2 would be 25, 25, 50; the third can use 20 only, so the others share 80.
    assert pour([1, 1, 2], [0, 0, 0], [90, 90, 20], 100) == [40, 40, 20]
