"""Guests are saved, restored and rebooted while their memory moves."""

import os
import subprocess
import time
from pathlib import Path

from tests.xenlab.driver.console import wait_until
from tests.xenlab.driver.guests import Guest
from tests.xenlab.driver.hypervisor import GuestFailed, xl
from tests.xenlab.driver.lab import SHARED, Lab
from tests.xenlab.driver.run import InvalidStart, Overtaken, Run
from tests.xenlab.driver.scenarios.stage import (
    MOVING_KIB,
    TOUCHED_WITHIN_S,
    begin,
    finish,
    is_managed,
    wait_managed,
)

SAVE_WITHIN_S = 240.0
BACK_WITHIN_S = 120.0
MOTION_WITHIN_S = 60.0
GIVEN_ALL_S = 2.0
GROWS_BY_MIB = 64
MANAGED_WITHIN_S = 20.0  # less than a heartbeat: it is heard because it says hello
SQUEEZED_BY_MIB = 16
IMAGE = SHARED / "saved-guest"
PIPE = Path("/run/saved-guest")


def play_save_restore(lab: Lab, run: Run) -> None:
    """A guest is saved as it shrinks, or when it has just grown; it comes back whole and is managed again.

    Its growth has just come to an end: libxl takes memory/target down for the image before it asks the guest to
    suspend, so a guest that is given more in between cannot be restored, and no arbiter can see that moment.
    """
    guest = lab.guests["g1"]
    guest.shell("pkill lab-touch; true")  # what an attempt that was not valid left
    wait_managed(lab)
    begin(lab, run)
    holders = [guest.start("touch private 40 hold=86400 walk=4")]
    holders[0].wait_touched(TOUCHED_WITHIN_S)
    if run.variant == "shrinks":
        guest.ask("touch private 250 rate=60 hold=6", timeout_s=TOUCHED_WITHIN_S)
        shrinks = wait_until(
            lambda: lab.size_kib(guest) - lab.targets_kib()[guest.name] > MOVING_KIB, MOTION_WITHIN_S, 0.02
        )
        run.claim(f"{guest.name} was on its way down as it was saved", shrinks)
    else:
        before_kib = lab.targets_kib()[guest.name]
        wanted_mib = GROWS_BY_MIB + (guest.stat()["MemAvailable"] >> 10)
        holders.append(guest.start(f"touch private {wanted_mib} rate=60 hold=86400"))
        holders[1].wait_touched(TOUCHED_WITHIN_S)
        _wait_given_all(lab, guest)
        grown_kib = lab.targets_kib()[guest.name] - before_kib
        run.claim(f"{guest.name} had grown as it was saved", grown_kib > MOVING_KIB, f"by {grown_kib} KiB")
    _save_and_restore(lab, run, guest)
    for holder in holders:
        run.claim(f"{holder.command!r} runs on", not holder.done)
    guest.shell("pkill lab-touch")
    finish(lab, run)


def _wait_given_all(lab: Lab, guest: Guest) -> None:
    """Until a guest has been given nothing more for a while; else InvalidStart."""
    stands_kib, since_s = 0, time.monotonic()
    end_s = since_s + MOTION_WITHIN_S
    while time.monotonic() - since_s < GIVEN_ALL_S:
        if time.monotonic() > end_s:
            raise InvalidStart(f"{guest.name} is still given more {MOTION_WITHIN_S:.0f} s after its program has all")
        target_kib = lab.targets_kib()[guest.name]
        if target_kib != stands_kib:
            stands_kib, since_s = target_kib, time.monotonic()
        time.sleep(0.02)


def _save_and_restore(lab: Lab, run: Run, guest: Guest) -> None:
    domid, target_kib = guest.domid, lab.targets_kib()[guest.name]
    run.facts["at_save"] = {"target_kib": target_kib, "mem_kib": lab.size_kib(guest)}
    run.mark("save")
    _save(guest)
    run.mark("saved")
    guest.detach()
    try:
        xl("restore", str(IMAGE), timeout_s=SAVE_WITHIN_S)
    except GuestFailed as error:
        given_kib = lab.recorder.target_at_suspend_kib(domid) - target_kib
        if given_kib <= 0:
            raise
        reason = f"{guest.name} was given {given_kib} KiB between xl save's look at its target and the suspend: {error}"
        raise Overtaken(reason) from error
    finally:
        IMAGE.unlink()
    guest.attach()
    run.mark("restored")
    is_managed(lab, run, guest, MANAGED_WITHIN_S)


def _save(guest: Guest) -> None:
    """Through a pipe: the shared folder's file system cannot write from pages that xl has mapped of a guest."""
    os.mkfifo(PIPE)
    try:
        with IMAGE.open("wb") as image, subprocess.Popen(["cat", PIPE], stdout=image) as copier:
            try:
                xl("save", guest.name, str(PIPE), timeout_s=SAVE_WITHIN_S)
            except GuestFailed:
                copier.kill()
                raise
    finally:
        PIPE.unlink()


def play_reboot(lab: Lab, run: Run) -> None:
    """A guest squeezed below its configured size is rebooted: it starts at what it had, and is managed again."""
    guest = lab.guests["g2"]
    wait_managed(lab)
    squeezed_kib = lab.targets_kib()[guest.name]
    if squeezed_kib > (lab.shape.guest_mib - SQUEEZED_BY_MIB) * 1024:
        raise InvalidStart(f"T0: {guest.name} has {squeezed_kib >> 10} MiB, which is not squeezed")
    begin(lab, run)
    run.facts["squeezed_kib"] = squeezed_kib
    before = guest.domid
    run.mark("reboot")
    xl("reboot", guest.name)
    guest.detach()
    if not wait_until(lambda: lab.xen.domid_of(guest.name) not in (None, before), BACK_WITHIN_S, 0.5):
        raise GuestFailed(f"{guest.name}: not back {BACK_WITHIN_S:.0f} s after a reboot was asked for")
    guest.attach()
    run.mark("back")
    run.facts["stats_before"][guest.name] = guest.stat()  # its counters began anew
    lab.start_agents(guest)
    is_managed(lab, run, guest, MANAGED_WITHIN_S)
    time.sleep(2.0)
    finish(lab, run)
