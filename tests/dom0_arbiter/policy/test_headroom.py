"""Headroom is read off a guest's own past: enough for all but one window in a hundred, and little more than that."""

from collections.abc import Sequence
from itertools import accumulate
from math import exp2

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dom0_arbiter.policy.headroom import (
    HALF_LIFE_S,
    MISSED_RATIO,
    NO_GROWTH,
    PRIOR_WINDOWS,
    Growth,
    headroom_kib,
    observe_growth,
)

MIB = 1024
PRIOR_KIB = 32 * MIB
RESOLUTION = 1.19
NOISE_KIB = 1024
MOST_KIB = 2**30 - 1  # 1 TiB: what the histogram tells apart

Past = Sequence[tuple[int, float]]
"""Windows in order: what each brought, KiB, and how long it was, s."""

growths_kib = st.one_of(st.integers(-(2**20), 0), st.integers(1, 2 * MIB), st.integers(MIB, MOST_KIB))
pasts = st.lists(st.tuples(growths_kib, st.floats(1.0, 5.0)), max_size=300)


def growth_of(past: Past, start: Growth = NO_GROWTH) -> Growth:
    growth = start
    for grown_kib, span_s in past:
        growth = observe_growth(growth, grown_kib, span_s)
    return growth


def quiet(windows: int) -> Past:
    return [(0, 1.0)] * windows


def missed_ratio(past: Past, headroom: int) -> float:
    """The weight of windows that brought more than the headroom, over all; each reckoned by its age, from scratch."""
    ends_s = list(accumulate(span_s for _, span_s in past))
    weights = [exp2((end_s - ends_s[-1]) / HALF_LIFE_S) for end_s in ends_s]
    missed = sum(w for w, (kib, _) in zip(weights, past, strict=True) if kib > max(headroom, NOISE_KIB))
    windows = sum(w * span_s for w, (_, span_s) in zip(weights, past, strict=True))
    return missed / (windows + PRIOR_WINDOWS * exp2(-ends_s[-1] / HALF_LIFE_S))


@settings(deadline=None)
@given(pasts.filter(bool))
def test_no_more_than_one_window_in_a_hundred_brought_more(past: Past) -> None:
    headroom = headroom_kib(growth_of(past), 0, 1.0)
    assert missed_ratio(past, headroom) <= MISSED_RATIO * (1 + 1e-9)


@settings(deadline=None)
@given(st.integers(NOISE_KIB + 1, MOST_KIB))
def test_it_is_at_most_19_percent_too_much(kib: int) -> None:
    headroom = headroom_kib(growth_of([(kib, 1.0)] * 50), 0, 1.0)
    assert kib <= headroom <= RESOLUTION * kib


@settings(deadline=None)
@given(pasts, st.integers(0, 256 * MIB), st.lists(st.floats(0.25, 4.0), min_size=2, max_size=5))
def test_who_waits_longer_needs_no_less(past: Past, prior_kib: int, reactions_s: list[float]) -> None:
    growth = growth_of(past)
    headrooms = [headroom_kib(growth, prior_kib, reaction_s) for reaction_s in sorted(reactions_s)]
    assert headrooms == sorted(headrooms)


def test_what_is_not_known_yet_is_the_prior() -> None:
    assert headroom_kib(NO_GROWTH, PRIOR_KIB, 1.0) == PRIOR_KIB
    assert headroom_kib(NO_GROWTH, PRIOR_KIB, 0.5) == PRIOR_KIB // 2
    assert headroom_kib(growth_of(quiet(1000)), PRIOR_KIB, 1.0) == PRIOR_KIB


def test_a_quiet_past_outvotes_the_prior_within_half_an_hour() -> None:
    assert headroom_kib(growth_of(quiet(1800)), PRIOR_KIB, 1.0) == 0


def test_a_long_silence_counts_as_the_windows_it_was() -> None:
    assert headroom_kib(growth_of([(0, 2000.0)]), PRIOR_KIB, 1.0) == 0
    assert headroom_kib(growth_of([(0, 1000.0)]), PRIOR_KIB, 1.0) == PRIOR_KIB


def test_growth_in_one_window_of_fifty_is_provided_for_and_in_one_of_five_hundred_is_not() -> None:
    often = growth_of([*quiet(49), (100 * MIB, 1.0)] * 80)
    assert 100 * MIB <= headroom_kib(often, PRIOR_KIB, 1.0) <= RESOLUTION * 100 * MIB
    seldom = growth_of([*quiet(499), (100 * MIB, 1.0)] * 8)
    assert headroom_kib(seldom, PRIOR_KIB, 1.0) == 0


def test_growth_below_a_mebibyte_is_noise() -> None:
    assert headroom_kib(growth_of([(1 * MIB, 1.0)] * 3000), PRIOR_KIB, 1.0) == 0


def test_what_shrank_is_no_growth() -> None:
    assert headroom_kib(growth_of([(-200 * MIB, 1.0)] * 3000), PRIOR_KIB, 1.0) == 0


def test_growth_weighs_half_after_an_hour() -> None:
    burst = growth_of([(100 * MIB, 1.0)] * 64)
    hour_later = growth_of([(0, HALF_LIFE_S)], burst)
    assert sum(hour_later.weights[1:]) / hour_later.unit == pytest.approx(sum(burst.weights[1:]) / burst.unit / 2)


def test_bursts_of_long_ago_are_forgotten() -> None:
    burst = growth_of([(100 * MIB, 1.0)] * 64)
    assert headroom_kib(growth_of(quiet(1800), burst), PRIOR_KIB, 1.0) >= 100 * MIB
    assert headroom_kib(growth_of([(0, HALF_LIFE_S)] * 2, burst), PRIOR_KIB, 1.0) == 0


@settings(deadline=None, max_examples=50)
@given(pasts, st.lists(st.tuples(growths_kib, st.floats(1.0, 7200.0)), min_size=1, max_size=30), st.integers(40, 64))
def test_after_months_the_weights_are_scaled_down_and_nothing_else_changes(
    past: Past, later: Past, doublings: int
) -> None:
    young, scale = growth_of(past), 2.0**doublings  # as if it had been observed for so many half-lives
    old = Growth(
        weights=tuple(w * scale for w in young.weights),
        total=young.total * scale,
        unit=young.unit * scale,
        prior=young.prior * scale,
    )
    for grown_kib, span_s in later:
        young, old = observe_growth(young, grown_kib, span_s), observe_growth(old, grown_kib, span_s)
        assert old.unit <= 2.0**64
        assert [w / old.unit for w in old.weights] == pytest.approx([w / young.unit for w in young.weights])
        assert headroom_kib(old, PRIOR_KIB, 1.0) == headroom_kib(young, PRIOR_KIB, 1.0)


def test_growth_close_above_the_prior_is_provided_for_like_any_other() -> None:
    assert headroom_kib(growth_of([(37 * MIB, 1.0)] * 3600), PRIOR_KIB, 1.0) >= 37 * MIB


@given(st.floats(1.0, 2.0**53 / 1000), growths_kib)
def test_no_silence_is_too_long(span_s: float, grown_kib: int) -> None:
    growth = observe_growth(NO_GROWTH, grown_kib, span_s)
    assert headroom_kib(growth, PRIOR_KIB, 1.0) >= 0


@given(pasts.filter(bool), st.integers(0, 256 * MIB))
def test_nor_does_the_prior_hide_what_was_seen(past: Past, prior_kib: int) -> None:
    headroom = headroom_kib(growth_of(past), prior_kib, 1.0)
    assert missed_ratio(past, headroom) <= MISSED_RATIO * (1 + 1e-9)
