"""A guest in a swap storm is given its memory: how long until it is well again, under each policy?

Two guests share 4 GiB evenly. At 10 s both need more than their halves: `storm` half as much again, its neighbour a
quarter. At 70 s the neighbour's program ends, and there is memory for all that `storm` needs: from then on it counts.
Well again: a window of 1 s in which PSI memory `full` rose by less than 1 %; a relapse is a later second that is worse.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from dom0_arbiter.policy import MARGIN_KIB, Settings
from dom0_arbiter.simulator import GuestSpec, Steps, World
from dom0_arbiter.simulator.guests.kernel import Swap
from dom0_arbiter.simulator.playing.play import put_in_charge
from dom0_arbiter.simulator.scenarios.scenario import POLICIES
from dom0_arbiter.simulator.scenarios.scenario_file import swap_total_kib
from tests.evaluation.figures import Cell, Figures, Options, Table, quantile, rounded
from tests.evaluation.parallel import in_parallel

MIB = 1024
GIB = 1024 * MIB
RISES_S, GIVEN_S, WATCHED_S = 10.0, 70.0, 120.0
GRID_S, WINDOW_S = 0.1, 1.0
WELL_RATIO = 0.01
SWAPS: Sequence[Swap] = ("disk", "zram")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """before_ratio: PSI full in the median second of the storm. recover_s None: not within WATCHED_S, or killed.

    swapped_kib: what still lies in swap at that moment.
    """

    policy: str
    swap: Swap
    before_ratio: float
    recover_s: float | None
    swapped_kib: int | None
    relapses: int
    oom_kills: int
    violations: tuple[str, ...]


def evaluate(options: Options) -> Figures:
    """Play each policy with each kind of swap."""
    policies = options.policies or POLICIES
    found = in_parallel(recover, [(policy, swap) for swap in SWAPS for policy in policies])
    return Figures(
        tables=[
            Table(
                name="recover",
                columns=(
                    "swap",
                    "policy",
                    "full_before_ratio",
                    "recover_s",
                    "still_swapped_kib",
                    "relapses",
                    "oom_kills",
                ),
                rows=[_row(each) for each in found],
            )
        ],
        violations=[text for each in found for text in each.violations],
        notes=["recover_s: from the neighbour's end until a window of 1 s with PSI full under 1 %; 1.0 is the least"],
    )


def recover(task: tuple[str, Swap]) -> Recovery:
    """Play one policy with one kind of swap."""
    policy, swap = task
    world, domid = _host(swap)
    put_in_charge(policy, world)
    kernel = world.guests[domid].kernel
    full_us: list[int] = []
    swapped_kib: list[int] = []
    while world.now_s < GIVEN_S + WATCHED_S - GRID_S / 2:
        world.run(GRID_S, moving_dt_s=0.02)
        full_us.append(kernel.psi_full_us_total)
        swapped_kib.append(kernel.swapped_kib + kernel.pooled_kib)
    per_window = round(WINDOW_S / GRID_S)
    given = round(GIVEN_S / GRID_S)
    ratios = [
        (full_us[index] - full_us[index - per_window]) / (WINDOW_S * 1e6) for index in range(per_window, len(full_us))
    ]
    storm = ratios[round((RISES_S + 20) / GRID_S) : given - per_window]
    after = ratios[given - 1 :]  # the first window that begins when the neighbour ends
    is_well = [ratio < WELL_RATIO for ratio in after]
    first = is_well.index(True) if True in is_well else None
    kills = world.oom_kills_total
    well = None if kills else first
    return Recovery(
        policy=policy,
        swap=swap,
        before_ratio=quantile(storm, 0.5) or 0.0,
        recover_s=None if well is None else WINDOW_S + well * GRID_S,
        swapped_kib=None if well is None else swapped_kib[given + per_window - 1 + well],
        relapses=0 if first is None else _relapses(is_well[first:], per_window),
        oom_kills=kills,
        violations=tuple(f"{policy}, {swap}: {each}" for each in world.inspector.violations),
    )


def _host(swap: Swap) -> tuple[World, int]:
    settings = Settings()
    world = World(total_kib=4 * GIB, settings=settings)
    size_kib = ((4 * GIB - settings.slack_kib) // 2 - MARGIN_KIB) & ~3
    needs = {
        "storm": Steps(times_s=[0.0, RISES_S], amounts_kib=[600 * MIB, 2900 * MIB]),
        "neighbour": Steps(times_s=[0.0, RISES_S, GIVEN_S], amounts_kib=[600 * MIB, 2400 * MIB, 400 * MIB]),
    }
    storm, _ = (
        world.start(
            GuestSpec(
                name=name,
                static_max_kib=4 * GIB,
                actual_kib=size_kib,
                need=need,
                swap=swap,
                swap_total_kib=swap_total_kib(swap, 4 * GIB),
            )
        )
        for name, need in needs.items()
    )
    return world, storm


def _relapses(is_well: Sequence[bool], per_window: int) -> int:
    """Seconds that are not well; windows that overlap are counted once."""
    relapses, index = 0, 0
    while index < len(is_well):
        if is_well[index]:
            index += 1
        else:
            relapses += 1
            index += per_window
    return relapses


def _row(found: Recovery) -> list[Cell]:
    return [
        found.swap,
        found.policy,
        rounded(found.before_ratio),
        rounded(found.recover_s, 1),
        found.swapped_kib,
        found.relapses,
        found.oom_kills,
    ]
