"""What is to be played: a host, its guests' needs and characters, requests for memory, and what is expected of it.

Plain values; `scenario_file` reads them from TOML, `replay` makes them from a trace.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt
from typing import Literal, get_args

from dom0_arbiter.policy import Settings
from dom0_arbiter.simulator.guests.guest import GuestSpec
from dom0_arbiter.simulator.guests.kernel import CHURN_KIB

Verdict = Literal["granted", "refused-lack", "refused-stuck"]
Policy = Literal[
    "aerostat",
    "static",
    "qmemman",
    "squeezed",
    "proxmox",
    "mom",
    "hyper-v",
    "selfballoon",
    "committed-as",
    "tmem",
    "oracle",
]
Metric = Literal[
    "unmet_kib_s",
    "swap_kib",
    "stall_s",
    "oom_kills",
    "cache_miss_kib",
    "reaction_p50_s",
    "reaction_p95_s",
    "handover_s",
    "moved_kib",
    "reversals",
    "fairness_min_ratio",
]
Safeguard = Literal["shrink-before-grow", "inaccuracy"]
InvariantName = Literal["A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K"]

POLICIES: tuple[str, ...] = get_args(Policy)
METRICS: tuple[str, ...] = get_args(Metric)
KIB_MAX = 2**34  # 16 TiB: what Xen can use unless built for more; 64 times that still fits a report


class ScenarioError(Exception):
    """A scenario or a trace that cannot be played. The text names file, place and what is allowed there.

    It is one line of printable text, whatever names and keys the file has.
    """

    def __init__(self, text: str) -> None:
        super().__init__("".join(each if each.isprintable() else repr(each)[1:-1] for each in text))


@dataclass(frozen=True, slots=True, kw_only=True)
class Appearance:
    """One guest of the scenario, from its start to its end (inf: the scenario's).

    target_kib: what stands in memory/target at first, Xen's view.
    """

    spec: GuestSpec
    target_kib: int
    from_s: float = 0.0
    until_s: float = float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A reservation, as for a start. `within_s` after at_s it must be decided; held for hold_s from then on.

    hold_s inf: to the end. expect None: whatever comes is right. missing_kib: inclusive range of what a refusal for
    lack names as missing. blame: the domains that a refusal must name, no others.
    """

    name: str
    at_s: float
    size_kib: int
    min_kib: int
    hold_s: float
    within_s: float
    expect: Verdict | None = None
    missing_kib: tuple[int, int] | None = None
    blame: Sequence[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """`subject` of `domain` (None: of the host, or a metric) lies within low..high, or is `state`, throughout.

    Times inclusive. subject: actual_kib, target_kib or state of a domain; free_kib of the host; or the name of a
    metric, judged once, at the end.
    """

    from_s: float
    until_s: float
    domain: str | None
    subject: str
    low: float | None = None
    high: float | None = None
    state: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """All amounts in KiB, Xen's view; times in seconds from the beginning.

    `without`: safeguards to switch off. expect_violated: invariants that must break, and the only ones that may.
    """

    name: str
    duration_s: float
    memory_kib: int
    settings: Settings
    guests: Sequence[Appearance]
    seed: int = 0
    step_s: float = 0.01
    policies: Sequence[str] = ("aerostat",)
    requests: Sequence[Request] = ()
    expectations: Sequence[Expectation] = ()
    without: frozenset[Safeguard] = frozenset()
    expect_violated: frozenset[str] = frozenset()


def boots_with_kib(spec: GuestSpec) -> int:
    """The least size at which a guest's kernel can live without any program, Xen's view."""
    return spec.memory_offset_kib + spec.kernel_kib + isqrt(spec.static_max_kib * 16) * 3 // 2 + CHURN_KIB
