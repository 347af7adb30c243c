"""What memory nobody needs is best used for: spread over the guests' caches, kept free, or left to dom0's cache.

A played guest reads from its disk what its page cache misses. Where two settings of the surplus do the same in the
simulator, their rows are the same.
"""

from dataclasses import replace
from typing import get_args

from dom0_arbiter.policy.settings import SurplusName
from dom0_arbiter.simulator.playing.play import OURS, Play
from tests.evaluation.figures import Cell, Figures, Options, Table
from tests.evaluation.made_hosts import wishes
from tests.evaluation.parallel import in_parallel


def evaluate(options: Options) -> Figures:
    """Play the host of caches with each setting."""
    settings: tuple[SurplusName, ...] = get_args(SurplusName)
    found = in_parallel(play_surplus, [(surplus, options.duration_s) for surplus in settings])
    return Figures(
        tables=[
            Table(
                name="surplus",
                columns=(
                    "surplus",
                    "cache_miss_kib",
                    "read_kib_s",
                    "unmet_kib_s",
                    "moved_kib",
                    "free_at_end_kib",
                    "oom_kills",
                ),
                rows=[cells for cells, _ in found],
            )
        ],
        violations=[text for _, texts in found for text in texts],
        notes=["read_kib_s: what all six guests together read from their disks because their caches had missed it"],
    )


def play_surplus(task: tuple[SurplusName, float | None]) -> tuple[list[Cell], list[str]]:
    """Return one row, and what was violated."""
    surplus, duration_s = task
    scenario = wishes(surplus)
    if duration_s is not None and duration_s < scenario.duration_s:
        scenario = replace(scenario, duration_s=duration_s)
    played = Play(scenario, OURS)
    played.run()
    outcome = played.outcome(None)
    metrics = outcome.metrics
    miss_kib = metrics["cache_miss_kib"] or 0
    cells: list[Cell] = [
        surplus,
        miss_kib,
        round(miss_kib / scenario.duration_s),
        metrics["unmet_kib_s"],
        metrics["moved_kib"],
        played.world.host.free_kib,
        metrics["oom_kills"],
    ]
    return cells, [f"{surplus}: {each}" for each in outcome.violations]
