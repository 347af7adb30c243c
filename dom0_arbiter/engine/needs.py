"""What a domain needs, as far as its reports and Xen's figures tell, and when that is news."""

from dom0_arbiter.engine.domain import Domain
from dom0_arbiter.policy import ESTIMATORS, Demand, History, estimate_demand
from protocol import Report

# Changes of demand for which the last plan need not be remade at once; the next look at the host takes them in.
NOTEWORTHY_SHORT_KIB = 1024
NOTEWORTHY_KIB = 16_384  # of a domain that has what it needs
NOTEWORTHY_RATIO = 128


def learned_offset_kib(domain: Domain, report: Report, now_s: float) -> int | None:
    """The difference between Xen's figure and the guest's while they belong to the same size, else what was known."""
    known_kib, balloon = domain.memory_offset_kib, domain.balloon
    if balloon is None:
        return known_kib
    offset_kib = max(0, balloon.actual_kib - report.total_kib)
    if offset_kib == known_kib:
        return known_kib  # the common case, and the cheapest
    return offset_kib if known_kib is None or balloon.at_rest(now_s) else known_kib


def demand_of(domain: Domain, now_s: float) -> Demand | None:
    """Estimate a domain's demand from its history, or None where there is none."""
    return None if domain.history is None else estimate(domain, domain.history, domain.memory_offset_kib, now_s)


def estimate(domain: Domain, history: History, offset_kib: int | None, now_s: float) -> Demand | None:
    """The same from a history and an offset that the domain is about to get."""
    if offset_kib is None:
        return None
    return estimate_demand(
        history,
        offset_kib=offset_kib,
        dynamic_min_kib=min(domain.dynamic_min_kib(now_s), domain.ceiling_kib),
        ceiling_kib=domain.ceiling_kib,
        static_max_kib=domain.static_max_kib,
        now_s=now_s,
        reserved_burst_kib=domain.settings.reserved_burst_kib,
        reaction_s=domain.reaction_s,
        up_kib_s=None if domain.balloon is None else domain.balloon.up.kib_s,
        estimator=ESTIMATORS[domain.settings.estimator],
    )


def is_ageing(domain: Domain) -> bool:
    """Whether its demand falls as time passes, without a report.

    What lies in swap counts less and less; and a start ends, whose minimum the last report still counted with.
    """
    history = domain.history
    if history is None:
        return False
    least_kib = domain.settings.dynamic_min_kib
    return history.report.swap_used_kib > 0 or domain.dynamic_min_kib(history.arrived_s) > least_kib


def is_noteworthy(domain: Domain, demand: Demand | None) -> bool:
    """Whether the demand has moved so far from what the last plan was made for that a new plan could differ."""
    planned = domain.planned
    if demand is None or planned is None:
        return planned is not demand
    is_short = domain.balloon is not None and domain.balloon.target_kib < demand.need_kib
    least_step_kib = NOTEWORTHY_SHORT_KIB if is_short else NOTEWORTHY_KIB
    step_kib = max(least_step_kib, planned.need_kib // NOTEWORTHY_RATIO)
    return (
        abs(demand.working_set_kib - planned.working_set_kib) >= step_kib
        or abs(demand.need_kib - planned.need_kib) >= step_kib
        or (domain.awaits_report and planned.least_kib - demand.least_kib >= NOTEWORTHY_SHORT_KIB)
    )
