"""Dom0 is a domain among the others: it gives what a guest needs, and gets what no guest needs."""

import time

from tests.xenlab.driver.console import wait_until
from tests.xenlab.driver.lab import Lab
from tests.xenlab.driver.run import Run
from tests.xenlab.driver.scenarios.stage import SETTLED_WITHIN_S, TOUCHED_WITHIN_S, begin, finish, wait_managed

TOUCH = "touch private 300 rate=20 hold=12"
GIVES_MIB = 64
DOM0_MANAGED_WITHIN_S = 60.0
LOOK_S = 0.25


def play_dom0(lab: Lab, run: Run) -> None:
    """A guest touches 300 MiB: dom0 gives part of that, never goes below its floor, and has it back afterwards."""
    spiker = lab.guests["g3"]
    wait_managed(lab)
    managed = wait_until(lambda: lab.arbiter.state_of(0) == "ok", DOM0_MANAGED_WITHIN_S, 0.5)
    run.claim("the arbiter manages dom0", managed, lab.arbiter.state_of(0))
    begin(lab, run)
    before_kib = least_kib = lab.own_domain_kib()
    job = spiker.start(TOUCH)
    end_s = time.time() + TOUCHED_WITHIN_S
    while not job.done and time.time() < end_s:
        least_kib = min(least_kib, lab.own_domain_kib())
        time.sleep(LOOK_S)
    run.program("spiker", spiker, TOUCH, job.wait(TOUCHED_WITHIN_S))
    run.facts["dom0_kib"] = {"before": before_kib, "least": least_kib}
    run.claim("dom0 gave", before_kib - least_kib >= GIVES_MIB * 1024, f"{before_kib} to {least_kib} KiB")
    run.claim("dom0 kept its floor", least_kib >= lab.shape.dom0_min_mib * 1024, f"{least_kib} KiB")
    back = wait_until(lambda: lab.own_domain_kib() >= before_kib - GIVES_MIB * 1024, SETTLED_WITHIN_S, LOOK_S)
    run.claim("dom0 got it back", back, f"{lab.own_domain_kib()} of {before_kib} KiB")
    finish(lab, run)
