"""The lab's `spike` played in the simulator, with the lab's own speeds: does it end alike, and as soon?

    python -m tests.evaluation.calibration --lab FILE.json [--json FILE]

FILE.json is what `./dev xenlab spike --runs N --json FILE.json` wrote. Each valid run is played once: guests of the
sizes and with the use that they had at T0, two with 120 MiB of file in their cache, read once; the third touches 300
MiB, holds them for 12 s and lets go. From that run come the balloons' fastest speeds, how often the arbiter came to
write targets while the program touched, how long it took to answer when it let go, and the program's pace: `steady`,
as it was until memory ran short; or `followed`, for each 16 MiB as it was there, for on the lab's one CPU whoever
moves memory slows the program down. Both hosts are judged by the same code (tests.xenlab.figures).
Exit status 1 where a verdict differs, or, at the steady pace, the median of a time by more than 25 %: moving memory
costs the simulator's guests no CPU, so a pace that is followed there is one that their donors never slowed.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from dom0_arbiter.simulator import Character
from tests.evaluation.calibration_host import DONORS, MIB, SPIKER, TOUCHED_KIB, Guest, Speeds, play_spike
from tests.evaluation.figures import Cell, Figures, Table, rounded

TOLERANCE = 0.25
TIMES = ("touch_to_last_page_s", "touch_to_grown_s", "release_settled_s", "release_at_rest_s")
COMPARED = ("run_s", *TIMES, "target_writes")
PACES = ("steady", "followed")
JUDGED = "steady"


def speeds_of(run: dict[str, Any], pace: str) -> Speeds:
    """A lab run's; what it could not show is as the simulator has it."""
    ideal = Character()
    touch = [(TOUCHED_KIB, (run["unhindered_mib_s"] or run["control_touch_mib_s"]) * MIB)]
    if pace == "followed":
        touch = [
            (int(kib), (kib - before_kib) / (at_s - before_s))
            for (before_s, before_kib, _), (at_s, kib, _) in pairwise(run["touched"])
            if kib > before_kib and at_s > before_s
        ]
    return Speeds(
        touch=touch,
        up_kib_s=int((run["balloon_mib_s"] or ideal.up_kib_s / MIB) * MIB),
        down_kib_s=int((run["balloon_down_mib_s"] or ideal.down_kib_s / MIB) * MIB),
        donor_down_kib_s=int((run["donor_down_mib_s"] or ideal.down_kib_s / MIB) * MIB),
        turn_s=run["write_round_s"] or 0.0,
        release_turn_s=run["release_answer_s"] or 0.0,
    )


def guests_of(run: dict[str, Any]) -> dict[str, Guest]:
    """A lab run's at T0."""
    return {
        name: Guest(actual_kib=at["actual_kib"], used_kib=at["actual_kib"] - at["available_kib"])
        for name, at in run["at_t0"].items()
        if name in (*DONORS, SPIKER)
    }


def compare(lab: dict[str, Any]) -> Figures:
    """Each valid run of `spike`, and what came of it in the simulator."""
    scenario = next(one for one in lab["scenarios"] if one["name"] == "spike")
    runs = [run for run in scenario["runs"] if run["valid"]]
    rows: list[list[Cell]] = []
    medians: list[list[Cell]] = []
    differ = []
    for pace in PACES:
        both: dict[str, list[tuple[float, float]]] = {name: [] for name in TIMES}
        for number, run in enumerate(runs, 1):
            speeds = speeds_of(run, pace)
            played, kills = play_spike(guests_of(run), speeds)
            if (kills > 0) != (run["oom_kills"] > 0):
                differ.append(
                    f"{pace}, run {number}: {run['oom_kills']} OOM kills in the lab, {kills} in the simulator"
                )
            row: list[Cell] = [
                pace,
                number,
                None if len(speeds.touch) > 1 else rounded(speeds.touch[0][1] / MIB, 1),
                rounded(speeds.up_kib_s / MIB, 0),
                rounded(speeds.down_kib_s / MIB, 0),
                rounded(speeds.donor_down_kib_s / MIB, 0),
                rounded(speeds.turn_s, 2),
                rounded(speeds.release_turn_s, 2),
                run["oom_kills"],
                kills,
            ]
            for name in COMPARED:
                in_lab, in_sim = run[name], getattr(played, name)
                row += [rounded(in_lab, 2), rounded(in_sim, 2)]
                if name in both and in_lab is not None and in_sim is not None:
                    both[name].append((in_lab, in_sim))
            rows.append(row)
        for name, pairs in both.items():
            medians.append(row_of_medians(pace, name, pairs))
    differ += [f"{row[0]}: {row[1]}: ratio {row[5]}" for row in medians if row[0] == JUDGED and row[6] is not True]
    columns = (
        "pace",
        "run",
        "touch_mib_s",
        "up_mib_s",
        "down_mib_s",
        "donor_down_mib_s",
        "turn_s",
        "release_turn_s",
        "oom_lab",
        "oom_sim",
    )
    sides = tuple(f"{name}_{side}" for name in COMPARED for side in ("lab", "sim"))
    return Figures(
        tables=[
            Table(name="runs", columns=(*columns, *sides), rows=rows),
            Table(name="medians", columns=("pace", "time", "runs", "lab_s", "sim_s", "ratio", "is_near"), rows=medians),
        ],
        violations=differ,
        notes=["touch, up, down and turn are the lab's, measured in that run; the rest follows"],
    )


def row_of_medians(pace: str, name: str, pairs: Sequence[tuple[float, float]]) -> list[Cell]:
    """Over the runs that have the time on both sides."""
    if not pairs:
        return [pace, name, 0, None, None, None, None]
    in_lab, in_sim = (median(pair[side] for pair in pairs) for side in (0, 1))
    ratio = in_sim / in_lab if in_lab else None
    is_near = ratio is not None and abs(ratio - 1) <= TOLERANCE
    return [pace, name, len(pairs), rounded(in_lab, 2), rounded(in_sim, 2), rounded(ratio), is_near]


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, print, return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.evaluation.calibration", description=__doc__)
    parser.add_argument("--lab", type=Path, required=True, metavar="FILE", help="from ./dev xenlab spike --json FILE")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    options = parser.parse_args(arguments)
    figures = compare(json.loads(options.lab.read_text()))
    for table in figures.tables:
        print(f"{table.name}\n{table.as_text()}\n")
    for text in figures.violations:
        print(f"differs: {text}")
    if options.json is not None:
        options.json.write_text(json.dumps(figures.as_json()) + "\n")
    return 1 if figures.violations else 0


if __name__ == "__main__":
    sys.exit(main())
