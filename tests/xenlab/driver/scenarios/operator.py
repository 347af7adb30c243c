"""What scenarios do as the operator: size a guest by hand, and hand it back."""

from tests.xenlab.catalogue import OTHERS
from tests.xenlab.driver.console import wait_until
from tests.xenlab.driver.guests import Guest
from tests.xenlab.driver.hypervisor import xl
from tests.xenlab.driver.lab import Lab
from tests.xenlab.driver.run import Run

REACHED_KIB = 1024  # so near is as good as there: the driver stops at whole pages, PVH guests 16 pages off


def set_size(lab: Lab, run: Run, guest: Guest, mib: int, within_s: float) -> bool:
    """`xl mem-set`; whether the balloon got there in time."""
    run.mark(OTHERS)
    xl("mem-set", guest.name, f"{mib * 1024}k")
    run.mark(OTHERS)
    return wait_until(lambda: abs(lab.size_kib(guest) - mib * 1024) < REACHED_KIB, within_s)


def hand_back(lab: Lab, run: Run, guest: Guest) -> None:
    """The arbiter sizes it again."""
    answer = lab.arbiter.ask({"command": "resume", "domain": guest.name})
    run.claim(f"{guest.name} is handed back", "error" not in answer, answer)
