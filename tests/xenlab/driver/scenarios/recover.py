"""A guest in a swap storm is given its memory: how long until its programs run undisturbed again."""

import time

from tests.xenlab.catalogue import HANDED_BACK, STORM, WATCHED
from tests.xenlab.driver.console import wait_until
from tests.xenlab.driver.guests import Guest
from tests.xenlab.driver.lab import Lab
from tests.xenlab.driver.run import Run
from tests.xenlab.driver.scenarios.operator import hand_back, set_size
from tests.xenlab.driver.scenarios.stage import TOUCHED_WITHIN_S, begin, fill_caches, finish, wait_managed

SHORT_AVAILABLE_MIB = 90  # what the guest has to spare when it is held down
# Its program wants so many times what can be had without swapping: with zram, which keeps about half of each page here,
# more than half of its pages then lie in swap.
WANTS_RATIO = 1.75
SPARE_MIB = 24  # of the available, what kernel and agent take meanwhile
PINNED_WITHIN_S = 20.0
STORM_S = 15.0
WATCHED_S = 45.0
NOTED_S = 400.0
NOTES = "/run/pressure"
CHUNK_BYTES = 1400


def play_recover(lab: Lab, run: Run) -> None:
    """An operator holds a guest down; its program goes round and round in more than fits; then it is handed back."""
    guest = lab.guests["g3"]
    fill_caches(lab)
    wait_managed(lab)
    begin(lab, run)
    spare_mib = guest.stat()["MemAvailable"] // 1024 - SHORT_AVAILABLE_MIB
    set_size(lab, run, guest, lab.size_kib(guest) // 1024 - spare_mib, PINNED_WITHIN_S)
    pinned = wait_until(lambda: lab.arbiter.state_of(guest.domid) == "manual", PINNED_WITHIN_S, 0.2)
    run.claim("the operator's size stands", pinned, lab.arbiter.state_of(guest.domid))
    notes = guest.start(f"pressure {NOTES} {NOTED_S} 100")
    wanted_mib = int(WANTS_RATIO * (guest.stat()["MemAvailable"] // 1024 - SPARE_MIB))
    run.facts["wanted_mib"] = wanted_mib
    program = guest.start(f"touch private {wanted_mib} dense=1 rate=10 walk=60 hold=86400")
    program.wait_touched(TOUCHED_WITHIN_S)
    run.mark(STORM)
    time.sleep(STORM_S)
    run.facts["stat_in_storm"] = guest.stat()
    run.mark(HANDED_BACK)
    hand_back(lab, run, guest)
    time.sleep(WATCHED_S)
    run.mark(WATCHED)
    run.facts["stat_recovered"] = guest.stat()
    run.claim("the program that was short still runs", not program.done)
    guest.shell("pkill lab-pressure")
    start_s = notes.wait(TOUCHED_WITHIN_S)["start_s"] - guest.skew.ahead_s
    run.facts["pressure"] = {"start_s": start_s, "rows": read_notes(guest)}
    guest.shell("pkill lab-touch")
    finish(lab, run)


def read_notes(guest: Guest) -> list[list[int]]:
    """What `labtool pressure` noted: [ms, full_us, some_us]. An answer over the console holds no more than a chunk."""
    text = ""
    while True:
        chunk = guest.shell(f"dd if={NOTES} bs={CHUNK_BYTES} skip={len(text) // CHUNK_BYTES} count=1 2>/dev/null")
        text += chunk
        if len(chunk) < CHUNK_BYTES:
            break
    return [[int(word) for word in line.split()] for line in text.splitlines()]
