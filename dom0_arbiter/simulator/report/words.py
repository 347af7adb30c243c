"""Figures and failures in words, the same in the terminal and in the report."""

from collections.abc import Iterator
from dataclasses import dataclass

from dom0_arbiter.simulator.playing.outcome import ExpectationOutcome, Number, Outcome, RequestOutcome
from dom0_arbiter.simulator.scenarios.scenario import Expectation, Scenario

MIB, GIB = 1024, 1024 * 1024
OURS = "aerostat"  # the one policy that is held to the invariants
SHOWN = 20  # of violations; a rule that breaks tends to break again


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricWords:
    """How one metric is shown: divided by `divisor`, with so many decimals. Less is better, but where more is."""

    short: str
    unit: str
    meaning: str
    divisor: float = 1
    decimals: int = 0
    more_is_better: bool = False

    def format(self, value: Number) -> str:
        """The value in its unit; a dash where there is none."""
        return "–" if value is None else f"{value / self.divisor:,.{self.decimals}f}"


METRIC_WORDS: dict[str, MetricWords] = {
    "unmet_kib_s": MetricWords(
        short="unmet", unit="GiB s", divisor=GIB, decimals=2, meaning="memory needed and not had, times how long"
    ),
    "swap_kib": MetricWords(short="swapped", unit="MiB", divisor=MIB, meaning="moved to and from swap"),
    "stall_s": MetricWords(short="stalled", unit="s", decimals=1, meaning="programs stood still for lack of memory"),
    "oom_kills": MetricWords(short="killed", unit="", meaning="programs killed for lack of memory"),
    "cache_miss_kib": MetricWords(
        short="cache", unit="MiB missed", divisor=MIB, meaning="read again for lack of cache"
    ),
    "reaction_p50_s": MetricWords(
        short="reaction", unit="s, p50", decimals=2, meaning="from a need to the memory for it, half of the times"
    ),
    "reaction_p95_s": MetricWords(
        short="reaction", unit="s, p95", decimals=2, meaning="from a need to the memory for it, 95 of 100 times"
    ),
    "handover_s": MetricWords(
        short="handover", unit="s", decimals=2, meaning="to bring 1 GiB from an idle guest to one in need"
    ),
    "moved_kib": MetricWords(short="moved", unit="GiB", divisor=GIB, decimals=1, meaning="moved by balloons"),
    "reversals": MetricWords(short="reversals", unit="", meaning="moves that were soon undone"),
    "fairness_min_ratio": MetricWords(
        short="fairness",
        unit="worst",
        decimals=2,
        more_is_better=True,
        meaning="of its fair share, what the worst off domain had",
    ),
}


def describe_failures(scenario: Scenario, outcome: Outcome) -> Iterator[str]:
    """One line for each request and expectation that failed, and for violations: the first, and those missed."""
    for request in outcome.requests:
        if request.passed is False:
            yield f"request {describe_request(request)}"
    for judged in outcome.expectations:
        if not judged.passed:
            yield f"expectation {judged.index}: {describe_expectation(scenario.expectations[judged.index], judged)}"
    for violation in outcome.violations[:SHOWN]:
        where = violation.domain or "host"
        expected = " (as expected)" if violation.invariant in scenario.expect_violated else ""
        yield f"invariant {violation.invariant}{expected} at {violation.at_s:g} s: {where}: {violation.detail}"
    if len(outcome.violations) > SHOWN:
        yield f"and {len(outcome.violations) - SHOWN} more violations"
    broken = {each.invariant for each in outcome.violations}
    for invariant in sorted(scenario.expect_violated - broken) if outcome.policy == OURS else ():
        yield f"invariant {invariant} was expected to be violated, and was not"


def describe_request(request: RequestOutcome) -> str:
    """What was asked for, and what came of it."""
    words = f"{request.name} ({request.size_kib // MIB} MiB at {request.at_s:g} s): {request.outcome or 'undecided'}"
    if request.granted_kib is not None:
        words += f", {request.granted_kib // MIB} MiB"
    if request.missing_kib is not None:
        words += f", {request.missing_kib // MIB} MiB missing"
    if request.blame:
        words += f", because of {', '.join(request.blame)}"
    return words + ("" if request.took_s is None else f", after {request.took_s:.2f} s")


def describe_expectation(expected: Expectation, judged: ExpectationOutcome) -> str:
    """What was expected, and what was found instead, or as well."""
    subject = expected.subject if expected.domain is None else f"{expected.subject} of {expected.domain}"
    when = (
        f"at {expected.from_s:g} s"
        if expected.from_s == expected.until_s
        else (f"from {expected.from_s:g} to {expected.until_s:g} s")
    )
    wanted = expected.state or f"{_plain(expected.low)} to {_plain(expected.high)}"
    found = "nothing" if judged.found is None else _plain(judged.found)
    return f"{subject} {when}: {wanted} expected, {found} found"


def _plain(value: Number | str) -> str:
    return value if isinstance(value, str) else "–" if value is None else f"{value:,.10g}"
