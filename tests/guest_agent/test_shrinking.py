"""How much is freed for a balloon: within the owner's budget, and not where it does harm."""

from guest_agent import Counters, Sample
from guest_agent.shrinking import PAUSE_MS, STEP_LEAST_KIB, STEP_MOST_KIB, Shrinking

MIB = 1024
BUDGET_KIB_S = 100 * MIB


def at(now_ms: int) -> Sample:
    return Sample(uptime_ms=now_ms, total_kib=500 * MIB, free_kib=0, available_kib=300 * MIB)


def play(shrinking: Shrinking, *, until_ms: int, from_ms: int = 0, every_ms: int = 40, gap_kib: int = 2**30) -> int:
    """What is freed in all, of a guest that bears it."""
    total_kib = 0
    for now_ms in range(from_ms, until_ms, every_ms):
        step_kib = shrinking.step_kib(at(now_ms), Counters(), gap_kib=gap_kib - total_kib)
        if step_kib:
            shrinking.freed(step_kib)
        total_kib += step_kib
    return total_kib


def test_the_budget_is_kept_and_used() -> None:
    for every_ms in (10, 40, 100):
        freed_kib = play(Shrinking(BUDGET_KIB_S), until_ms=10_000, every_ms=every_ms)
        assert 0.95 * 10 * BUDGET_KIB_S <= freed_kib <= 10 * BUDGET_KIB_S + STEP_LEAST_KIB


def test_no_step_holds_the_agent_up_for_long() -> None:
    shrinking = Shrinking(2**30)
    assert 0 < shrinking.step_kib(at(0), Counters(), gap_kib=2**30) <= STEP_MOST_KIB
    assert shrinking.step_kib(at(5000), Counters(), gap_kib=2**30) == STEP_MOST_KIB


def test_no_more_is_freed_than_the_balloon_wants() -> None:
    shrinking = Shrinking(BUDGET_KIB_S)
    assert play(shrinking, until_ms=60_000, gap_kib=50 * MIB) <= 50 * MIB
    assert play(Shrinking(BUDGET_KIB_S), until_ms=60_000, gap_kib=50 * MIB) > 48 * MIB
    assert not shrinking.may_free(at(70_000), -5)


def test_a_long_time_without_a_gap_saves_no_budget_up() -> None:
    shrinking = Shrinking(BUDGET_KIB_S)
    play(shrinking, until_ms=1000, gap_kib=10 * MIB)
    assert not shrinking.may_free(at(60_000), 0)
    assert shrinking.step_kib(at(90_000), Counters(), gap_kib=2**20) == STEP_LEAST_KIB


def second_step(counters: Counters) -> int:
    shrinking = Shrinking(BUDGET_KIB_S)
    shrinking.freed(shrinking.step_kib(at(0), Counters(), gap_kib=2**20))
    step_kib = shrinking.step_kib(at(100), counters, gap_kib=2**20)
    after_kib = shrinking.step_kib(at(200), counters, gap_kib=2**20)
    assert bool(step_kib) == bool(after_kib), "harm means a pause"
    assert shrinking.step_kib(at(100 + PAUSE_MS), counters, gap_kib=2**20) > 0, "and not for ever"
    return step_kib


def test_it_stops_when_programs_stall_or_read_again_what_was_freed() -> None:
    assert second_step(Counters())
    assert second_step(Counters(psi_some_us_total=49_000))
    assert not second_step(Counters(psi_some_us_total=51_000))
    eighth_pages = STEP_LEAST_KIB // 8 // 4
    assert second_step(Counters(refault_file_total=eighth_pages))
    assert not second_step(Counters(refault_file_total=eighth_pages + 1))
    assert not second_step(Counters(refault_anon_total=eighth_pages + 1))


def test_where_nothing_is_to_be_had_it_does_not_ask_again_at_once() -> None:
    shrinking = Shrinking(BUDGET_KIB_S)
    assert shrinking.step_kib(at(0), Counters(), gap_kib=2**20)
    shrinking.freed(0)
    assert not shrinking.may_free(at(PAUSE_MS - 1), 2**20)
    assert shrinking.step_kib(at(PAUSE_MS - 1), Counters(), gap_kib=2**20) == 0
    assert shrinking.may_free(at(PAUSE_MS), 2**20)
    assert shrinking.step_kib(at(PAUSE_MS), Counters(), gap_kib=2**20) > 0


def test_what_is_free_is_there_for_the_balloon_already() -> None:
    """A balloon that sleeps leaves its gap as it is: freed again and again, a guest would lose all of its cache."""
    shrinking = Shrinking(BUDGET_KIB_S)
    sample = Sample(uptime_ms=0, total_kib=900 * MIB, free_kib=100 * MIB, available_kib=500 * MIB)
    assert shrinking.may_free(sample, 80 * MIB)
    assert shrinking.step_kib(sample, Counters(min_free_kib=2 * MIB), gap_kib=80 * MIB) == 0
    assert shrinking.step_kib(sample, Counters(min_free_kib=2 * MIB), gap_kib=96 * MIB) > 0
