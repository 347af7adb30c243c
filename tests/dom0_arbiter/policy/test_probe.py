"""A probe rises with the evidence at once, and is lowered with patience."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dom0_arbiter.policy.probe import (
    HALF_LIFE_S,
    NOTHING,
    PATIENCE_MAX_S,
    PATIENCE_S,
    Probe,
    lower_probe,
    raise_probe,
)

MIB = 1024.0

amounts_kib = st.floats(0.0, 2.0**40)
probes = st.builds(
    Probe,
    kib=st.floats(MIB, 2.0**40),
    evident_s=st.floats(0.0, 1e6),
    patience_s=st.floats(PATIENCE_S, PATIENCE_MAX_S),
    lowered=st.booleans(),
)


@settings(deadline=None)
@given(probes, amounts_kib, st.floats(0.0, 1e6))
def test_it_rises_at_once_and_evidence_never_lowers_it(probe: Probe, kib: float, later_s: float) -> None:
    raised = raise_probe(probe, kib, probe.evident_s + later_s)
    assert raised.kib == max(kib, probe.kib)
    assert raised.evident_s == probe.evident_s + later_s


@settings(deadline=None)
@given(probes, st.floats(0.0, 0.99), st.floats(0.0, 1e6))
def test_within_its_patience_nothing_is_lowered(probe: Probe, part: float, elapsed_s: float) -> None:
    assert lower_probe(probe, elapsed_s, probe.evident_s + part * probe.patience_s) is probe


def test_then_it_is_halved_each_minute() -> None:
    probe = raise_probe(NOTHING, 64 * MIB, 100.0)
    assert lower_probe(probe, 1000.0, 100.0 + PATIENCE_S + HALF_LIFE_S).kib == pytest.approx(32 * MIB)
    assert lower_probe(probe, 1000.0, 100.0 + PATIENCE_S + 3 * HALF_LIFE_S).kib == pytest.approx(8 * MIB)


@settings(deadline=None)
@given(st.floats(64 * MIB, 2.0**40), st.lists(st.floats(0.01, 60.0), min_size=1, max_size=20))
def test_how_often_it_is_looked_at_makes_no_difference(kib: float, spans_s: list[float]) -> None:
    often = once = raise_probe(NOTHING, kib, 0.0)
    now_s = 0.0
    for span_s in spans_s:
        now_s += span_s
        often = lower_probe(often, span_s, now_s)
    once = lower_probe(once, now_s, now_s)
    if min(often.kib, once.kib) > MIB:  # below that both are forgotten
        assert often.kib == pytest.approx(once.kib)


def test_patience_doubles_when_lowering_proved_wrong_and_only_then() -> None:
    probe = raise_probe(NOTHING, 64 * MIB, 0.0)
    assert raise_probe(probe, 64 * MIB, 5.0).patience_s == PATIENCE_S
    lowered = lower_probe(probe, 20.0, 20.0)
    assert lowered.lowered
    again = raise_probe(lowered, 64 * MIB, 21.0)
    assert again.patience_s == 2 * PATIENCE_S
    assert lower_probe(again, 15.0, 21.0 + 15.0) is again
    assert raise_probe(again, 64 * MIB, 22.0).patience_s == 2 * PATIENCE_S


def test_patience_has_an_end() -> None:
    probe = raise_probe(NOTHING, 64 * MIB, 0.0)
    for _ in range(20):
        probe = lower_probe(probe, probe.patience_s + 1.0, probe.evident_s + probe.patience_s + 1.0)
        probe = raise_probe(probe, 64 * MIB, probe.evident_s + probe.patience_s + 2.0)
    assert probe.patience_s == PATIENCE_MAX_S


def test_less_than_a_mebibyte_is_forgotten() -> None:
    probe = raise_probe(NOTHING, 2 * MIB, 0.0)
    assert lower_probe(probe, 1000.0, PATIENCE_S + HALF_LIFE_S - 1.0).kib > MIB
    assert lower_probe(probe, 1000.0, PATIENCE_S + HALF_LIFE_S + 1.0) == NOTHING


@settings(deadline=None)
@given(probes, st.floats(0.0, 1e15), st.floats(0.0, 1e15))
def test_it_never_falls_below_nothing_nor_rises_by_itself(probe: Probe, elapsed_s: float, later_s: float) -> None:
    assert 0.0 <= lower_probe(probe, elapsed_s, probe.evident_s + later_s).kib <= probe.kib
