"""Xen's own figures convict, and what only looks wrong for a moment does not."""

from tests.xenlab.catalogue import GOES_ON, OTHERS, STANDS_STILL
from tests.xenlab.invariants import find_violations
from tests.xenlab.made_runs import MIB, made_run, made_spike, sample, target
from tests.xenlab.timeline import Timeline

SLACK_KIB = 64 * MIB
REST = [(256.0, 257.0)] * 3


def broken(timeline: Timeline) -> list[tuple[str, float]]:
    return [(one.invariant, one.at_s) for one in find_violations(timeline, SLACK_KIB)]


def test_a_run_in_which_all_goes_well_breaks_nothing() -> None:
    assert broken(made_spike()) == []


def test_promising_more_than_is_free_is_a_violation() -> None:
    promised = [(256.0, 257.0), (256.0, 257.0), (256.0, 300.0)]
    samples = [sample(at_s, 67, *promised) for at_s in (101.0, 101.025, 101.05)]
    assert broken(made_run(samples=samples)) == [("A", 1.0)]


def test_memory_seen_on_its_way_in_one_sample_is_no_violation() -> None:
    promised = [(256.0, 257.0), (256.0, 257.0), (256.0, 300.0)]
    samples = [sample(101.0, 67, *REST), sample(101.025, 67, *promised), sample(101.05, 67, *REST)]
    assert broken(made_run(samples=samples)) == []


def test_a_domain_that_shrinks_promises_nothing() -> None:
    shrinking = [(256.0, 150.0), (256.0, 257.0), (256.0, 257.0)]
    assert broken(made_run(samples=[sample(at_s, 66, *shrinking) for at_s in (101.0, 101.025)])) == []


def test_what_the_operator_does_is_excused_until_the_arbiter_could_know() -> None:
    promised = [(256.0, 257.0), (256.0, 257.0), (256.0, 300.0)]
    soon = [sample(at_s, 67, *promised) for at_s in (101.0, 102.0)]
    late = [sample(at_s, 67, *promised) for at_s in (110.0, 111.0)]
    assert broken(made_run(samples=soon, marks=[[OTHERS, 100.5]])) == []
    assert broken(made_run(samples=late, marks=[[OTHERS, 100.5]])) == [("A", 10.0)]


def test_a_growth_asked_before_maxmem_is_raised_is_a_violation() -> None:
    samples = [sample(at_s, 300, *REST) for at_s in (100.99, 101.01)]
    assert broken(made_run(samples=samples, events=[target(101.0, 400, maxmem_mib=257)])) == [("B", 1.0)]
    assert broken(made_run(samples=samples, events=[target(101.0, 400, maxmem_mib=400)])) == [("B", 1.0)]
    assert broken(made_run(samples=samples, events=[target(101.0, 400, maxmem_mib=401)])) == []


def test_a_shrink_called_off_is_no_growth() -> None:
    samples = [sample(at_s, 67, (256, 200), (256, 257), (mib, 240)) for at_s, mib in ((100.98, 256), (101.02, 255))]
    assert broken(made_run(samples=samples, events=[target(101.0, 256, maxmem_mib=256)])) == []


def test_a_shrink_needs_no_room_below_maxmem() -> None:
    samples = [sample(at_s, 67, *REST) for at_s in (100.99, 101.01)]
    assert broken(made_run(samples=samples, events=[target(101.0, 200, maxmem_mib=200)])) == []


def test_a_directory_of_a_domain_that_is_gone_is_a_violation() -> None:
    assert broken(made_run(facts={"ghosts": ["/local/domain/7"]})) == [("G", 50.0)]


def test_what_a_guest_took_by_itself_must_be_covered_within_a_second_and_the_recorders_lag() -> None:
    grown = [(256.0, 257.0), (256.0, 257.0), (300.0, 301.0)]
    samples = [sample(100.5, 111, *REST), *(sample(at_s, 67, *grown) for at_s in (101.0, 102.6, 104.3))]
    assert broken(made_run(samples=samples)) == [("K", 1.0)]
    assert broken(made_run(samples=samples, events=[target(101.7, 300)])) == []


def test_a_guest_that_is_being_restored_has_no_target_to_cover_it_yet() -> None:
    restored = [sample(100.5 + n, 400 - 50 * n, *REST, (768, 769), (50 + 50 * n, 257)) for n in range(4)]
    managed = {"1": "g1", "2": "g2", "3": "g3", "5": "g1"}
    assert broken(made_run(samples=restored, managed=managed)) == []


def test_growth_of_its_own_is_followed_but_not_by_an_arbiter_that_was_stopped() -> None:
    sizes = [(101.0, 256.0), (101.1, 300.0), *((102.0 + each, 300.0) for each in range(10))]
    samples = [sample(at_s, 67, (256.0, 257.0), (256.0, 257.0), (mib, 301.0)) for at_s, mib in sizes]
    assert [name for name, _ in broken(made_run(samples=samples))] == ["K"]
    still = [(STANDS_STILL, 100.5), (GOES_ON, 105.5)]
    assert broken(made_run(samples=samples, marks=still, events=[target(107.0, 300.0)])) == []
    assert [name for name, _ in broken(made_run(samples=samples, marks=still))] == ["K"], "it must follow in the end"
    assert [name for name, _ in broken(made_run(samples=samples, marks=[(STANDS_STILL, 110.0), (GOES_ON, 115.0)]))] == [
        "K"
    ]


def test_a_shrink_under_way_is_not_growth_uncovered() -> None:
    samples = [sample(100.5 + n, 67 + 20 * n, (256, 257), (256, 257), (256 - 20 * n, 201)) for n in range(3)]
    assert broken(made_run(samples=samples, events=[target(100.6, 200, maxmem_mib=201)])) == []
