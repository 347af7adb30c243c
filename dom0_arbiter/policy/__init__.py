"""What each domain should have: demand estimates, fair allocation, and the moves worth making now.

Pure: no clock, no I/O, no trio; time is an argument. Imports protocol (demand is estimated from reports) and the
standard library. All amounts are in Xen's view (what Xen accounts to the domain), in KiB.
"""

from dom0_arbiter.policy.allocate import Party, allocate
from dom0_arbiter.policy.demand import (
    DONOR_RESERVE_KIB,
    REACTION_MOST_S,
    REACTION_S,
    Demand,
    estimate_demand,
    urgent_kib,
)
from dom0_arbiter.policy.estimators import ESTIMATORS, Estimator, EstimatorName
from dom0_arbiter.policy.grants import is_other_grant, plan_grants
from dom0_arbiter.policy.history import History, observe_report
from dom0_arbiter.policy.plan import (
    EVEN_S,
    EVEN_SOON_S,
    MARGIN_KIB,
    MOVE_MIN_KIB,
    Move,
    Moves,
    Room,
    plan_moves,
)
from dom0_arbiter.policy.reserve import Holdout, Outcome, Verdict, judge_reservation
from dom0_arbiter.policy.settings import DOM0, DOM0_NAME, SURPLUS, DomainSettings, Settings, Surplus
from dom0_arbiter.policy.water import pour

__all__ = [
    "DOM0",
    "DOM0_NAME",
    "DONOR_RESERVE_KIB",
    "ESTIMATORS",
    "EVEN_S",
    "EVEN_SOON_S",
    "MARGIN_KIB",
    "MOVE_MIN_KIB",
    "REACTION_MOST_S",
    "REACTION_S",
    "SURPLUS",
    "Demand",
    "DomainSettings",
    "Estimator",
    "EstimatorName",
    "History",
    "Holdout",
    "Move",
    "Moves",
    "Outcome",
    "Party",
    "Room",
    "Settings",
    "Surplus",
    "Verdict",
    "allocate",
    "estimate_demand",
    "is_other_grant",
    "judge_reservation",
    "observe_report",
    "plan_grants",
    "plan_moves",
    "pour",
    "urgent_kib",
]
