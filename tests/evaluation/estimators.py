"""How far each estimator is from what guests need in truth, while our policy balances them.

Truth is what a guest's programs hold, or would by now had they the memory, Xen's view; the estimate is the domain's
learned offset and what the estimator makes of its history at that moment, however old the last report is.
"""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from dom0_arbiter.policy.estimators import ESTIMATORS
from dom0_arbiter.simulator import World
from dom0_arbiter.simulator.playing.play import OURS
from dom0_arbiter.simulator.scenarios.scenario import Scenario
from dom0_arbiter.simulator.scenarios.scenario_file import read_scenario
from tests.evaluation.figures import Cell, Figures, Options, Table, quantile, rounded
from tests.evaluation.made_hosts import MADE
from tests.evaluation.parallel import in_parallel
from tests.evaluation.watched import Watched

SETTLES_S = 5.0  # agents start, introduce themselves, and are heard
COLUMNS = (
    "case",
    "estimator",
    "samples",
    "signed_p50_kib",
    "abs_p50_kib",
    "abs_p95_kib",
    "signed_p50_ratio",
    "signed_p5_ratio",
    "signed_p95_ratio",
    "abs_p50_ratio",
    "abs_p95_ratio",
)


@dataclass(slots=True)
class Errors:
    """Estimate less truth, KiB, and the truth each belongs to."""

    error_kib: "array[int]"
    truth_kib: "array[int]"


class Sampler:
    """Looks at all guests that speak the truth; mutable."""

    def __init__(self) -> None:
        self.errors: dict[str, Errors] = {name: Errors(array("q"), array("q")) for name in ESTIMATORS}

    def __call__(self, world: World) -> None:
        """Take one sample of each guest."""
        if world.arbiter is None or world.now_s < SETTLES_S:
            return
        for domid, domain in world.arbiter.state.domains.items():
            guest = world.guests.get(domid)
            history, offset_kib = domain.history, domain.memory_offset_kib
            if guest is None or history is None or offset_kib is None or guest.spec.character.lie_factor != 1.0:
                continue
            truth_kib = guest.demand_kib
            for name, estimator in ESTIMATORS.items():
                errors = self.errors[name]
                errors.error_kib.append(offset_kib + estimator(history, world.now_s) - truth_kib)
                errors.truth_kib.append(truth_kib)


def evaluate(options: Options) -> Figures:
    """Play all hosts, and add up what was seen."""
    cases: list[str | Path] = [*options.scenarios, *MADE]
    found = in_parallel(sample_case, [(case, options.duration_s) for case in cases])
    names = [case if isinstance(case, str) else case.stem for case in cases]
    rows = [
        row(name, estimator, [errors[estimator]])
        for name, errors in zip(names, found, strict=True)
        for estimator in ESTIMATORS
    ]
    rows += [row("all", estimator, [errors[estimator] for errors in found]) for estimator in ESTIMATORS]
    return Figures(
        tables=[Table(name="errors", columns=COLUMNS, rows=rows)],
        notes=[
            "error: estimate less truth; ratio: over the truth; one sample a second of each guest that does not lie",
            "played guests commit what they touch: real Committed_AS is larger, so committed-as is flattered here",
        ],
    )


def sample_case(task: tuple[str | Path, float | None]) -> Mapping[str, Errors]:
    """Play one host under our policy."""
    case, duration_s = task
    scenario: Scenario = MADE[case]() if isinstance(case, str) else read_scenario(case)
    if duration_s is not None and duration_s < scenario.duration_s:
        scenario = replace(scenario, duration_s=duration_s, expectations=(), requests=())
    sampler = Sampler()
    Watched(scenario, OURS, sampler).run()
    return sampler.errors


def row(case: str, estimator: str, parts: Sequence[Errors]) -> list[Cell]:
    """The figures of one estimator; None where nothing was sampled."""
    errors_kib = list(chain.from_iterable(part.error_kib for part in parts))
    truths_kib = chain.from_iterable(part.truth_kib for part in parts)
    ratios = [error / truth for error, truth in zip(errors_kib, truths_kib, strict=True)]
    sizes_kib, sizes = [abs(error) for error in errors_kib], [abs(ratio) for ratio in ratios]
    return [
        case,
        estimator,
        len(errors_kib),
        quantile(errors_kib, 0.5),
        quantile(sizes_kib, 0.5),
        quantile(sizes_kib, 0.95),
        rounded(quantile(ratios, 0.5)),
        rounded(quantile(ratios, 0.05)),
        rounded(quantile(ratios, 0.95)),
        rounded(quantile(sizes, 0.5)),
        rounded(quantile(sizes, 0.95)),
    ]
