"""Holds the engine's quiet looks beside looks that are thought through."""

from collections.abc import Sequence
from dataclasses import replace

from dom0_arbiter.engine import Decision, Event, HostSampled, Plan, State, step
from dom0_arbiter.engine.quiet import QUIET_AT_MOST_S

NEVER_S = float("-inf")


class Watch:
    """Stands in for `step`: does the same, and raises if a look that got no second thought should have had one.

    With demands as they were when the last plan was made, that must change nothing whatsoever. Where some have drifted,
    nobody may lack anything, and not for longer than said.
    """

    def __init__(self) -> None:
        self.looks_total = self.quiet_total = self.drifted_total = 0
        self.drifts_from_s = float("inf")

    def step(self, state: State, events: Sequence[Event], now_s: float) -> tuple[State, Plan, Sequence[Decision]]:
        after, plan, decisions = step(state, events, now_s)
        looks = any(isinstance(event, HostSampled) for event in events)
        is_quiet = looks and after.sample is state.sample
        drifts = any(domain.demand != domain.planned for domain in after.domains.values())
        if looks and not is_quiet:
            self.drifts_from_s = float("inf")
        if drifts:
            self.drifts_from_s = min(self.drifts_from_s, now_s)
        if is_quiet:
            thought, thought_plan, thought_decisions = step(replace(state, quiet_until_s=NEVER_S), events, now_s)
            if drifts:
                assert now_s < self.drifts_from_s + QUIET_AT_MOST_S, "what drifted is taken in by then"
                assert not (thought.is_pressed or thought.is_short), "and until then, nobody lacks anything"
            else:
                assert (plan, decisions) == (thought_plan, thought_decisions)
                assert replace(after, quiet_until_s=0.0) == replace(thought, quiet_until_s=0.0)
        self.looks_total += looks
        self.quiet_total += is_quiet
        self.drifted_total += is_quiet and drifts
        return after, plan, decisions
