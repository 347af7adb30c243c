"""How long it takes to play a large host for a day: seconds of one core, and what they are spent on.

The workload: each domain follows the day (a sine, its peak anywhere in the day but mostly in the afternoon, set anew
every ten minutes), idles at night at a third of its peak, and has two to twelve bursts a day, which last from half a
minute to half an hour and double its need at most. Half of the domains would use more cache than they have; a quarter
each swap to disk and to zram. The host has a tenth more than all need at their worst common moment.
"""

import cProfile
import io
import pstats
import time
from math import pi, sin
from random import Random

from dom0_arbiter.policy import MARGIN_KIB, Settings
from dom0_arbiter.simulator import Constant, GuestSpec, Steps
from dom0_arbiter.simulator.guests.kernel import Swap
from dom0_arbiter.simulator.playing.play import OURS, Play
from dom0_arbiter.simulator.scenarios.scenario import Appearance, Scenario
from dom0_arbiter.simulator.scenarios.scenario_file import swap_total_kib
from tests.evaluation.figures import Cell, Figures, Options, Table

MIB = 1024
DAY_S = 86_400
LEVEL_S = 600
STEP_S = 0.25
STATIC_MAX_KIB = 2048 * MIB
WANTED_S = 120.0
PROFILED_S = 1800.0
SHOWN = 14


def evaluate(options: Options) -> Figures:
    """Play it, once to be timed, and the beginning again to see what the time goes into."""
    scenario = workload(options.domains, duration_s=options.hours * 3600)
    began_s = time.process_time()
    played = Play(scenario, OURS)
    played.run()
    took_s = time.process_time() - began_s
    outcome, world = played.outcome(None), played.world
    cells: list[Cell] = [
        options.domains,
        options.hours,
        round(took_s, 1),
        round(took_s * 24 / options.hours, 1),
        world.directory.reports_total,
        world.directory.target_writes_total,
        outcome.metrics["unmet_kib_s"],
        outcome.metrics["oom_kills"],
        len(outcome.violations),
    ]
    return Figures(
        tables=[
            Table(
                name="day",
                columns=(
                    "domains",
                    "hours",
                    "core_s",
                    "core_s_per_day",
                    "reports",
                    "target_writes",
                    "unmet_kib_s",
                    "oom_kills",
                    "violations",
                ),
                rows=[cells],
            ),
            *profile(workload(options.domains, duration_s=min(PROFILED_S, scenario.duration_s))),
        ],
        violations=[str(each) for each in outcome.violations],
        notes=[
            f"wanted: under {WANTED_S:g} core_s for 200 domains and 24 hours; this machine, step {STEP_S} s",
            "profile: with the profiler itself, which doubles the time, most of all for small functions called often",
        ],
    )


def profile(scenario: Scenario) -> list[Table]:
    """Play under cProfile; return where most time is spent: in functions themselves, then with all they call."""
    profiler = cProfile.Profile()
    profiler.runcall(Play(scenario, OURS).run)
    stats = pstats.Stats(profiler, stream=io.StringIO()).get_stats_profile()
    functions = [
        (f"{each.file_name.rpartition('dom0_arbiter/')[2]}:{name}", each) for name, each in stats.func_profiles.items()
    ]
    ours = [pair for pair in functions if "dom0_arbiter" in pair[1].file_name]
    by_own = sorted(functions, key=lambda pair: -pair[1].tottime)[:SHOWN]
    by_whole = sorted(ours, key=lambda pair: -pair[1].cumtime)[:SHOWN]
    return [
        Table(
            name=name,
            columns=("function", "calls", "own_ratio", "with_callees_ratio"),
            rows=[
                [place, each.ncalls, *(round(s / stats.total_tt, 3) for s in (each.tottime, each.cumtime))]
                for place, each in chosen
            ],
        )
        for name, chosen in (("profile_own", by_own), ("profile_with_callees", by_whole))
    ]


def workload(domains: int, *, duration_s: float, seed: int = 0) -> Scenario:
    """The host, the same from a seed."""
    draw = Random(seed)
    courses = [_course(draw) for _ in range(domains)]
    peak_kib = max(sum(course.at(at_s) for course in courses) for at_s in range(0, DAY_S, LEVEL_S))
    settings = Settings()
    size_kib = max(peak_kib * 11 // 10 // domains, 256 * MIB) & ~3
    guests = []
    for index, course in enumerate(courses):
        swap: Swap = draw.choice(("none", "none", "disk", "zram"))
        spec = GuestSpec(
            name=f"vm{index:03d}",
            static_max_kib=STATIC_MAX_KIB,
            actual_kib=size_kib,
            need=course,
            cache=Constant(kib=draw.choice((100 * MIB, STATIC_MAX_KIB))),
            swap=swap,
            swap_total_kib=swap_total_kib(swap, STATIC_MAX_KIB),
        )
        guests.append(Appearance(spec=spec, target_kib=size_kib))
    return Scenario(
        name=f"day-{domains}",
        duration_s=duration_s,
        memory_kib=domains * (size_kib + MARGIN_KIB) + settings.slack_kib,
        settings=settings,
        guests=guests,
        step_s=STEP_S,
    )


def _course(draw: Random) -> Steps:
    """What one domain needs, through a day."""
    peak_kib = int(draw.triangular(250, 1000, 400)) * MIB
    peaks_s = draw.gauss(15 * 3600, 3 * 3600)
    bursts = sorted((draw.uniform(0, DAY_S), draw.lognormvariate(5.5, 1.0)) for _ in range(draw.randint(2, 12)))
    changes: dict[float, int] = {}

    def base_kib(at_s: float) -> int:
        middle = 0.5 + 0.5 * sin(2 * pi * ((at_s - peaks_s) / DAY_S + 0.25))
        return max(180 * MIB, int(peak_kib * (1 + 2 * middle) / 3)) & ~3

    for level in range(0, DAY_S, LEVEL_S):
        changes[float(level)] = base_kib(level)
    for at_s, length_s in bursts:
        lasts_s = min(max(length_s, 30.0), 1800.0)
        high_kib = int(base_kib(at_s) * draw.uniform(1.2, 2.0)) & ~3
        for level_s in [each for each in changes if at_s <= each < at_s + lasts_s]:
            del changes[level_s]
        changes[at_s] = high_kib
        changes[at_s + lasts_s] = base_kib(at_s + lasts_s)
    times_s = sorted(changes)
    return Steps(times_s=times_s, amounts_kib=[changes[each] for each in times_s])
