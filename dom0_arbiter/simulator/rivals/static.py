"""No balancing at all: each domain keeps what it was started with, as Xen leaves it (xl.cfg(5), `memory`)."""

from dom0_arbiter.simulator.rivals.rival import Rival


class Static(Rival):
    """Never moves anything."""

    name = "static"

    def act(self) -> None:
        """Do nothing, for ever."""
        self.due_s = float("inf")
