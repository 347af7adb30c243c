"""What the engine is told. Amounts in KiB, Xen's view unless said otherwise."""

from collections.abc import Mapping
from dataclasses import dataclass

from protocol import Hello, Report


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainIntroduced:
    """A domain has its xenstore directory, or another name or static-max there.

    target_kib as it stands in memory/target (libxl's view), which leaves out videoram_kib.
    """

    domid: int
    uuid: str
    name: str
    static_max_kib: int
    target_kib: int
    videoram_kib: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainReleased:
    """A domain is gone."""

    domid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainSample:
    """What Xen says of one guest."""

    actual_kib: int
    maxmem_kib: int
    is_maxmem_known: bool = True  # else it is taken to be what was last asked for (xl does not show it)
    paused: bool = False
    shut_down: bool = False  # suspended, powered off or crashed: it cannot answer
    is_hvm: bool = False  # HVM or PVH


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSampled:
    """What Xen says of the host: free memory, and every domain (dom0 and unmanaged ones included).

    Memory moves between one question to Xen and the next: free_before_kib was read before the guests' figures (None:
    all at once), free_kib after them. What is given must be backed by the smaller; a lack is what exceeds the larger.
    """

    total_kib: int
    free_kib: int
    domains: Mapping[int, DomainSample]
    free_before_kib: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HelloReceived:
    """An agent introduced itself."""

    domid: int
    hello: Hello


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportReceived:
    """An agent reported. `found`: the report stood in xenstore when we first looked, and may be of any age."""

    domid: int
    report: Report
    found: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRefused:
    """A guest wrote something that is no message to us; reason from protocol.REASONS, "version" or "vanished"."""

    domid: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetObserved:
    """What stands in memory/target now, whoever wrote it (libxl's view)."""

    domid: int
    target_kib: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShutdownObserved:
    """Somebody asked the guest through control/shutdown to suspend, reboot, halt ..."""

    domid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeRequested:
    """The operator hands a pinned domain back."""

    domid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationRequested:
    """Somebody wants memory set aside, as for a start; a domain of that name takes it over when it appears."""

    name: str
    size_kib: int
    min_kib: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationReleased:
    """It is not needed any more, or not wanted."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionFailed:
    """An action of an earlier plan was not carried out; the rest of that domain's actions in that plan neither."""

    domid: int
    reason: str


Event = (
    DomainIntroduced
    | DomainReleased
    | HostSampled
    | HelloReceived
    | ReportReceived
    | MessageRefused
    | TargetObserved
    | ShutdownObserved
    | ResumeRequested
    | ReservationRequested
    | ReservationReleased
    | ActionFailed
)
