"""The arbiter dies, xenstored stands still, an operator lends a hand: no guest is worse off, and memory moves again."""

import os
import signal
import time

from tests.xenlab.catalogue import OTHERS
from tests.xenlab.driver.console import Job, wait_until
from tests.xenlab.driver.guests import Guest
from tests.xenlab.driver.hypervisor import xl
from tests.xenlab.driver.lab import XENSTORED_PID, Lab
from tests.xenlab.driver.run import Run
from tests.xenlab.driver.scenarios.stage import (
    TOUCHED_WITHIN_S,
    begin,
    converges,
    fill_caches,
    finish,
    in_motion,
    wait_for_start,
)

RESTART_S = 1.0  # packaging's unit: RestartSec=1
MOTION_WITHIN_S = 60.0
STALL_S = 30.0
# What a guest can take without anybody's help: while nobody serves it, nothing but its headroom keeps it alive. About
# 150 MiB are available at T0, and 64 once its new needs were met.
FIRST_MIB = 120
SECOND_MIB = 40
SERVED_MIB = 48  # available once the arbiter has seen to it
SERVED_WITHIN_S = 60.0
PINNED_S = 10.0
PINNED_WITHIN_S = 10.0


def play_arbiter_killed(lab: Lab, run: Run) -> None:
    """A guest grows twice; each time, as memory moves, the arbiter is killed, and started again a second later."""
    spiker = _start(lab, run)
    jobs = []
    for number, mib in ((1, FIRST_MIB), (2, SECOND_MIB)):
        jobs.append(spiker.start(f"touch private {mib} hold={120 // number}"))
        moving = wait_until(lambda: in_motion(lab, *lab.guests.values()), MOTION_WITHIN_S, 0.02)
        lab.arbiter.kill()
        run.mark("arbiter killed")
        run.claim(f"memory was moving at kill {number}", moving)
        time.sleep(RESTART_S)
        lab.arbiter.start()
        run.claim(f"the arbiter is back after kill {number}", lab.arbiter.wait_running())
        run.mark("arbiter answers")
        served = wait_until(lambda: spiker.stat()["MemAvailable"] >= SERVED_MIB * 1024, SERVED_WITHIN_S, 0.5)
        run.claim(f"the guest is served after kill {number}", served)
        run.mark("served")
    spiker.shell("pkill lab-touch")
    for role, job in zip(("spiker", "grower"), jobs, strict=True):
        run.program(role, spiker, job.command, job.wait(TOUCHED_WITHIN_S))
    converges(lab, run, spiker)
    finish(lab, run)


def play_xenstored_stalled(lab: Lab, run: Run) -> None:
    """For half a minute xenstored answers nobody, from a moment when memory moves, while guests read and grow."""
    spiker = _start(lab, run)
    first = spiker.start(f"touch private {FIRST_MIB} hold=90 walk=20")
    run.facts["in_motion"] = wait_until(lambda: in_motion(lab, *lab.guests.values()), MOTION_WITHIN_S, 0.02)
    xenstored = int(XENSTORED_PID.read_text())
    os.kill(xenstored, signal.SIGSTOP)
    run.mark("xenstored stopped")
    try:
        growing = spiker.start("touch private 15 rate=0.6 hold=20")
        end_s = time.time() + STALL_S
        while time.time() < end_s:
            for name in ("g1", "g2"):
                lab.guests[name].fill_cache(40)
            time.sleep(max(0.0, min(3.0, end_s - time.time())))
        run.claim("the arbiter answers meanwhile", lab.arbiter.status() is not None)
    finally:
        os.kill(xenstored, signal.SIGCONT)
    run.mark("xenstored continued")
    # What it asked for meanwhile comes first; a program that fills what is left at once would outrun any reconnection.
    served = wait_until(lambda: spiker.stat()["MemAvailable"] >= SERVED_MIB * 1024, SERVED_WITHIN_S, 0.1)
    run.claim("the guest is served once xenstored answers again", served)
    run.mark("served")
    late = spiker.start("touch private 120 rate=20 hold=8")
    for role, job in (("spiker", late), ("grower", growing), ("holder", first)):
        run.program(role, spiker, job.command, job.wait(TOUCHED_WITHIN_S))
    converges(lab, run, spiker)
    finish(lab, run)


def play_mem_set(lab: Lab, run: Run) -> None:
    """An operator sizes two guests by hand: both are pinned, the rest moves around them, and resume hands them back."""
    spiker = _start(lab, run)
    smaller, larger = lab.guests["g1"], lab.guests["g2"]
    for guest, delta_mib in ((smaller, -32), (larger, 24)):
        wanted_kib = (lab.targets_kib()[guest.name] // 1024 + delta_mib) * 1024
        run.mark(OTHERS)
        xl("mem-set", guest.name, f"{wanted_kib}k")
        run.mark(OTHERS)
        pinned = wait_until(lambda guest=guest: lab.arbiter.state_of(guest.domid) == "manual", PINNED_WITHIN_S, 0.2)  # type: ignore[misc]
        run.claim(f"{guest.name} is pinned", pinned, lab.arbiter.state_of(guest.domid))
        run.claim(
            f"{guest.name} goes where the operator wants it",
            wait_until(lambda guest=guest, kib=wanted_kib: abs(lab.size_kib(guest) - kib) < 1024, PINNED_WITHIN_S),  # type: ignore[misc]
            f"{lab.size_kib(guest)} KiB, {wanted_kib} asked",
        )
    pinned_kib = {guest.name: lab.targets_kib()[guest.name] for guest in (smaller, larger)}
    job = _touch(run, spiker, f"touch private {FIRST_MIB} rate=20 hold={PINNED_S}")
    run.program("spiker", spiker, job.command, job.wait(TOUCHED_WITHIN_S))
    now_kib = {name: kib for name, kib in lab.targets_kib().items() if name in pinned_kib}
    run.claim("what the operator set stands", now_kib == pinned_kib, [pinned_kib, now_kib])
    for guest in (smaller, larger):
        answer = lab.arbiter.ask({"command": "resume", "domain": guest.name})
        run.claim(f"{guest.name} is handed back", "error" not in answer, answer)
    converges(lab, run, spiker)
    finish(lab, run)


def _start(lab: Lab, run: Run) -> Guest:
    spiker = lab.guests["g3"]
    fill_caches(lab)
    wait_for_start(lab, spiker)
    begin(lab, run)
    return spiker


def _touch(run: Run, guest: Guest, command: str) -> Job:
    job = guest.start(command)
    job.wait_touched(TOUCHED_WITHIN_S)
    run.mark("touched")
    return job
