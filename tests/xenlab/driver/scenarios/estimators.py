"""How large a guest must be for a program of known working set, found by trying; what its agent says meanwhile."""

import time
from dataclasses import dataclass
from typing import Any

from tests.xenlab.catalogue import COMFORTABLE, SHORT_BY_RATIO
from tests.xenlab.driver.console import Job, wait_until
from tests.xenlab.driver.guests import CACHE_FILE, Guest
from tests.xenlab.driver.lab import Lab
from tests.xenlab.driver.run import InvalidStart, Run
from tests.xenlab.driver.scenarios.operator import hand_back, set_size
from tests.xenlab.driver.scenarios.stage import begin, finish, wait_managed

ANON_MIB, FILE_MIB = 200, 60
STEPS, PAUSE_MS = 8, 400
COMFORTABLE_MIB = 480
BEST_OF = 8  # cycles at the comfortable size
STEADY_MIN = 3  # of them must be within 5 % of the best
CYCLE_WITHIN_S = 120.0
SIZED_WITHIN_S = 30.0
RESOLUTION_MIB = 4
# The first size tried is known to be too small: what is available, and so much of what is hot, is taken away.
SHORT_MIB = 60
# A size is good if two of the cycles begun there are within 5 %: one may be luck, and the machine is noisy.
GOOD_CYCLES, CYCLES_MAX = 2, 8
TRIED_MAX_S = 60.0


@dataclass(slots=True)
class Cycles:
    """The cycles of the program under way."""

    job: Job

    def begun_after(self, guest: Guest, at_s: float) -> list[dict[str, Any]]:
        """Those that began after a moment (of dom0's clock) and are over."""
        return [part for part in self.job.parts if part["began_s"] - guest.skew.ahead_s >= at_s]

    def wait(self, guest: Guest, count: int, at_s: float) -> list[dict[str, Any]]:
        """So many that began after a moment; fewer where they take too long."""
        wait_until(lambda: len(self.begun_after(guest, at_s)) >= count, count * CYCLE_WITHIN_S, 0.2)
        return self.begun_after(guest, at_s)


def play_estimators(lab: Lab, run: Run) -> None:
    """Measure the program at ease, then bisect between a size that is too small and the one at which it was at ease.

    The arbiter, which has no part in it once the sizes are the operator's, is away meanwhile: there is one CPU.
    """
    guest = lab.guests["g3"]
    wait_managed(lab)
    begin(lab, run)
    if not set_size(lab, run, guest, COMFORTABLE_MIB, SIZED_WITHIN_S):
        raise InvalidStart(f"T0: {guest.name} did not get {COMFORTABLE_MIB} MiB")
    program = Cycles(guest.start(f"cycle {ANON_MIB} {CACHE_FILE} {FILE_MIB} {STEPS} {PAUSE_MS}"))
    warm = program.wait(guest, 2, time.time())
    cycles = program.wait(guest, BEST_OF, warm[-1]["began_s"] - guest.skew.ahead_s)
    run.claim("the program runs at ease", len(cycles) >= BEST_OF, cycles)
    best_s = min(cycle["took_s"] for cycle in cycles)
    steady = [cycle for cycle in cycles if cycle["took_s"] <= best_s * (1 + SHORT_BY_RATIO)]
    if len(steady) < STEADY_MIN:
        guest.shell("pkill lab-cycle")
        hand_back(lab, run, guest)
        raise InvalidStart(f"T0: at ease its cycles take {_times(cycles)}: nobody could tell 5 % on this machine now")
    run.mark(COMFORTABLE)
    stat = guest.stat()
    run.facts["comfortable"] = {"actual_kib": lab.size_kib(guest), "stat": stat, "cycles": _times(cycles)}
    run.facts["best_s"] = best_s
    lab.arbiter.kill()
    print(f"LAB best {best_s:.2f} s of {_times(cycles)}", flush=True)

    good_mib = COMFORTABLE_MIB
    bad_mib = COMFORTABLE_MIB - stat["MemAvailable"] // 1024 - SHORT_MIB
    tried: list[dict[str, Any]] = []
    run.facts["tried"] = tried
    while good_mib - bad_mib > RESOLUTION_MIB:
        mib = (good_mib + bad_mib) // 2
        found = _try(lab, run, guest, program, mib)
        tried.append(found)
        print(f"LAB {mib} MiB: {'good' if found['is_good'] else 'too small'}: {found['cycles']}", flush=True)
        good_mib, bad_mib = (mib, bad_mib) if found["is_good"] else (good_mib, mib)
    run.facts["smallest_mib"] = good_mib

    set_size(lab, run, guest, COMFORTABLE_MIB, SIZED_WITHIN_S)
    guest.shell("pkill lab-cycle")
    program.job.wait(CYCLE_WITHIN_S)
    lab.arbiter.start()
    run.claim("the arbiter is back", lab.arbiter.wait_running())
    if wait_until(lambda: lab.arbiter.state_of(guest.domid) == "manual", SIZED_WITHIN_S, 0.5):
        hand_back(lab, run, guest)
    finish(lab, run)


def _try(lab: Lab, run: Run, guest: Guest, program: Cycles, mib: int) -> dict[str, Any]:
    reached = set_size(lab, run, guest, mib, SIZED_WITHIN_S)
    before, from_s = guest.stat(), time.time()
    limit_s = run.facts["best_s"] * (1 + SHORT_BY_RATIO)

    def count_good() -> int:
        return sum(cycle["took_s"] <= limit_s for cycle in program.begun_after(guest, from_s))

    wait_until(
        lambda: (
            count_good() >= GOOD_CYCLES
            or len(program.begun_after(guest, from_s)) >= CYCLES_MAX
            or time.time() > from_s + TRIED_MAX_S
        ),
        TRIED_MAX_S + CYCLE_WITHIN_S,
        0.2,
    )
    after = guest.stat()
    return {
        "mib": mib,
        "reached": reached,
        "actual_kib": lab.size_kib(guest),
        "is_good": count_good() >= GOOD_CYCLES,
        "until_s": time.time(),
        "cycles": _times(program.begun_after(guest, from_s)),
        "swapped_in": after["pswpin"] - before["pswpin"],
        "refaulted_file": after["workingset_refault_file"] - before["workingset_refault_file"],
        "stat": after,
    }


def _times(cycles: list[dict[str, Any]]) -> list[list[float]]:
    """[took_s, worked_s] of each."""
    return [[round(cycle["took_s"], 3), round(cycle["worked_s"], 3)] for cycle in cycles]
