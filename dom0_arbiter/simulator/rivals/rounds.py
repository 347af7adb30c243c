"""What the peers' daemons share: they wake up again and again, and see a domain's limits as its owner set them."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from dom0_arbiter.policy import pour
from dom0_arbiter.simulator.rivals.rival import Rival

if TYPE_CHECKING:
    from dom0_arbiter.simulator.world import World

PAGE_KIB = 4
EPSILON_S = 1e-9  # times are sums of floats


def whole_pages(kib: float) -> int:
    """So much, down to a whole page: less than a page moves no balloon."""
    return int(kib) // PAGE_KIB * PAGE_KIB


def limits_kib(world: "World", domid: int) -> tuple[int, int]:
    """Dynamic-min and the ceiling, KiB, Xen's view; dynamic-min gives way where they cross."""
    ceiling_kib = world.ceiling_kib(domid)
    settings = world.settings.of_domain(world.guests[domid].spec.name)
    return min(settings.dynamic_min_kib, ceiling_kib), ceiling_kib


class Rounds(Rival):
    """Acts every `period_s`, first at once, as a daemon does that has been running for long."""

    period_s: ClassVar[float]

    def act(self) -> None:
        """Play a round if it is time."""
        if self.world.now_s >= self.due_s - EPSILON_S:
            self.due_s = self.world.now_s + self.period_s
            self.round()

    @abstractmethod
    def round(self) -> None:
        """What is done each time."""


class Directed(Rounds):
    """A policy that names a size for each domain, and has dom0 bring them there: memory is given after it is free.

    Where there is too little free memory, those who are to grow share it by weight; the rest follows in later rounds.
    """

    def __init__(self, world: "World") -> None:
        super().__init__(world)
        self._asked_kib: dict[int, int] = {}

    def direct(self, wanted_kib: Mapping[int, int], weights: Mapping[int, int]) -> None:
        """Ask each domain to shrink to what is wanted, or to grow as far as free memory above slack allows."""
        host, asked = self.world.host, self._asked_kib
        for domid in asked.keys() - host.domains.keys():
            del asked[domid]
        promised_kib = 0  # to domains that are not spoken of this time, and still may take it
        for domid, kib in asked.items():
            if domid not in wanted_kib:
                promised_kib += max(0, kib - host.domains[domid].actual_kib)
        growing = [domid for domid, kib in wanted_kib.items() if kib > host.domains[domid].actual_kib]
        for domid, kib in wanted_kib.items():
            if domid not in growing:
                self._ask(domid, kib)
        lacking_kib = [wanted_kib[domid] - host.domains[domid].actual_kib for domid in growing]
        budget_kib = max(0, host.free_kib - self.world.settings.slack_kib - promised_kib)
        shares_kib = pour([weights[domid] for domid in growing], [0] * len(growing), lacking_kib, budget_kib)
        for domid, kib in zip(growing, shares_kib, strict=True):
            self._ask(domid, host.domains[domid].actual_kib + kib)

    def _ask(self, domid: int, kib: int) -> None:
        kib = whole_pages(kib)
        if self._asked_kib.get(domid) != kib:
            self._asked_kib[domid] = kib
            self.world.ask(domid, kib)
