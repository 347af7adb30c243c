"""Whether memory for a start can be set aside, has to be waited for, or must be refused; and who stands in the way.

Others' working sets are not taken for a start, nor what one burst of theirs may want: that would only swap the trouble
for a later one. The rest of their headroom is: a start that fails while others hold more than they use is what users
mind most.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from dom0_arbiter.policy.allocate import PAGE_KIB

Outcome = Literal["granted", "waiting", "refused-lack", "refused-stuck"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdout:
    """A domain that does not give what it could spare. is_given_up: it was asked, and is left alone for now."""

    domid: int
    spare_kib: int
    is_given_up: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """kib: what is set aside, or what is waited for. missing_kib: what a refusal lacks. blame: domids in the way."""

    outcome: Outcome
    kib: int = 0
    missing_kib: int = 0
    blame: Sequence[int] = ()


def judge_reservation(
    *, size_kib: int, min_kib: int, possible_kib: int, unpromised_kib: int, holdouts: Sequence[Holdout]
) -> Verdict:
    """Decide on a request for size_kib, or as little as min_kib (1..size_kib).

    possible_kib: what could be set free beside working sets; may be negative.
    unpromised_kib: what of that is free already.
    """
    goal_kib = min(size_kib, possible_kib)
    if goal_kib >= min_kib:
        goal_kib = max(min_kib, goal_kib - goal_kib % PAGE_KIB)
        return Verdict(outcome="granted" if unpromised_kib >= goal_kib else "waiting", kib=goal_kib)
    stuck = [holdout for holdout in holdouts if holdout.spare_kib > 0]
    missing_kib = min_kib - max(0, possible_kib)
    if possible_kib + sum(holdout.spare_kib for holdout in stuck) < min_kib:
        return Verdict(outcome="refused-lack", missing_kib=missing_kib)
    if any(not holdout.is_given_up for holdout in stuck):
        return Verdict(outcome="waiting", kib=max(0, possible_kib))
    return Verdict(outcome="refused-stuck", missing_kib=missing_kib, blame=[holdout.domid for holdout in stuck])
