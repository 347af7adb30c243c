"""A guest full of cache is asked for most of its memory at once: how long that takes, and what its program feels."""

import time

from tests.xenlab.driver.lab import Lab
from tests.xenlab.driver.run import InvalidStart, Run
from tests.xenlab.driver.scenarios.estimators import Cycles
from tests.xenlab.driver.scenarios.operator import hand_back, set_size
from tests.xenlab.driver.scenarios.stage import TOUCHED_WITHIN_S, begin, finish, restart_agents, wait_managed

BUDGET_KIB_S = 256 * 1024
DISK, DISK_MIB = "/dev/xvdc", 448
KEEP_OPEN = f"sleep 86400 <{DISK} >/dev/null 2>&1 & echo $! >/run/keeper.pid"
FULL_MIB, GIVEN_MIB = 680, 400
SIZED_WITHIN_S, GIVEN_WITHIN_S = 30.0, 150.0
CACHE_FILE, ANON_MIB, FILE_MIB, STEPS, PAUSE_MS = "/var/lib/lab-cache", 48, 16, 20, 10
CYCLES_BEFORE, WATCHED_S = 6, 20.0


def play_giving(lab: Lab, run: Run) -> None:
    """The variant says whether the agent frees memory for its balloon, or leaves that alone."""
    guest = lab.guests["g3"]
    more = guest.free_for_balloon(BUDGET_KIB_S if run.variant == "freed" else 0)
    restart_agents([*lab.agent_command, *more], guest)
    wait_managed(lab)
    begin(lab, run)
    if not set_size(lab, run, guest, FULL_MIB, SIZED_WITHIN_S):
        raise InvalidStart(f"T0: {guest.name} did not get {FULL_MIB} MiB")
    program = Cycles(guest.start(f"cycle {ANON_MIB} {CACHE_FILE} {FILE_MIB} {STEPS} {PAUSE_MS}"))
    guest.shell(KEEP_OPEN)
    guest.ask(f"read {DISK} {DISK_MIB}", timeout_s=TOUCHED_WITHIN_S)
    before = program.wait(guest, CYCLES_BEFORE, time.time())
    stat, asked_s = guest.stat(), time.time()
    reached = set_size(lab, run, guest, FULL_MIB - GIVEN_MIB, GIVEN_WITHIN_S)
    took_s = time.time() - asked_s
    time.sleep(WATCHED_S)
    after = program.begun_after(guest, asked_s - max(cycle["took_s"] for cycle in before))
    run.claim(f"{guest.name} gives {GIVEN_MIB} MiB", reached, f"it has {lab.size_kib(guest)} KiB")
    run.facts["giving"] = {
        "took_s": round(took_s, 3),
        "cached_before_kib": stat["Cached"],
        "cycles_before_s": [round(cycle["took_s"], 3) for cycle in before],
        "cycles_meanwhile_s": [round(cycle["took_s"], 3) for cycle in after],
        "agent": guest.agent_log(),
    }
    guest.shell("pkill lab-cycle; kill $(cat /run/keeper.pid)")
    hand_back(lab, run, guest)
    finish(lab, run)
