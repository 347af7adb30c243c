"""A request is granted, waited for, or refused, and a refusal says what is missing or who does not give."""

from hypothesis import given, settings
from hypothesis import strategies as st

from dom0_arbiter.policy import Holdout, judge_reservation
from dom0_arbiter.policy.reserve import Verdict

GIB = 2**20


def holdout(domid: int = 7, *, spare: int = GIB, given_up: bool = True) -> Holdout:
    return Holdout(domid=domid, spare_kib=spare, is_given_up=given_up)


def judge(*holdouts: Holdout, size: int = GIB, least: int | None = None, possible: int, unpromised: int = 0) -> Verdict:
    return judge_reservation(
        size_kib=size,
        min_kib=size if least is None else least,
        possible_kib=possible,
        unpromised_kib=unpromised,
        holdouts=holdouts,
    )


@st.composite
def requests(draw: st.DrawFn) -> tuple[int, int, int, int, list[Holdout]]:
    size_kib = draw(st.integers(1, 2**34))
    min_kib = draw(st.integers(1, size_kib))
    near = st.one_of(st.integers(-(2**34), 2**34), st.integers(min_kib - 8, min_kib + 8), st.integers(0, size_kib + 8))
    holdouts = st.lists(
        st.builds(
            Holdout, domid=st.integers(1, 99), spare_kib=st.one_of(st.just(0), near.map(abs)), is_given_up=st.booleans()
        ),
        max_size=4,
        unique_by=lambda each: each.domid,
    )
    return size_kib, min_kib, draw(near), draw(near), draw(holdouts)


@settings(deadline=None)
@given(requests())
def test_whatever_is_asked_the_verdict_keeps_its_word(request: tuple[int, int, int, int, list[Holdout]]) -> None:
    size_kib, min_kib, possible_kib, unpromised_kib, holdouts = request
    verdict = judge(*holdouts, size=size_kib, least=min_kib, possible=possible_kib, unpromised=unpromised_kib)
    spare_of = {each.domid: each.spare_kib for each in holdouts}
    if verdict.outcome == "granted":
        assert min_kib <= verdict.kib <= min(size_kib, possible_kib, unpromised_kib)
    elif verdict.outcome == "waiting":
        assert 0 <= verdict.kib <= min(size_kib, max(0, possible_kib))
    else:
        assert possible_kib < min_kib
        assert verdict.kib == 0
        assert 0 < verdict.missing_kib <= min_kib
    assert all(spare_of[domid] > 0 for domid in verdict.blame)
    assert bool(verdict.blame) == (verdict.outcome == "refused-stuck")


def test_what_is_free_is_granted() -> None:
    assert judge(possible=2 * GIB, unpromised=GIB) == Verdict(outcome="granted", kib=GIB)


def test_as_much_is_granted_as_is_possible_in_whole_pages() -> None:
    assert judge(size=1000, least=10, possible=503, unpromised=5000) == Verdict(outcome="granted", kib=500)
    assert judge(size=1000, least=503, possible=503, unpromised=5000) == Verdict(outcome="granted", kib=503)


def test_what_is_not_free_yet_is_waited_for() -> None:
    assert judge(possible=2 * GIB, unpromised=GIB - 4) == Verdict(outcome="waiting", kib=GIB)


def test_what_working_sets_need_is_refused_and_the_lack_is_named() -> None:
    assert judge(possible=GIB - 100) == Verdict(outcome="refused-lack", missing_kib=100)
    assert judge(possible=-5) == Verdict(outcome="refused-lack", missing_kib=GIB), "no more is missing than is wanted"


def test_a_lack_that_the_stuck_could_not_mend_is_a_lack() -> None:
    assert judge(holdout(spare=100), possible=GIB - 200).outcome == "refused-lack"


def test_those_who_may_still_give_are_waited_for() -> None:
    verdict = judge(holdout(1), holdout(2, given_up=False), possible=GIB // 2)
    assert verdict == Verdict(outcome="waiting", kib=GIB // 2)


def test_those_who_do_not_give_are_named_if_they_have_something_to_spare() -> None:
    verdict = judge(holdout(1), holdout(2, spare=0), holdout(3, spare=0, given_up=False), possible=GIB // 2)
    assert verdict == Verdict(outcome="refused-stuck", missing_kib=GIB // 2, blame=[1])
