"""What came of playing a scenario under one policy: figures, requests, expectations, broken invariants, and a record.

Plain values; `play` makes them, the command line and the report show them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dom0_arbiter.simulator.invariants import Violation
from dom0_arbiter.simulator.scenarios.scenario import Verdict

Number = int | float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestOutcome:
    """What became of one request. outcome None: it was not decided within its time.

    missing_kib: what a refusal for lack named, else None. blame: the domains that a refusal named. took_s: from the
    asking to the answer. passed None: nothing was expected of it.
    """

    name: str
    at_s: float
    size_kib: int
    outcome: Verdict | None
    granted_kib: int | None
    missing_kib: int | None
    blame: Sequence[str]
    took_s: float | None
    passed: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectationOutcome:
    """Whether expectation number `index` of the scenario (from 0) held.

    found: the amount, figure or state farthest from what was expected; None where there was nothing to be found.
    """

    index: int
    passed: bool
    found: Number | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A record of who had what and needed what, KiB, Xen's view; every list is as long as times_s.

    A domain that does not exist at a time has and needs 0 then. free_kib: what no domain has; memory_kib: the host's.
    """

    times_s: Sequence[float]
    actual_kib: Mapping[str, Sequence[int]]
    demand_kib: Mapping[str, Sequence[int]]
    free_kib: Sequence[int]
    memory_kib: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One policy's. metrics: by the names of `scenario.METRICS`, None where there was nothing to measure."""

    policy: str
    metrics: Mapping[str, Number]
    requests: Sequence[RequestOutcome]
    expectations: Sequence[ExpectationOutcome]
    violations: Sequence[Violation]
    passed: bool
    series: Series | None = None
