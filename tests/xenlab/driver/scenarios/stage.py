"""What scenarios share: how a run begins and ends, and when memory is moving or at rest."""

import time
from collections.abc import Callable

from tests.xenlab.catalogue import FREE_TOLERANCE_MIB, SLACK_MIB, SPIKER_AT_START_MIB
from tests.xenlab.driver.console import wait_until
from tests.xenlab.driver.guests import Guest
from tests.xenlab.driver.lab import Lab
from tests.xenlab.driver.run import InvalidStart, Run

START_WITHIN_S = 90.0
STOPS_WITHIN_S = 10.0
QUIET_S = 1.0
SETTLED_WITHIN_S = 60.0
TOUCHED_WITHIN_S = 180.0
CACHED_MIB = 120
# So far from its target a balloon is moving: agents and operators round to less.
MOVING_KIB = 4096
OBEDIENT = ("ok", "slow", "at-limit")


def fill_caches(lab: Lab) -> None:
    """The two others have read a file into their page cache."""
    for name in ("g1", "g2"):
        lab.guests[name].fill_cache(CACHED_MIB)


def wait_for_start(lab: Lab, spiker: Guest, *, at_start_mib: int = SPIKER_AT_START_MIB) -> None:
    """Until the host is as T0 wants it, and stays so for a moment; else InvalidStart.

    The spiker has at most so much, and Xen at most slack, every guest's margin and 3 MiB free.
    """
    wait_quiet(
        lambda: lab.size_kib(spiker) <= at_start_mib * 1024 and lab.free_kib() <= lab.start_free_kib(),
        lambda: (
            f"T0: {spiker.name} has {lab.size_kib(spiker) >> 10} MiB (at most {at_start_mib}), "
            f"Xen {lab.free_kib()} KiB free (at most {lab.start_free_kib()})"
        ),
    )


def wait_managed(lab: Lab) -> None:
    """Until the arbiter manages every guest and nothing moves, for a moment; else InvalidStart."""
    if not wait_until(lab.is_managed, START_WITHIN_S, 1.0):
        raise InvalidStart(f"T0: the arbiter does not manage every guest: {lab.arbiter.status()}")
    wait_quiet(lambda: not in_motion(lab, *lab.guests.values()), lambda: "T0: memory keeps moving")


def restart_agents(command: list[str], *guests: Guest) -> None:
    """Stop these guests' agents, and start them by that command; InvalidStart where one does not stop."""
    for guest in guests:
        guest.shell("kill $(cat /run/agent.pid)")
    if not wait_until(lambda: not any(guest.has_agent() for guest in guests), STOPS_WITHIN_S, 0.2):
        raise InvalidStart("T0: an agent does not stop")
    for guest in guests:
        guest.start_agent(command)


def wait_quiet(ready: Callable[[], bool], describe: Callable[[], str]) -> None:
    """Until something holds and stays so for a moment; else InvalidStart."""
    quiet_since_s = time.time()
    end_s = time.time() + START_WITHIN_S
    while time.time() < end_s:
        if not ready():
            quiet_since_s = time.time()
        elif time.time() - quiet_since_s > QUIET_S:
            return
        time.sleep(0.1)
    raise InvalidStart(describe())


def begin(lab: Lab, run: Run) -> None:
    """T0 is now."""
    run.facts |= {"stats_before": lab.stats(), "targets_kib": lab.targets_kib(), "welcomes": lab.welcomes()}
    run.t0_s = time.time()


def finish(lab: Lab, run: Run) -> None:
    """What the guests' kernels counted, and whether every agent came through."""
    run.facts["stats_after"] = lab.stats()
    for guest in lab.guests.values():
        run.claim(f"the agent of {guest.name} runs on", guest.has_agent())


def in_motion(lab: Lab, *guests: Guest) -> bool:
    """Whether one of these balloons is on its way."""
    targets_kib = lab.targets_kib()
    sizes_kib = {guest.name: lab.size_kib(guest) for guest in guests}
    return any(size_kib and abs(targets_kib[name] - size_kib) > MOVING_KIB for name, size_kib in sizes_kib.items())


def at_rest(lab: Lab, spiker: Guest, at_start_mib: int = SPIKER_AT_START_MIB) -> bool:
    """Whether the spiker gave back what it had got, and Xen's free memory was handed out again."""
    free_limit_kib = (SLACK_MIB + FREE_TOLERANCE_MIB) * 1024
    return lab.size_kib(spiker) <= at_start_mib * 1024 and lab.free_kib() <= free_limit_kib


def converges(lab: Lab, run: Run, spiker: Guest) -> None:
    """Claim that the host comes to rest, and that the arbiter has every guest in hand."""
    run.claim(
        "the host comes to rest",
        wait_until(lambda: at_rest(lab, spiker), SETTLED_WITHIN_S, 0.25),
        f"{spiker.name} has {lab.size_kib(spiker)} KiB, Xen {lab.free_kib()} KiB free",
    )
    for guest in lab.guests.values():
        is_managed(lab, run, guest)


def is_managed(lab: Lab, run: Run, guest: Guest, within_s: float = 30.0) -> None:
    """Claim that the arbiter hears a guest and moves its memory."""
    holds = wait_until(lambda: lab.arbiter.state_of(guest.domid) in OBEDIENT, within_s, 0.5)
    run.claim(f"the arbiter manages {guest.name}", holds, lab.arbiter.state_of(guest.domid))
