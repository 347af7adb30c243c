"""What each scenario does, one module per kind; a scenario plays one run into a `Run` and judges nothing.

A scenario may import anything of the driver. `PLAYS` names them for the plan.
"""

from collections.abc import Callable

from tests.xenlab.driver.lab import Lab
from tests.xenlab.driver.run import Run
from tests.xenlab.driver.scenarios import (
    alone,
    contention,
    dom0,
    estimators,
    faults,
    giving,
    hogs,
    lifecycle,
    recover,
    spike,
    surplus,
)

PLAYS: dict[str, Callable[[Lab, Run], None]] = {
    "spike": spike.play_spike,
    "spike-shared": spike.play_spike,
    "spike-fast": spike.play_spike,
    "spike-wide": spike.play_wide,
    "spike-freed": spike.play_spike,
    "spike-stalled": spike.play_apart,
    "spike-granted": spike.play_apart,
    "spike-pooled": spike.play_apart,
    "spike-pvh": spike.play_spike,
    "rate-sweep": spike.play_sweep,
    "contention": contention.play_contention,
    "arbiter-killed": faults.play_arbiter_killed,
    "xenstored-stalled": faults.play_xenstored_stalled,
    "mem-set-by-operator": faults.play_mem_set,
    "save-restore": lifecycle.play_save_restore,
    "recover": recover.play_recover,
    "recover-disk": recover.play_recover,
    "alone": alone.play_alone,
    "giving": giving.play_giving,
    "hogs": hogs.play_hogs,
    "surplus": surplus.play_surplus,
    "dom0-managed": dom0.play_dom0,
    "estimators": estimators.play_estimators,
    "reboot": lifecycle.play_reboot,
}
