"""What a step changes is its own; what others hold stays as it was."""

from dataclasses import replace as standard_replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dom0_arbiter.engine import Balloon, Domain
from dom0_arbiter.engine.domains import Domains
from dom0_arbiter.engine.replace import replace
from dom0_arbiter.policy import DomainSettings

domids = st.integers(1, 400)
changes = st.lists(st.tuples(st.sampled_from(("put", "remove", "fork", "look")), domids), max_size=60)


def domain(domid: int, name: str = "") -> Domain:
    return Domain(
        domid=domid,
        uuid=str(domid),
        name=name,
        static_max_kib=4,
        settings=DomainSettings(),
        xenstore_target_kib=4,
        introduced_s=0.0,
    )


@given(changes)
def test_a_fork_changes_and_what_it_came_from_does_not(steps: list[tuple[str, int]]) -> None:
    domains, expected = Domains(), dict[int, Domain]()
    kept = []
    for number, (what, domid) in enumerate(steps):
        if what == "put":
            expected[domid] = domain(domid, name=str(number))
            domains.put(expected[domid])
        elif what == "remove" and domid in expected:
            del expected[domid]
            domains.remove(domid)
        elif what == "fork":
            kept.append((domains, dict(expected)))
            domains = domains.fork()
        assert domains == expected
        assert len(domains) == len(expected)
        assert {each.domid: each for each in domains.each()} == expected
    assert all(old == as_it_was for old, as_it_was in kept)


def test_what_is_forked_may_still_be_changed_and_the_fork_is_not() -> None:
    domains = Domains([domain(1)])
    fork = domains.fork()
    domains.put(domain(1, name="changed"))
    assert fork[1].name == ""


def test_removing_what_is_not_there_is_an_error_and_changes_nothing() -> None:
    domains = Domains([domain(1)])
    with pytest.raises(KeyError):
        domains.remove(100)
    assert list(domains) == [1]


def test_replace_does_what_that_of_the_standard_library_does() -> None:
    balloon = Balloon(target_kib=4, actual_kib=4, maxmem_kib=4, asked_s=0.0, progressed_s=0.0, changed_s=0.0)
    before = domain(1)
    after = replace(before, balloon=balloon, name="a")
    assert after == standard_replace(before, balloon=balloon, name="a")
    assert before == domain(1)
    with pytest.raises(KeyError):
        replace(before, no_such_field=1)
