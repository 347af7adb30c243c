"""Eight programs want more than a guest has: is its agent still heard, and thanks to which of its unit's measures?"""

import time

from tests.xenlab.catalogue import CALMED, STORM
from tests.xenlab.driver.guests import Guest
from tests.xenlab.driver.lab import Lab
from tests.xenlab.driver.run import Run
from tests.xenlab.driver.scenarios.operator import hand_back, set_size
from tests.xenlab.driver.scenarios.stage import (
    TOUCHED_WITHIN_S,
    begin,
    fill_caches,
    finish,
    is_managed,
    restart_agents,
    wait_managed,
)

HOGS = 8
SHORT_AVAILABLE_MIB = 90  # what the guest has to spare when it is held down
WANTS_RATIO = 1.75  # of that, what the hogs want together; the rest lies in swap at any time
WALK_MIB_S = 200  # each goes round in what it has as fast as the guest lets it
PINNED_WITHIN_S = 20.0
STORM_S = 30.0
KILLABLE, UNLOCKED, ORDINARY, UNPROMISED, BARE = "killable", "unlocked", "ordinary", "unpromised", "bare"
# What each measure is done by, and in which variants it is left out.
NEVER_KILLED = ["choom", "-n", "-1000", "--"]
BEFORE_OTHERS = ["chrt", "--rr", "1"]
MAY_NOT_LOCK = ["setpriv", "--bounding-set=-ipc_lock", "--inh-caps=-ipc_lock", "prlimit", "--memlock=65536", "--"]
GROUP = "/sys/fs/cgroup/agent"
IN_GROUP = ["sh", "-c", f"'echo $$ >{GROUP}/cgroup.procs && exec \"$@\"'", "sh"]
MAKE_GROUP = f"echo +memory >/sys/fs/cgroup/cgroup.subtree_control && mkdir -p {GROUP} && echo 16M >{GROUP}/memory.min"


def play_hogs(lab: Lab, run: Run) -> None:
    """An operator holds a guest down while its eight programs go round and round in more than fits; then they end."""
    guest = lab.guests["g3"]
    guest.shell("pkill lab-touch; true")  # what an attempt that was not valid left
    fill_caches(lab)
    _restart_agent(lab, guest, run.variant)
    wait_managed(lab)
    begin(lab, run)
    spare_mib = guest.stat()["MemAvailable"] // 1024 - SHORT_AVAILABLE_MIB
    set_size(lab, run, guest, lab.size_kib(guest) // 1024 - spare_mib, PINNED_WITHIN_S)
    each_mib = int(WANTS_RATIO * guest.stat()["MemAvailable"] / 1024 / HOGS)
    hogs = [guest.start(f"touch private {each_mib} dense=1 walk={WALK_MIB_S} hold=86400") for _ in range(HOGS)]
    for hog in hogs:
        hog.wait_touched(TOUCHED_WITHIN_S)
    run.mark(STORM)
    time.sleep(STORM_S)
    run.mark(CALMED)
    run.claim("all hogs were there throughout", not any(hog.done for hog in hogs))
    hand_back(lab, run, guest)  # first: what ends the hogs is swapped out like everything else
    guest.shell("pkill lab-touch", timeout_s=TOUCHED_WITHIN_S)
    is_managed(lab, run, guest)
    finish(lab, run)


def _restart_agent(lab: Lab, guest: Guest, variant: str) -> None:
    """As its unit starts it, but for the measure that is named after what the agent is without it."""
    command = []
    if variant not in (KILLABLE, BARE):
        command += NEVER_KILLED
    if variant not in (ORDINARY, BARE):
        command += BEFORE_OTHERS
    if variant not in (UNPROMISED, BARE):
        command += IN_GROUP
    if variant in (UNLOCKED, BARE):
        command += MAY_NOT_LOCK
    guest.mount_cgroups()
    guest.shell(MAKE_GROUP)
    restart_agents([*command, lab.agent_command[-1]], guest)
