"""The same memory as page cache of a guest, or of dom0, which serves the guest's disk: which makes its reads faster?"""

import subprocess
import time
from pathlib import Path

from tests.xenlab.driver.console import wait_until
from tests.xenlab.driver.hypervisor import GuestFailed
from tests.xenlab.driver.lab import Lab
from tests.xenlab.driver.run import InvalidStart, Run
from tests.xenlab.driver.scenarios.operator import hand_back, set_size
from tests.xenlab.driver.scenarios.stage import begin, finish, wait_managed

DISK = "/dev/xvdc"
FILE_MIB = 96
SURPLUS_MIB = 64
# Room for cache that either has anyway.
GUEST_ROOM_MIB, DOM0_ROOM_MIB = 24, 40
PHASES = {"nobody": (0, 0), "guest": (SURPLUS_MIB, 0), "dom0": (0, SURPLUS_MIB)}
WARM_S, MEASURED_S = 30.0, 40.0
SIZED_WITHIN_S = 30.0
HOGGED_WITHIN_S = 60.0
# A disk that nobody has open any more loses its pages (block/bdev.c, blkdev_flush_mapping).
KEEP_OPEN = f"sleep 86400 <{DISK} >/dev/null 2>&1 & echo $! >/run/keeper.pid"
LABTOOL = "/app/lab/labtool"


def play_surplus(lab: Lab, run: Run) -> None:
    """One guest reads a disk at random. Its size, and a program that holds dom0's free memory, say who can cache it."""
    guest = lab.guests["g3"]
    wait_managed(lab)
    begin(lab, run)
    stat = guest.stat()
    # What is not in use, and not needed for it either: at that size the guest has no room for any cache.
    bare_mib = lab.size_kib(guest) // 1024 - stat["MemAvailable"] // 1024
    lab.arbiter.kill()
    guest.shell(KEEP_OPEN)
    found = run.facts["surplus"] = {}
    for phase, (guest_mib, dom0_mib) in PHASES.items():
        if not set_size(lab, run, guest, bare_mib + GUEST_ROOM_MIB + guest_mib, SIZED_WITHIN_S):
            raise InvalidStart(f"T0: {guest.name} did not get its size")
        drop_caches()
        guest.shell("echo 3 >/proc/sys/vm/drop_caches")
        hog_mib = dom0_available_mib() - DOM0_ROOM_MIB - dom0_mib
        hog = subprocess.Popen([LABTOOL, "touch", "private", str(hog_mib), "hold=86400"], stdout=subprocess.PIPE)
        try:
            wait_hogged(DOM0_ROOM_MIB + dom0_mib)
            guest.ask(f"read {DISK} {FILE_MIB}", timeout_s=180)
            guest.ask(f"pick {DISK} {FILE_MIB} {WARM_S}", timeout_s=180)
            stat = guest.stat()
            room = {
                "guest_free_kib": stat["MemFree"],
                "guest_available_kib": stat["MemAvailable"],
                "dom0_available_kib": dom0_available_mib() << 10,
            }
            served = {"dom0_from_disk_kib": -from_disk_kib(), "guest_from_dom0_kib": -served_kib()}
            answer = guest.ask(f"pick {DISK} {FILE_MIB} {MEASURED_S}", timeout_s=180)
            served["dom0_from_disk_kib"] += from_disk_kib()
            served["guest_from_dom0_kib"] += served_kib()
        finally:
            subprocess.run(["pkill", "-x", "lab-touch"], check=False)  # the child that holds; labtool ends with it
            hog.wait()
        found[phase] = {"reads_s": round(answer["reads"] / answer["took_s"], 1), "hog_mib": hog_mib, **room, **served}
        print(f"LAB surplus to {phase}: {found[phase]}", flush=True)
    lab.arbiter.start()
    run.claim("the arbiter is back", lab.arbiter.wait_running())
    if wait_until(lambda: lab.arbiter.state_of(guest.domid) == "manual", SIZED_WITHIN_S, 0.5):
        hand_back(lab, run, guest)
    guest.shell("kill $(cat /run/keeper.pid)")
    finish(lab, run)


def drop_caches() -> None:
    """Dom0's."""
    Path("/proc/sys/vm/drop_caches").write_text("3")


def dom0_available_mib() -> int:
    """MemAvailable."""
    line = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemAvailable"))
    return int(line.split()[1]) // 1024


def wait_hogged(room_mib: int) -> None:
    """Until no more than so much is left in dom0."""
    end_s = time.time() + HOGGED_WITHIN_S
    while dom0_available_mib() > room_mib + 4:
        if time.time() > end_s:
            raise GuestFailed(f"dom0 still has {dom0_available_mib()} MiB available")
        time.sleep(0.5)


def from_disk_kib() -> int:
    """What dom0 has read from the emulated disk that it serves."""
    return int(Path("/sys/block/vdc/stat").read_text().split()[2]) // 2  # sectors of 512 bytes


def served_kib() -> int:
    """What dom0 has served from its loop device."""
    return int(Path("/sys/block/loop0/stat").read_text().split()[2]) // 2
