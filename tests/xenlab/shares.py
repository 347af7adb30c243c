"""What each guest's share of a contended host is, from what programs asked for and guests' own counters alone.

The budget is everything that is managed, less slack and each guest's margin. A guest asks for its working set: what it
could not give up before (MemTotal − MemAvailable, with what Xen gave it beyond MemTotal) and what its program touches.
"""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from tests.xenlab.catalogue import MARGIN_MIB, SLACK_MIB
from tests.xenlab.timeline import Timeline

SPIKE = "spike"  # the mark from which the time to a share counts
# What is wanted is a share within 10 s; what is judged is whether each comes to it and stays. How fast a full guest can
# give is a matter of the machine that emulates it: that is told, not judged.
WANTED_FROM_S, WANTED_UNTIL_S = 10.0, 12.0
JUDGED_FROM_S, JUDGED_UNTIL_S = 38.0, 40.0
SHARE_TOLERANCE = 0.10
WRONG_PAGES_RATIO = 0.01
PAGE_KIB = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One guest's, with what Xen said it had (medians over 2 s): 10 s after the start, and in the end.

    `reached_s`: from the start until it was within 10 % of its share for good; None where it was not in the end.
    """

    domain: str
    weight: int
    asked_kib: int
    share_kib: int
    at_10_s_kib: int | None
    had_kib: int | None
    reached_s: float | None


def divide(budget_kib: int, asks: Mapping[str, tuple[int, int]]) -> dict[str, int]:
    """Weighted max-min over (weight, asked KiB): who gets less than it asks has as much per weight as anybody else."""
    shares: dict[str, int] = {}
    left_kib, waiting = budget_kib, dict(asks)
    while waiting:
        weights = sum(weight for weight, _ in waiting.values())
        content = {name: kib for name, (weight, kib) in waiting.items() if kib * weights <= weight * left_kib}
        if not content:
            return shares | {name: weight * left_kib // weights for name, (weight, _) in waiting.items()}
        shares |= content
        left_kib -= sum(content.values())
        waiting = {name: ask for name, ask in waiting.items() if name not in content}
    return shares


def compute_shares(timeline: Timeline) -> list[Share]:
    """Everybody's share in a run that has asked for more than there is; nothing for other runs."""
    facts = timeline.facts
    start_s = next((at_s for name, at_s in timeline.marks if name == SPIKE), None)
    before = timeline.sample_at(timeline.t0_s) if timeline.t0_s is not None else None
    if start_s is None or before is None:
        return []
    asks = {}
    for name, weight in facts["weights"].items():
        stat = facts["stats_before"][name]
        offset_kib = before.domains[timeline.domids[name]].mem_kib - stat["MemTotal"]
        used_kib = stat["MemTotal"] - stat["MemAvailable"]
        asks[name] = (weight, offset_kib + used_kib + facts["asked_kib"].get(name, 0))
    budget_kib = facts["managed_kib"] - (SLACK_MIB + MARGIN_MIB * len(asks)) * 1024
    shares = divide(budget_kib, asks)
    sizes = {name: timeline.sizes(timeline.domids[name], from_s=start_s) for name in asks}
    after = {name: [(at_s - start_s, kib) for at_s, kib in each] for name, each in sizes.items()}
    return [_share(name, weight, kib, shares[name], after[name]) for name, (weight, kib) in asks.items()]


def _share(domain: str, weight: int, asked_kib: int, share_kib: int, sizes: list[tuple[float, int]]) -> Share:
    """`sizes`: (seconds after the start, KiB)."""

    def median_kib(from_s: float, until_s: float) -> int | None:
        window = [kib for after_s, kib in sizes if from_s <= after_s <= until_s]
        return int(statistics.median(window)) if window else None

    had_kib, reached_s = median_kib(JUDGED_FROM_S, JUDGED_UNTIL_S), None
    for after_s, kib in reversed([each for each in sizes if each[0] <= JUDGED_UNTIL_S]):
        if not _is_near(kib, share_kib):
            break
        reached_s = round(after_s, 1)
    return Share(
        domain=domain,
        weight=weight,
        asked_kib=asked_kib,
        share_kib=share_kib,
        at_10_s_kib=median_kib(WANTED_FROM_S, WANTED_UNTIL_S),
        had_kib=had_kib,
        reached_s=reached_s if had_kib is not None else None,
    )


def _is_near(kib: int, share_kib: int) -> bool:
    return abs(kib - share_kib) <= SHARE_TOLERANCE * share_kib


def judge_shares(timeline: Timeline, shares: list[Share]) -> list[str]:
    """What is wrong: a share missed by more than 10 % by those who contend, a bystander who swaps or refaults."""
    wrong = []
    for share in shares:
        if share.domain in timeline.facts["asked_kib"]:
            if share.reached_s is None or share.reached_s > JUDGED_FROM_S:
                wrong.append(f"{share.domain} has {share.had_kib} KiB, its share is {share.share_kib} KiB")
            continue
        before = timeline.facts["stats_before"][share.domain]
        after = timeline.facts.get("stats_contended", {}).get(share.domain, before)  # a run that was lost has none
        swapped_in, swapped_out = (after[key] - before[key] for key in ("pswpin", "pswpout"))
        refaults = sum(
            after[f"workingset_refault_{kind}"] - before[f"workingset_refault_{kind}"] for kind in ("file", "anon")
        )
        pages = (share.had_kib or 0) // PAGE_KIB
        # What is swapped out and never missed was no working set: Linux does that with a page or two of any idle guest.
        if swapped_in or swapped_out > WRONG_PAGES_RATIO * pages:
            wrong.append(f"{share.domain} swapped {swapped_in} pages in, {swapped_out} of {pages} out")
        if refaults > WRONG_PAGES_RATIO * pages:
            wrong.append(f"{share.domain} refaulted {refaults} pages of {pages}")
    return wrong
