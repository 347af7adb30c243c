"""The arbiter's mind: step(state, events, now_s) -> (state, plan, decisions). Pure; the only place where state changes.

May import policy, protocol and the standard library; knows neither xenstore nor trio nor a clock. The adapters speak
in its words: they bring `events` and carry out `actions`.
"""

from dom0_arbiter.engine.actions import Action, Plan, SendGrant, SendWelcome, SetMaxmem, WriteTarget
from dom0_arbiter.engine.balloon import Balloon
from dom0_arbiter.engine.domain import Decision, Domain, DomainState
from dom0_arbiter.engine.events import (
    ActionFailed,
    DomainIntroduced,
    DomainReleased,
    DomainSample,
    Event,
    HelloReceived,
    HostSampled,
    MessageRefused,
    ReportReceived,
    ReservationReleased,
    ReservationRequested,
    ResumeRequested,
    ShutdownObserved,
    TargetObserved,
)
from dom0_arbiter.engine.reservation import Reservation, set_aside_kib
from dom0_arbiter.engine.state import State
from dom0_arbiter.engine.step import step

__all__ = [
    "Action",
    "ActionFailed",
    "Balloon",
    "Decision",
    "Domain",
    "DomainIntroduced",
    "DomainReleased",
    "DomainSample",
    "DomainState",
    "Event",
    "HelloReceived",
    "HostSampled",
    "MessageRefused",
    "Plan",
    "ReportReceived",
    "Reservation",
    "ReservationReleased",
    "ReservationRequested",
    "ResumeRequested",
    "SendGrant",
    "SendWelcome",
    "SetMaxmem",
    "ShutdownObserved",
    "State",
    "TargetObserved",
    "WriteTarget",
    "set_aside_kib",
    "step",
]
