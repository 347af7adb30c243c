"""An estimate is held against the smallest size that was good, in the guest's own view."""

from typing import Any

from dom0_arbiter.policy import ESTIMATORS
from tests.xenlab.catalogue import COMFORTABLE
from tests.xenlab.estimates import Estimate, compute_estimates
from tests.xenlab.made_runs import MIB, made_run, report
from tests.xenlab.timeline import Timeline

OFFSET_KIB = 60 * MIB


def tried(mib: int, *, is_good: bool, until_s: float = 200.0) -> dict[str, Any]:
    return {"mib": mib, "actual_kib": mib * MIB, "is_good": is_good, "until_s": until_s}


def bisected(*found: dict[str, Any], **changed: Any) -> Timeline:
    """At 480 MiB the guest says that 200 of 500 MiB are available; MemTotal is 420."""
    facts = {
        "comfortable": {"actual_kib": 480 * MIB, "stat": {"MemTotal": 480 * MIB - OFFSET_KIB}},
        "tried": list(found),
        "smallest_mib": 0,
    }
    events = [report(110.0, 200), report(150.0, 10)]
    return made_run(facts=facts, marks=[(COMFORTABLE, 120.0)], events=events, **changed)


def one(found: list[Estimate], at: str, estimator: str) -> Estimate:
    return next(each for each in found if (each.at, each.estimator) == (at, estimator))


def test_the_truth_is_the_smallest_good_size_less_what_memtotal_does_not_show() -> None:
    found = compute_estimates(bisected(tried(360, is_good=False), tried(420, is_good=True), tried(390, is_good=True)))
    assert {each.truth_kib for each in found} == {390 * MIB - OFFSET_KIB}


def test_estimates_at_ease_know_nothing_of_what_came_later() -> None:
    found = compute_estimates(bisected(tried(390, is_good=True)))
    available = one(found, "comfortable", "available")
    assert available.estimate_kib == 300 * MIB
    assert available.error_kib == -30 * MIB
    assert available.ratio == round(300 / 330, 3)


def test_every_estimator_is_asked_at_both_moments() -> None:
    found = compute_estimates(bisected(tried(390, is_good=True)))
    assert [(each.at, each.estimator) for each in found] == [
        (at, name) for at in ("comfortable", "smallest") for name in ESTIMATORS
    ]


def test_where_no_smaller_size_was_good_the_comfortable_one_is_the_truth() -> None:
    found = compute_estimates(bisected(tried(390, is_good=False)))
    assert {each.at for each in found} == {"comfortable"}
    assert {each.truth_kib for each in found} == {480 * MIB - OFFSET_KIB}


def test_a_run_without_a_bisection_has_no_estimates() -> None:
    assert compute_estimates(made_run()) == []
