"""The figures of a played world: what its guests' scores add up to. docs/simulator.md defines each."""

from collections.abc import Mapping, Sequence

from dom0_arbiter.policy import pour
from dom0_arbiter.simulator.guests.guest import Guest
from dom0_arbiter.simulator.inspector import rarer
from dom0_arbiter.simulator.playing.outcome import Number
from dom0_arbiter.simulator.quantile import percentile
from dom0_arbiter.simulator.world import World

LOOK_S = 1.0


class Fairness:
    """How well each domain's demand was covered, over how well it could have been with fair shares of the host.

    Mutable; looks once a second, at large hosts more rarely. A domain that demands less than its share is owed its
    demand, no more.
    """

    def __init__(self) -> None:
        self._owed_kib_s: dict[str, float] = {}
        self._covered_kib_s: dict[str, float] = {}
        self._since: Mapping[str, tuple[float, int]] = {}
        self._ceilings_kib: dict[int, int] = {}  # by domid; nobody's settings change while a world is played
        self._at_s = 0.0

    def look(self, world: World) -> None:
        """Take in the time that has passed since the last look, as it was then, and this moment for the next."""
        elapsed_s = world.now_s - self._at_s
        if self._since and elapsed_s < LOOK_S * rarer(len(self._since)):
            return
        for name, (owed_kib, covered_kib) in self._since.items():
            self._owed_kib_s[name] = self._owed_kib_s.get(name, 0.0) + owed_kib * elapsed_s
            self._covered_kib_s[name] = self._covered_kib_s.get(name, 0.0) + min(owed_kib, covered_kib) * elapsed_s
        self._at_s = world.now_s
        self._since = self._owed(world)

    def min_ratio(self) -> float | None:
        """The worst domain's."""
        ratios = [self._covered_kib_s[name] / owed for name, owed in self._owed_kib_s.items() if owed > 0]
        return min(ratios, default=None)

    def _owed(self, world: World) -> dict[str, tuple[float, int]]:
        ceilings, guests = self._ceilings_kib, world.guests
        for domid in guests.keys() - ceilings.keys():
            ceilings[domid] = world.ceiling_kib(domid)
        demands = [min(guest.demand_kib, ceilings[domid]) for domid, guest in guests.items()]
        budget_kib = world.host.total_kib - world.settings.slack_kib - world.host.reserved_kib
        if sum(demands) > budget_kib:
            weights = [world.settings.of_domain(guest.spec.name).weight for guest in guests.values()]
            demands = pour(weights, [0] * len(guests), demands, budget_kib)
        return {
            guest.spec.name: (owed_kib, world.host.domains[guest.domid].actual_kib)
            for guest, owed_kib in zip(guests.values(), demands, strict=True)
        }


def compute_metrics(world: World, fairness: Fairness, handover_s: float | None) -> dict[str, Number]:
    """The figures of all guests that lived, to this moment."""
    guests: Sequence[Guest] = [*world.departed, *world.guests.values()]
    for guest in world.guests.values():
        guest.score.stands(guest.demand_kib, world.host.domains[guest.domid].actual_kib, world.now_s)
    reactions_s = sorted(s for guest in guests for s in guest.score.all_reactions_s(world.now_s))
    ratio = fairness.min_ratio()
    return {
        "unmet_kib_s": round(sum(guest.score.unmet_kib_s for guest in guests) + world.awaited_kib_s),
        "swap_kib": 4 * sum(guest.kernel.swap_in_total + guest.kernel.swap_out_total for guest in guests),
        "stall_s": round(sum(guest.kernel.psi_some_us_total for guest in guests) / 1e6, 3),
        "oom_kills": world.oom_kills_total,
        "cache_miss_kib": round(sum(guest.kernel.cache_miss_kib for guest in guests)),
        "reaction_p50_s": _rounded(percentile(reactions_s, 50)),
        "reaction_p95_s": _rounded(percentile(reactions_s, 95)),
        "handover_s": _rounded(handover_s),
        "moved_kib": sum(guest.score.moved_kib for guest in guests),
        "reversals": sum(guest.score.reversals for guest in guests),
        "fairness_min_ratio": None if ratio is None else round(ratio, 4),
    }


def _rounded(time_s: float | None) -> float | None:
    return None if time_s is None else round(time_s, 3)
