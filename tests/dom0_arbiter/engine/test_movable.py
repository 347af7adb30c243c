"""Whose memory may be moved, and what status calls each: two lists of reasons that must agree."""

import importlib

import pytest

from dom0_arbiter.engine.domain import Domain, party_of
from dom0_arbiter.policy import Party
from tests.invariants.hosts import live

step = importlib.import_module("dom0_arbiter.engine.step")  # the package exports a function of that name


@pytest.mark.parametrize("seed", range(12))
def test_what_status_calls_managed_is_what_may_be_moved(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[bool] = set()

    def compared(domain: Domain, now_s: float) -> Party | None:
        if domain.balloon is not None and domain.demand is not None:
            is_unsettled = domain.is_hvm and not domain.is_settled
            is_managed = domain.state(now_s) in ("ok", "slow", "at-limit", "stuck") and not is_unsettled
            assert domain.is_movable(now_s) == is_managed
            seen.add(is_managed)
        return party_of(domain, now_s)

    monkeypatch.setattr(step, "party_of", compared)
    live(seed)
    assert True in seen
