"""Two guests want more than there is: each gets its weighted share, and the third keeps what it works with."""

import time

from tests.xenlab.driver.lab import Lab
from tests.xenlab.driver.run import Run
from tests.xenlab.driver.scenarios.stage import TOUCHED_WITHIN_S, begin, finish, wait_managed

# Both ask for more than their shares, which are about 165 and 496 MiB, 104 of each being what an idle guest uses;
# without weights the lighter would get all that it asks for. The heavier begins nearer to its share because time is
# short: a guest whose memory is full gives it away as slowly as it swaps.
HELD_MIB = 270
SPIKES_MIB = {"g1": 100, "g2": 180}
# Shares are judged until 40 s after the start; the third must not have been robbed by the time they should be reached.
ROBBED_BY_S, WATCHED_S = 13.0, 41.0


def play_contention(lab: Lab, run: Run) -> None:
    """Guests of weights 1 and 3, of which the heavier holds 270 MiB, touch 100 and 180 MiB at once; swap is on zram."""
    holder = lab.guests["g2"].start(f"touch private {HELD_MIB} rate=10 hold=86400")
    holder.wait_touched(TOUCHED_WITHIN_S)
    wait_managed(lab)
    begin(lab, run)
    run.facts["asked_kib"] = {name: mib * 1024 for name, mib in SPIKES_MIB.items()}
    run.facts["weights"] = dict(zip(lab.guests, lab.shape.weights, strict=True))
    run.facts["managed_kib"] = lab.managed_kib()
    started_s = time.time()
    run.mark("spike")
    jobs = {name: lab.guests[name].start(f"touch private {mib} hold={WATCHED_S}") for name, mib in SPIKES_MIB.items()}
    time.sleep(max(0.0, started_s + ROBBED_BY_S - time.time()))
    run.facts["stats_contended"] = {"g3": lab.guests["g3"].stat()}
    time.sleep(max(0.0, started_s + WATCHED_S - time.time()))
    for name, job in jobs.items():
        run.program(f"toucher {name}", lab.guests[name], job.command, job.wait(TOUCHED_WITHIN_S))
    run.claim("the program that held memory throughout still runs", not holder.done)
    lab.guests["g2"].shell("pkill lab-touch")
    finish(lab, run)
