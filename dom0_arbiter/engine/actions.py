"""What the engine wants done, in order. The actuator carries it out and reports what failed."""

from collections.abc import Sequence
from dataclasses import dataclass

from protocol import Grant, Welcome


@dataclass(frozen=True, slots=True, kw_only=True)
class SetMaxmem:
    """Tell Xen the most that a domain may hold."""

    domid: int
    maxmem_kib: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteTarget:
    """Ask a guest's balloon driver for a size, in libxl's view: what belongs in memory/target."""

    domid: int
    target_kib: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SendWelcome:
    """Answer a hello."""

    domid: int
    welcome: Welcome


@dataclass(frozen=True, slots=True, kw_only=True)
class SendGrant:
    """Let a guest grow by itself, or (extra_kib 0) not any more."""

    domid: int
    grant: Grant


Action = SetMaxmem | WriteTarget | SendWelcome | SendGrant


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Actions in order, and when to look at the hypervisor again at the latest, unless events come first."""

    actions: Sequence[Action]
    look_again_s: float
