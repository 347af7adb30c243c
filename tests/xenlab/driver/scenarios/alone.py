"""The arbiter dies and stays away: guests whose owners want that size themselves, and hand that back in the end."""

import time

from tests.xenlab.driver.console import wait_until
from tests.xenlab.driver.guests import CONFIGURATION
from tests.xenlab.driver.lab import Lab
from tests.xenlab.driver.run import Run
from tests.xenlab.driver.scenarios.stage import (
    TOUCHED_WITHIN_S,
    begin,
    fill_caches,
    finish,
    is_managed,
    restart_agents,
    wait_managed,
)

ALONE_AFTER_S = 30
SHRUNK_MIB = 8
SHRUNK_WITHIN_S = 120.0
LEFT_ALONE_S = 40.0
TOUCHED_MIB, TOUCH_MIB_S, HELD_S = 60, 10, 10.0
BACK_KIB = 4096
BACK_WITHIN_S = 60.0


def play_alone(lab: Lab, run: Run) -> None:
    """By the rule that the variant names; a program grows in one of them while nobody but its agent sees to it."""
    guests = list(lab.guests.values())
    fill_caches(lab)
    for guest in guests:
        guest.shell(f"printf 'alone = {run.variant}\\nalone_after_s = {ALONE_AFTER_S}\\n' >{CONFIGURATION}")
    restart_agents([*lab.agent_command, "--config", CONFIGURATION], *guests)
    wait_managed(lab)
    begin(lab, run)
    before_kib = {guest.name: lab.size_kib(guest) for guest in guests}
    lab.arbiter.kill()
    run.mark("arbiter killed")

    def shrunk() -> bool:
        return any(before_kib[guest.name] - lab.size_kib(guest) >= SHRUNK_MIB << 10 for guest in guests)

    run.claim("guests size themselves once they are alone", wait_until(shrunk, SHRUNK_WITHIN_S, 0.1))
    run.mark("alone")
    time.sleep(LEFT_ALONE_S)
    alone_kib = {guest.name: lab.size_kib(guest) for guest in guests}
    run.facts["alone"] = {"before_kib": before_kib, "alone_kib": alone_kib}
    spiker = lab.guests["g3"]
    job = spiker.start(f"touch private {TOUCHED_MIB} rate={TOUCH_MIB_S} hold={HELD_S}")
    run.program("grower", spiker, job.command, job.wait(TOUCHED_WITHIN_S))
    lab.arbiter.start()
    run.claim("the arbiter is back", lab.arbiter.wait_running())
    run.mark("arbiter answers")
    answers_s = time.time()

    def back() -> bool:
        targets_kib = lab.targets_kib()
        return all(abs(targets_kib[guest.name] - lab.size_kib(guest)) <= BACK_KIB for guest in guests)

    run.claim("guests hand that back", wait_until(back, BACK_WITHIN_S, 0.1), [lab.targets_kib(), alone_kib])
    run.mark("handed back")
    run.facts["alone"]["handed_back_s"] = round(time.time() - answers_s, 1)
    for guest in guests:
        is_managed(lab, run, guest)
    finish(lab, run)
