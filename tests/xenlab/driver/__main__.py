"""The driver's main: reads the plan, boots the host it wants, plays it, and leaves a record of each run."""

import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from tests.xenlab.catalogue import BY_NAME
from tests.xenlab.driver.hypervisor import GuestFailed
from tests.xenlab.driver.lab import SHARED, Lab
from tests.xenlab.driver.recorder import Sample
from tests.xenlab.driver.run import InvalidStart, Overtaken, Run
from tests.xenlab.driver.scenarios import PLAYS

RECORDS = SHARED / "records.jsonl"
# An invalid run is tried again this often, and named each time.
INVALID_STARTS_MAX = 2
# The recorder has a beat of 50 ms; on a starved but living dom0 it came late by up to 0.8 s (measured). Where nothing
# ran for longer than this, the emulator stood still while its clocks went on: no arbiter could have kept up.
STOOD_STILL_MAX_S = 2.0


def write(record: dict[str, Any]) -> None:
    """One more line for the host."""
    with RECORDS.open("a") as records:
        records.write(json.dumps(record, separators=(",", ":")) + "\n")


def play(lab: Lab, work: dict[str, Any]) -> None:
    """One run, and again where its start was not valid, or the emulator stood still in its course.

    Raises GuestFailed, with the run recorded, where a guest was lost: from the moment the arbiter moves memory, that is
    a wrong result and no fault of the emulator's. What else the boot was to play needs a new one. Overtaken: that run
    as well, and nothing is recorded.
    """
    for _ in range(1 + INVALID_STARTS_MAX):
        run = Run(scenario=work["scenario"], variant=work["variant"], number=work["number"])
        domids = {guest.name: guest.domid for guest in lab.all_guests}
        invalid, lost = None, None
        try:
            PLAYS[run.scenario](lab, run)
        except InvalidStart as error:
            invalid = str(error)
        except Overtaken:
            raise
        except GuestFailed as error:
            lost = error
            run.claim("no guest is lost", False, str(error))
        run.claim("the arbiter runs on", lab.arbiter.exit_status is None, lab.arbiter.exit_status)
        run.ended_s = time.time()
        seen = lab.recorder.cut(run.started_s, run.ended_s)
        stood_still_s = longest_gap_s(seen["samples"])
        if stood_still_s > STOOD_STILL_MAX_S:
            invalid = invalid or f"the machine stood still for {stood_still_s:.1f} s"
        run.facts["ghosts"] = lab.ghosts()
        lab.save_logs()
        write(
            {
                "kind": "run",
                **run.record(),
                "domids": domids,
                "managed": lab.managed_domids,
                "invalid": invalid,
                "host": lab.described(),
                "arbiter_exit_status": lab.arbiter.exit_status,
                "status": lab.arbiter.status(),
                **seen,
            }
        )
        print(f"LAB {run.scenario} {run.variant} {run.number}: {invalid or lost or 'recorded'}", flush=True)
        if lost is not None:
            raise GuestFailed(f"after {run.scenario} {run.number}: {lost}")
        if invalid is None:
            return


def longest_gap_s(samples: Sequence[Sample]) -> float:
    """The longest time between two samples of the recorder."""
    return max((later[0] - earlier[0] for earlier, later in pairwise(samples)), default=0.0)


def crash(arguments: threading.ExceptHookArgs) -> None:
    """A thread that dies takes everything with it: half a recorder would be worse than none."""
    write({"kind": "crashed", "reason": "".join(traceback.format_exception(arguments.exc_value))})
    traceback.print_exception(arguments.exc_value)
    os._exit(3)


def main() -> int:
    """Exit status 0 when the plan was played to its end, 1 when a guest failed on the way (what is recorded stands)."""
    threading.excepthook = crash
    plan = json.loads((SHARED / "plan.json").read_text())
    started_s = time.time()
    try:
        lab = Lab(BY_NAME[plan["work"][0]["scenario"]].shape, plan["commands"])
        lab.boot()
        write({"kind": "booted", "took_s": time.time() - started_s, **lab.described()})
        print(f"LAB booted after {time.time() - started_s:.1f} s", flush=True)
        for work in plan["work"]:
            play(lab, work)
    except GuestFailed as error:
        write({"kind": "failed", "reason": str(error)})
        print(f"LAB failed: {error}", flush=True)
        return 1
    except BaseException:
        write({"kind": "crashed", "reason": traceback.format_exc()})
        raise
    return 0


if __name__ == "__main__":
    sys.exit(main())
