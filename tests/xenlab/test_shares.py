"""A share follows from budget, weights and what was asked; the arbiter's own arithmetic has no part in it."""

from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.xenlab.made_runs import MIB, made_run, sample
from tests.xenlab.shares import compute_shares, divide, judge_shares
from tests.xenlab.timeline import Timeline

ASKS = st.dictionaries(
    st.sampled_from(["g1", "g2", "g3", "g4"]),
    st.tuples(st.integers(1, 1000), st.integers(0, 10_000_000)),
    min_size=1,
)


def contended(g1_mib: float, g2_mib: float, *, on_the_way: Sequence[list[Any]] = (), **third: int) -> Timeline:
    """832 MiB managed; 63 MiB of each guest are not in MemTotal, 47 are in use; two ask for 400 MiB more."""
    before = {"MemTotal": 193 * MIB, "MemAvailable": 146 * MIB, "oom_kill": 0, "pswpin": 0, "pswpout": 0}
    before |= {"workingset_refault_file": 0, "workingset_refault_anon": 0}
    samples = [sample(100.0, 67, *[(256, 257)] * 3), *on_the_way]
    samples += [sample(at_s, 67, (g1_mib, 0), (g2_mib, 0), (110, 0)) for at_s in (137.9, 138.5, 139.0, 139.9)]
    facts = {
        "weights": {"g1": 256, "g2": 768, "g3": 256},
        "asked_kib": {"g1": 400 * MIB, "g2": 400 * MIB},
        "managed_kib": 832 * MIB,
        "stats_before": dict.fromkeys(("g1", "g2", "g3"), before),
        "stats_contended": {"g3": before | third},
    }
    return made_run(samples=samples, marks=[["spike", 100.0]], facts=facts)


@given(st.integers(0, 10_000_000), ASKS)
def test_nobody_gets_more_than_it_asks_and_nothing_is_left_while_somebody_asks(
    budget_kib: int, asks: dict[str, tuple[int, int]]
) -> None:
    shares = divide(budget_kib, asks)
    assert shares.keys() == asks.keys()
    assert all(shares[name] <= asked for name, (_, asked) in asks.items())
    wanted_kib = min(budget_kib, sum(asked for _, asked in asks.values()))
    assert wanted_kib - len(asks) <= sum(shares.values()) <= wanted_kib


@given(st.integers(0, 10_000_000), ASKS)
def test_who_is_short_has_as_much_per_weight_as_anybody(budget_kib: int, asks: dict[str, tuple[int, int]]) -> None:
    shares = divide(budget_kib, asks)
    for name, (weight, asked) in asks.items():
        if shares[name] < asked:
            assert all(shares[other] / asks[other][0] <= (shares[name] + 1) / weight for other in asks)


def test_what_the_third_does_not_need_is_split_by_weight() -> None:
    shares = {share.domain: share.share_kib for share in compute_shares(contended(100, 100))}
    assert shares == {"g1": 655 * MIB // 4, "g2": 3 * 655 * MIB // 4, "g3": 110 * MIB}


def test_within_ten_percent_of_its_share_is_near_enough() -> None:
    good, bad = contended(655 / 4 * 1.09, 655 * 3 / 4 * 0.91), contended(655 / 4 * 1.11, 655 * 3 / 4)
    assert judge_shares(good, compute_shares(good)) == []
    assert judge_shares(bad, compute_shares(bad))[0].startswith("g1 has ")


def test_how_soon_a_share_is_reached_for_good_is_told() -> None:
    sizes = [(104.0, 164), (111.0, 200), (125.0, 160)]
    on_the_way = [sample(at_s, 67, (mib, 0), (491, 0), (110, 0)) for at_s, mib in sizes]
    g1, g2, _ = compute_shares(contended(164, 491, on_the_way=on_the_way))
    assert (g1.at_10_s_kib, g1.had_kib, g1.reached_s) == (200 * MIB, 164 * MIB, 25.0)
    assert g2.reached_s == 4.0
    never = compute_shares(contended(300, 491))[0]
    assert (never.at_10_s_kib, never.reached_s) == (None, None)


def test_a_bystander_that_swaps_or_refaults_was_robbed() -> None:
    swaps, refaults = contended(164, 491, pswpin=1), contended(164, 491, workingset_refault_file=300)
    assert judge_shares(swaps, compute_shares(swaps)) == ["g3 swapped 1 pages in, 0 of 28160 out"]
    assert judge_shares(refaults, compute_shares(refaults)) == ["g3 refaulted 300 pages of 28160"]


def test_a_run_without_contention_has_no_shares() -> None:
    assert compute_shares(made_run()) == []
