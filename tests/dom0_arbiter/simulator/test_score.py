"""What a guest's memory has cost, each figure beside what it comes to by hand."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dom0_arbiter.simulator.guests.score import REVERSAL_KIB, GuestScore

MIB = 1024


def moving(*moves: tuple[float, int]) -> GuestScore:
    """Moves as (at_s, MiB)."""
    score = GuestScore()
    for at_s, mib in moves:
        score.moved(mib * MIB, at_s)
    return score


def test_unmet_is_what_was_lacking_times_how_long() -> None:
    score = GuestScore()
    for at_s, demand_kib, actual_kib in ((0.0, 100, 100), (1.0, 300, 100), (3.0, 300, 250), (7.0, 300, 300)):
        score.stands(demand_kib, actual_kib, at_s)
    score.stands(300, 300, 100.0)
    assert score.unmet_kib_s == 2 * 200 + 4 * 50


def test_what_one_has_beyond_its_demand_makes_up_for_nothing() -> None:
    score = GuestScore()
    score.stands(100, 900, 0.0)
    score.stands(100, 50, 10.0)
    score.stands(100, 100, 12.0)
    assert score.unmet_kib_s == 2 * 50


def test_a_reaction_lasts_from_the_shortage_until_all_is_there() -> None:
    score = GuestScore()
    for at_s, demand_kib, actual_kib in ((0.0, 100, 100), (1.0, 300, 100), (3.0, 400, 300), (4.5, 400, 400)):
        score.stands(demand_kib, actual_kib, at_s)
    assert score.reactions_s == [3.5]


def test_a_shortage_that_is_not_over_counts_until_now() -> None:
    score = GuestScore()
    score.stands(100, 90, 2.0)
    score.stands(100, 100, 3.0)
    score.stands(100, 90, 10.0)
    assert score.reactions_s == [1.0]
    assert score.all_reactions_s(14.0) == [1.0, 4.0]


def test_a_demand_that_falls_ends_a_shortage_as_well() -> None:
    score = GuestScore()
    score.stands(200, 100, 0.0)
    score.stands(50, 100, 2.0)
    assert score.reactions_s == [2.0]


def test_moves_count_both_ways() -> None:
    assert moving((0, 8), (1, -3), (2, 5)).moved_kib == 16 * MIB


def test_up_and_down_again_is_a_reversal() -> None:
    assert moving((0, 8), (10, -8)).reversals == 1
    assert moving((0, -8), (10, 8)).reversals == 1
    assert moving((0, 8), (10, -8), (20, 8), (30, -8)).reversals == 3


def test_what_goes_on_in_the_same_direction_is_one_run() -> None:
    assert moving((0, 8), (1, 8), (2, 8)).reversals == 0
    assert moving((0, 2), (1, 2), (10, -1), (11, -1), (12, -2)).reversals == 1
    assert moving((0, 8), (10, -8), (11, -8), (12, -8)).reversals == 1


def test_runs_of_less_than_4_mib_are_none() -> None:
    assert moving((0, 8), (10, -3)).reversals == 0
    assert moving((0, 3), (10, -8)).reversals == 0
    assert moving((0, 8), (1, -1), (2, 8)).reversals == 0


def test_what_comes_back_after_half_a_minute_is_no_reversal() -> None:
    assert moving((0, 8), (29.9, -8)).reversals == 1
    assert moving((0, 8), (30.1, -8)).reversals == 0
    assert moving((0, 8), (20, 8), (45, -8)).reversals == 1, "from the end of the run"


moves = st.lists(st.tuples(st.floats(0.01, 20), st.integers(-16 * MIB, 16 * MIB).filter(bool)), max_size=30)


@settings(deadline=None)
@given(moves)
def test_there_are_no_more_reversals_than_turns(spans: list[tuple[float, int]]) -> None:
    score, now_s, turns, was_up = GuestScore(), 0.0, 0, None
    for span_s, kib in spans:
        now_s += span_s
        score.moved(kib, now_s)
        turns += was_up is not None and was_up != (kib > 0)
        was_up = kib > 0
    assert 0 <= score.reversals <= turns
    assert score.moved_kib == sum(abs(kib) for _, kib in spans)
    assert score.reversals * REVERSAL_KIB <= score.moved_kib


moments = st.lists(
    st.tuples(st.floats(0.01, 20), st.integers(0, 2**30), st.integers(0, 2**30)), min_size=1, max_size=30
)


@settings(deadline=None)
@given(moments)
def test_unmet_and_reactions_are_those_of_the_moments(told: list[tuple[float, int, int]]) -> None:
    score, now_s, unmet_kib_s, short_s = GuestScore(), 0.0, 0.0, 0.0
    for span_s, demand_kib, actual_kib in told:
        score.stands(demand_kib, actual_kib, now_s)
        now_s += span_s
        unmet_kib_s += span_s * max(0, demand_kib - actual_kib)
        short_s += span_s * (demand_kib > actual_kib)
    score.stands(0, 0, now_s)
    assert score.unmet_kib_s == pytest.approx(unmet_kib_s)
    assert sum(score.all_reactions_s(now_s)) == pytest.approx(short_s)
