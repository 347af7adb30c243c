"""One guest suddenly needs memory that the others have to spare."""

import time

from tests.xenlab.catalogue import GOES_ON, SPIKER_AT_START_MIB, SPIKER_LOST_BEFORE_MIB, STALLED, STANDS_STILL
from tests.xenlab.driver.console import wait_until
from tests.xenlab.driver.lab import Lab
from tests.xenlab.driver.run import InvalidStart, Run
from tests.xenlab.driver.scenarios.stage import (
    SETTLED_WITHIN_S,
    TOUCHED_WITHIN_S,
    at_rest,
    begin,
    fill_caches,
    finish,
    wait_for_start,
)

SPIKE_MIB = 300
SPIKE_WIDE_MIB = 304
HELD_MIB = 450
HOLD_S = 12.0
CONTROL_HOLD_S = 0.5
JUDGED_AFTER_S = 10.0
STALLED_S = 5.0


def play_spike(lab: Lab, run: Run) -> None:
    """Two others have a file in their cache; the third touches 300 MiB as its variant says.

    The run is valid if at T0 the spiker has at most 300 MiB and Xen's free memory is at most slack, a MiB for each
    managed guest (its margin: maxmem stands that far above the target) and 3 MiB.
    """
    kind = run.variant or ("populate" if run.scenario == "spike-fast" else "private")
    fill_caches(lab)
    _spike(lab, run, f"touch {kind} {SPIKE_MIB}")


def play_wide(lab: Lab, run: Run) -> None:
    """Two others hold 450 MiB each; the third touches 304 MiB."""
    if not lab.holders:
        for name in ("g1", "g2"):
            guest = lab.guests[name]
            # Slowly: getting there is not what is judged.
            lab.holders.append(guest.start(f"touch private {HELD_MIB} rate=12 hold=86400"))
        for job in lab.holders:
            job.wait_touched(TOUCHED_WITHIN_S)
            if job.done:
                raise InvalidStart(f"T0: {job.command} ended: {job.wait(0)}")
    _spike(lab, run, f"touch private {SPIKE_WIDE_MIB}", at_start_mib=lab.shape.guest_mib + 100)
    run.claim("the holding guests still hold", not any(job.done for job in lab.holders))


def play_sweep(lab: Lab, run: Run) -> None:
    """As `spike`, at the pace that the variant names (MiB/s)."""
    fill_caches(lab)
    _spike(lab, run, f"touch private {SPIKE_MIB} rate={run.variant}")


def play_apart(lab: Lab, run: Run) -> None:
    """As `spike`, with memory set aside or without; the variant says how it touches, and whether dom0 stands still."""
    fill_caches(lab)
    kind = run.variant.removesuffix(STALLED)
    stalled_s = STALLED_S if run.variant.endswith(STALLED) else 0.0
    _spike(lab, run, f"touch {kind} {SPIKE_MIB}", at_start_mib=SPIKER_LOST_BEFORE_MIB, stalled_s=stalled_s)


def _spike(
    lab: Lab, run: Run, command: str, *, at_start_mib: int = SPIKER_AT_START_MIB, stalled_s: float = 0.0
) -> None:
    spiker = lab.guests["g3"]
    control_command = f"{command} hold={CONTROL_HOLD_S}"
    run.program("control", lab.control, control_command, lab.control.ask(control_command, timeout_s=TOUCHED_WITHIN_S))
    wait_for_start(lab, spiker, at_start_mib=at_start_mib)

    begin(lab, run)
    spiker_command = f"{command} hold={HOLD_S}"
    cpu_before_s, dom0_before_s = lab.xen.cpu_s(), lab.dom0_cpu_s()
    job = spiker.start(spiker_command)
    if stalled_s:
        run.mark(STANDS_STILL)
        with lab.arbiter.stopped():
            time.sleep(stalled_s)
        run.mark(GOES_ON)
    job.wait_touched(TOUCHED_WITHIN_S)
    cpu_after_s, dom0_after_s = lab.xen.cpu_s(), lab.dom0_cpu_s()
    # Who the pCPU worked for while the program touched: what it waited for that was not memory.
    run.facts["cpu_s"] = {domid: round(cpu_after_s[domid] - cpu_before_s[domid], 2) for domid in cpu_before_s}
    run.facts["dom0_cpu_s"] = {name: round(dom0_after_s[name] - dom0_before_s[name], 2) for name in dom0_before_s}
    answer = job.wait(TOUCHED_WITHIN_S)
    run.program("spiker", spiker, spiker_command, answer)
    released_s = time.time()
    wait_until(lambda: at_rest(lab, spiker, at_start_mib), SETTLED_WITHIN_S, every_s=0.25)
    time.sleep(max(0.0, released_s + JUDGED_AFTER_S + 0.5 - time.time()))
    finish(lab, run)
