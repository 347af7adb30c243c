"""Shares are exact, bounded, and in proportion."""

from hypothesis import given
from hypothesis import strategies as st

from dom0_arbiter.simulator.rivals.shares import fill

claims = st.lists(st.tuples(st.integers(-100, 2**31), st.integers(1, 65_535)), max_size=10)


def test_nothing_is_shared_among_nobody() -> None:
    assert fill(100, [], []) == []


def test_what_one_cannot_use_goes_to_the_others_by_weight() -> None:
    # 100 by 1:1:2 would be 25, 25, 50; the third can use 20 only, so the others share 80.
    assert fill(100, [90, 90, 20], [1, 1, 2]) == [40, 40, 20]


def test_a_budget_below_nothing_is_nothing() -> None:
    assert fill(-5, [10, 10], [1, 1]) == [0, 0]


@given(claims, st.integers(0, 2**33))
def test_all_is_handed_out_or_all_are_served_and_nobody_gets_more_than_its_cap(
    parties: list[tuple[int, int]], budget_kib: int
) -> None:
    caps = [cap for cap, _ in parties]
    shares = fill(budget_kib, caps, [weight for _, weight in parties])
    assert sum(shares) == min(budget_kib, sum(max(0, cap) for cap in caps))
    assert all(0 <= share <= max(0, cap) for share, cap in zip(shares, caps, strict=True))
