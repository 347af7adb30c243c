"""What a scenario file may say, key by key: types and defaults. How keys go together is `scenario_file`'s."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from dom0_arbiter.engine.domain import DomainState
from dom0_arbiter.policy import DomainSettings, EstimatorName
from dom0_arbiter.service.config import PolicyTable as ArbiterPolicyTable
from dom0_arbiter.simulator.guests.kernel import Swap
from dom0_arbiter.simulator.scenarios.scenario import KIB_MAX, METRICS, InvariantName, Policy, Safeguard, Verdict

TIME_MAX_S = 31_622_400.0  # a leap year
STEP_MIN_S, STEP_MAX_S = 0.001, 1.0
LIE_MAX = 64.0  # times KIB_MAX is the protocol's own limit

Kib = Annotated[int, Meta(ge=0, le=KIB_MAX)]
PositiveKib = Annotated[int, Meta(ge=1, le=KIB_MAX)]
Time = Annotated[float, Meta(ge=0, le=TIME_MAX_S)]
Span = Annotated[float, Meta(gt=0, le=TIME_MAX_S)]
Name = Annotated[str, Meta(min_length=1, max_length=256)]
Figure = Annotated[float, Meta(ge=0, le=1e18)]
KibRange = tuple[Kib, Kib]
FigureRange = tuple[Figure, Figure]
Shape = Literal["step", "linear"]
Weight = Annotated[int, Meta(ge=1, le=65_535)]


class HostTable(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """[host]."""

    memory_kib: PositiveKib
    slack_kib: Kib = 0


class PolicyTable(ArbiterPolicyTable, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """[policy], as in aerostatd.toml, and safeguards to switch off."""

    without: list[Safeguard] = field(default_factory=list)


class InvariantsTable(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """[invariants]."""

    expect_violated: list[InvariantName] = field(default_factory=list)


class CurveTable(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """{ base_kib, peak_kib, every_s, for_s }, { sine_kib, period_s } or { csv, domain }: one of these, whole."""

    base_kib: Kib | None = None
    peak_kib: Kib | None = None
    every_s: Span | None = None
    for_s: Span | None = None
    sine_kib: KibRange | None = None
    period_s: Span | None = None
    csv: Annotated[str, Meta(min_length=1, max_length=4096)] | None = None
    domain: Name | None = None


Amounts = Kib | Annotated[list[tuple[Time, Kib]], Meta(min_length=1)] | CurveTable


class CharacterTable(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """[domain.character]; None: as a guest without it is."""

    speed_kib_s: PositiveKib | None = None
    moving_s: Time | None = None
    stuck_s: Time | None = None
    never_below_kib: Kib | None = None
    never_above_kib: Kib | None = None
    inaccuracy_kib: Kib | None = None
    dead: bool | None = None
    takes_grants: bool | None = None
    silent_from_s: Time | None = None
    lie_factor: Annotated[float, Meta(ge=0, le=LIE_MAX)] | None = None
    paused_s: list[tuple[Time, Time]] | None = None
    crash_at_s: Time | None = None


class DomainTable(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """[[domain]]. None: dynamic_max_kib as static_max_kib, target_kib as dynamic_max_kib, actual_kib as target_kib."""

    name: Name
    static_max_kib: PositiveKib
    dynamic_min_kib: Kib
    dynamic_max_kib: PositiveKib | None = None
    target_kib: Kib | None = None
    actual_kib: Kib | None = None
    reserved_burst_kib: Kib = 0
    boot_min_kib: Kib = 0
    estimator: EstimatorName = DomainSettings().estimator
    grant_kib: Kib = 0
    weight: Weight = DomainSettings().weight
    swap: Swap = "none"
    from_s: Time = 0.0
    until_s: Span | None = None
    need_kib: Amounts = 0
    need_shape: Shape = "step"
    cache_kib: Amounts = 0
    character: CharacterTable = CharacterTable()


class RequestTable(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """[[request]]. min_kib None: size_kib; hold_s None: to the end; within_s None: to the end."""

    name: Name
    at_s: Time
    size_kib: PositiveKib
    min_kib: PositiveKib | None = None
    hold_s: Time | None = None
    within_s: Time | None = None
    expect: Verdict | None = None
    missing_kib: KibRange | None = None
    blame: list[Name] | None = None


class ExpectTable(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """[[expect]]: at_s, or from_s and until_s; then one subject, of `domain` if it is given, else of the host."""

    at_s: Time | None = None
    from_s: Time | None = None
    until_s: Time | None = None
    domain: Name | None = None
    actual_kib: KibRange | None = None
    target_kib: KibRange | None = None
    state: DomainState | None = None
    free_kib: KibRange | None = None
    unmet_kib_s: FigureRange | None = None
    swap_kib: FigureRange | None = None
    stall_s: FigureRange | None = None
    oom_kills: FigureRange | None = None
    cache_miss_kib: FigureRange | None = None
    reaction_p50_s: FigureRange | None = None
    reaction_p95_s: FigureRange | None = None
    handover_s: FigureRange | None = None
    moved_kib: FigureRange | None = None
    reversals: FigureRange | None = None
    fairness_min_ratio: FigureRange | None = None


DOMAIN_SUBJECTS = ("actual_kib", "target_kib", "state")
HOST_SUBJECTS = ("free_kib", *METRICS)


class ScenarioFile(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The whole file."""

    format: Literal[1]
    duration_s: Span
    host: HostTable
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    step_s: Annotated[float, Meta(ge=STEP_MIN_S, le=STEP_MAX_S)] = 0.01
    policies: Annotated[list[Policy], Meta(min_length=1)] = field(default_factory=lambda: list[Policy](["aerostat"]))
    policy: PolicyTable = PolicyTable()
    invariants: InvariantsTable = InvariantsTable()
    domain: list[DomainTable] = field(default_factory=list)
    request: list[RequestTable] = field(default_factory=list)
    expect: list[ExpectTable] = field(default_factory=list)
