"""All that the arbiter knows. Frozen: a step returns a new one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dom0_arbiter.engine.domain import Domain
from dom0_arbiter.engine.domains import Domains
from dom0_arbiter.engine.events import HostSampled
from dom0_arbiter.policy import Settings

if TYPE_CHECKING:
    from dom0_arbiter.engine.reservation import Reservation


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """`promises_kib`: Σ max(0, maxmem − actual) of guests that are none of ours to manage (or not known yet).

    looked_s: when the host was last looked at; `sample`: what was seen. `stale` is whether something happened that the
    last plan did not take into account; whoever gives a state other settings makes it stale. quiet_until_s: before that
    time, a look that shows the same as the last one needs no second thought; -inf has every look thought through.
    """

    settings: Settings = field(default_factory=Settings)
    domains: Mapping[int, Domain] = field(default_factory=Domains)
    looked_s: float = float("-inf")
    sample: HostSampled | None = None
    quiet_until_s: float = float("-inf")
    total_kib: int = 0
    free_kib: int = 0
    free_at_most_kib: int = 0
    foreign_promises_kib: int = 0
    unknown_kib: int = 0  # what domains hold, or may, that Xen shows and xenstore does not describe yet
    stale: bool = False
    is_moving: bool = False  # some balloon was on its way when the host was last looked at
    is_freezing: bool = False  # some domain had been asked to suspend, and was not seen away yet
    is_pressed: bool = False  # somebody presses, or the host of what it promised: what is being given is waited for
    is_evening: bool = False  # surplus was on its way to where it belongs
    is_short: bool = False  # somebody had less than it needs when the last plan was made
    pool_kib: int = 0
    floors_missing_kib: int = 0
    reservations: Mapping[str, "Reservation"] = field(default_factory=dict)
    refused_total: Mapping[str, int] = field(default_factory=dict)
