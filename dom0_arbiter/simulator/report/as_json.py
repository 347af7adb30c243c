"""Outcomes as the JSON of the kinds `simulate` and `replay`; keys are only ever added."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from dom0_arbiter.simulator.playing.outcome import Outcome
from dom0_arbiter.simulator.scenarios.scenario import METRICS, Scenario
from protocol import __version__


def simulate_json(scenario: Scenario, seed: int, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return the object of kind `simulate`."""
    return {
        **_head("simulate", outcomes),
        "scenario": scenario.name,
        "seed": seed,
        "duration_s": scenario.duration_s,
        "policies": [
            {
                **_judged(outcome),
                "requests": [asdict(each) | {"blame": list(each.blame)} for each in outcome.requests],
                "expectations": [asdict(each) for each in outcome.expectations],
                "violations": [asdict(each) for each in outcome.violations],
            }
            for outcome in outcomes
        ],
    }


def replay_json(scenario: Scenario, outcomes: Sequence[Outcome], *, trace: str, speedup: float) -> dict[str, Any]:
    """Return the object of kind `replay`. trace: as it was named; speedup: how much faster than in it time passed."""
    return {
        **_head("replay", outcomes),
        "trace": trace,
        "domains": len(scenario.guests),
        "host_memory_kib": scenario.memory_kib,
        "speedup": speedup,
        "policies": [
            {**_judged(outcome), "violations": [asdict(each) for each in outcome.violations]} for outcome in outcomes
        ],
    }


def _head(kind: str, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    passed = all(outcome.passed for outcome in outcomes)
    return {"format": 1, "kind": kind, "version": __version__, "passed": passed}


def _judged(outcome: Outcome) -> dict[str, Any]:
    metrics = {name: outcome.metrics.get(name) for name in METRICS}
    return {"policy": outcome.policy, "passed": outcome.passed, "metrics": metrics}
