"""What a domain needs: the levels of memory that allocation fills, from its history.

Pure; all results are in Xen's view: the guest's figures plus the domain's memory offset (page structs, kernel image,
initrd: what Xen gave it but MemTotal does not show).
"""

from dataclasses import dataclass

from dom0_arbiter.policy.estimators import Estimator, working_set
from dom0_arbiter.policy.headroom import headroom_kib
from dom0_arbiter.policy.history import History, used_kib

REACTION_MOST_S = 4.0  # longer ones are no reaction, but a host that has no more
REACTION_S = 1.0  # from a report to memory in the guest, the donors' shrinks included, until it has been measured
SURGE_REACTIONS = 2  # beyond need, what a domain that grows is given at a time: each step costs time and writes
COMFORT_HEADROOMS = 2  # beyond need, what a domain at rest keeps while nobody needs it more
URGENT_MIN_KIB = 16_384
URGENT_MAX_KIB = 262_144
URGENT_DIVISOR = 24  # of static-max: 32 MiB at 768 MiB
DONOR_RESERVE_KIB = 16_384  # never licensed away: the agent itself must survive the step


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """Levels of memory, Xen's view, KiB; the first seven in ascending order. See `Party` for the words."""

    floor_kib: int
    working_set_kib: int
    secured_kib: int
    pressing_kib: int
    need_kib: int
    surge_kib: int
    comfort_kib: int
    least_kib: int

    def capped(self, kib: int) -> "Demand":
        """The same of a domain that can have no more than this."""
        return Demand(
            floor_kib=min(self.floor_kib, kib),
            working_set_kib=min(self.working_set_kib, kib),
            secured_kib=min(self.secured_kib, kib),
            pressing_kib=min(self.pressing_kib, kib),
            need_kib=min(self.need_kib, kib),
            surge_kib=min(self.surge_kib, kib),
            comfort_kib=min(self.comfort_kib, kib),
            least_kib=self.least_kib,
        )


def urgent_kib(static_max_kib: int) -> int:
    """Available memory below which a guest's need cannot wait; the headroom of one whose past is not known."""
    return min(max(static_max_kib // URGENT_DIVISOR, URGENT_MIN_KIB), URGENT_MAX_KIB)


def growth_kib(history: History, reaction_s: float) -> int:
    """What one reaction time brings at the fastest pace seen lately; at most what is used already."""
    return min(int(history.growth_kib_s * reaction_s), used_kib(history.report))


def estimate_demand(
    history: History,
    *,
    offset_kib: int,
    dynamic_min_kib: int,
    ceiling_kib: int,
    static_max_kib: int,
    now_s: float,
    reserved_burst_kib: int = 0,
    reaction_s: float = REACTION_S,
    up_kib_s: float | None = None,
    estimator: Estimator = working_set,
) -> Demand:
    """Estimate the levels, all within dynamic_min_kib..ceiling_kib.

    The floor leaves out half of what swap can still take (zram and zswap keep about half of what they are given).
    `least_kib` takes half of what the report says could be taken, less a reserve: each report licenses one such step,
    and since that is computed from the report's own figures, an old report licenses nothing new. The surge of a guest
    that grows lets its burst go on for as much as it has brought: so one of any size is met in few steps, each about
    twice the one before. However quiet its past, a guest keeps the headroom of a new one as long as others only want
    cache; one without swap keeps it for good, for nothing else is between a burst and the OOM killer. What is reserved
    for a burst is headroom that no past takes away. Half of the headroom of a guest with swap may be waited for, but
    nothing of what the present pace brings in one reaction time. A balloon that grows at up_kib_s needs its time for
    one headroom, however soon it is asked: that is the reaction time then.
    """
    report = history.report
    used, hidden_kib = used_kib(report), int(history.hidden.kib)
    swappable_kib = min(report.anon_kib, report.swap_total_kib - report.swap_used_kib) // 2
    prior = urgent_kib(static_max_kib)
    if up_kib_s is not None:
        filling_s = headroom_kib(history.growth, prior, reaction_s) / up_kib_s
        reaction_s = max(reaction_s, min(filling_s, REACTION_MOST_S))
    growth = growth_kib(history, reaction_s)
    headroom = min(headroom_kib(history.growth, prior, reaction_s), max(used, 1))
    if report.swap_total_kib == 0:
        headroom = max(headroom, prior)

    def level(kib: int, at_least: int) -> int:
        return min(max(kib, at_least), ceiling_kib)

    floor = level(offset_kib + max(used - swappable_kib, report.floor_kib), dynamic_min_kib)
    working = level(offset_kib + estimator(history, now_s), floor)
    secured = level(working + reserved_burst_kib, working)
    need = level(working + max(growth, headroom), secured)
    awaitable_kib = headroom // 2 if report.swap_total_kib else 0
    pressing = level(working + max(growth, headroom - awaitable_kib), secured)
    surge = level(max(need + max(SURGE_REACTIONS * growth, history.burst_kib), working + prior), need)
    comfort = level(need + COMFORT_HEADROOMS * headroom, surge)
    spare_kib = report.available_kib - hidden_kib + swappable_kib - DONOR_RESERVE_KIB
    least = max(dynamic_min_kib, offset_kib + report.total_kib - max(spare_kib, 0) // 2)
    return Demand(
        floor_kib=floor,
        working_set_kib=working,
        secured_kib=secured,
        pressing_kib=pressing,
        need_kib=need,
        surge_kib=surge,
        comfort_kib=comfort,
        least_kib=least,
    )
