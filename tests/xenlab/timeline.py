"""What a run left behind, as typed data: the boundary between the driver's JSON and everything that judges it."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

TARGET = "memory/target"
REPORT = "data/aerostat/report"


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What Xen says of a domain."""

    mem_kib: int
    maxmem_kib: int
    live: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Xen's own figures at one moment; free memory was read before and after the list of domains."""

    at_s: float
    free_before_kib: int
    free_after_kib: int
    domains: dict[int, Size]


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One write to xenstore below a domain's directory, as its watch told; `value` may be that of a later write."""

    at_s: float
    domid: int
    key: str
    value: str | None
    maxmem_kib: int | None  # Xen's at that moment, for writes to memory/target

    @property
    def kib(self) -> int | None:
        """The value as a number."""
        return int(self.value) if self.value is not None and self.value.isdecimal() else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Milestone:
    """How far a program had touched, and what its guest had left then."""

    at_s: float
    touched_kib: int
    available_kib: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One program in a guest; times on dom0's clock, None where it never got there."""

    role: str
    guest: str
    command: str
    start_s: float
    first_s: float | None
    last_s: float | None
    end_s: float
    touched_kib: int
    signal: int
    status: int
    milestones: tuple[Milestone, ...]

    @property
    def complete(self) -> bool:
        """It touched everything, held it and ended by itself."""
        return self.last_s is not None and self.signal == 0 and self.status == 0

    @property
    def run_s(self) -> float | None:
        """From the first touch to the last, without the holding."""
        return self.last_s - self.first_s if self.last_s is not None and self.first_s is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """One run."""

    scenario: str
    variant: str
    number: int
    invalid: str | None
    started_s: float
    t0_s: float | None
    ended_s: float
    domids: dict[str, int]  # of guests by name, as the run began
    managed: dict[int, str]  # every domid that a managed guest has had
    samples: tuple[Sample, ...]
    writes: tuple[Write, ...]
    programs: tuple[Program, ...]
    marks: tuple[tuple[str, float], ...]
    facts: dict[str, Any]
    claims: tuple[dict[str, Any], ...]

    def program(self, role: str) -> Program | None:
        """The first program in that role."""
        return next((program for program in self.programs if program.role == role), None)

    def written(self, domid: int, key: str, *, from_s: float, until_s: float = float("inf")) -> Iterator[Write]:
        """Writes to one key of one domain, oldest first."""
        return (w for w in self.writes if w.domid == domid and w.key == key and from_s <= w.at_s <= until_s)

    def sample_at(self, at_s: float) -> Sample | None:
        """The last sample not after a moment."""
        index = bisect_right(self.samples, at_s, key=lambda sample: sample.at_s)
        return self.samples[index - 1] if index else None

    def sizes(self, domid: int, *, from_s: float, until_s: float = float("inf")) -> list[tuple[float, int]]:
        """(at_s, mem_kib) of a domain over a stretch of time."""
        return [
            (sample.at_s, sample.domains[domid].mem_kib)
            for sample in self.samples
            if from_s <= sample.at_s <= until_s and domid in sample.domains
        ]


def parse_timeline(record: dict[str, Any]) -> Timeline:
    """A record of kind "run"; KeyError or TypeError where it is not one."""
    return Timeline(
        scenario=record["scenario"],
        variant=record["variant"],
        number=record["number"],
        invalid=record["invalid"],
        started_s=record["started_s"],
        t0_s=record["t0_s"],
        ended_s=record["ended_s"],
        domids=record["domids"],
        managed={int(domid): name for domid, name in record["managed"].items()},
        samples=tuple(_sample(*fields) for fields in record["samples"]),
        writes=tuple(
            Write(at_s=at_s, domid=domid, key=key, value=value, maxmem_kib=maxmem_kib)
            for at_s, domid, key, value, maxmem_kib in record["events"]
        ),
        programs=tuple(_program(program) for program in record["programs"]),
        marks=tuple((name, at_s) for name, at_s in record["marks"]),
        facts=record["facts"],
        claims=tuple(record["claims"]),
    )


def _sample(at_s: float, before_kib: int, after_kib: int, domains: list[list[int]]) -> Sample:
    sizes = {domid: Size(mem_kib=mem, maxmem_kib=maxmem, live=bool(live)) for domid, mem, maxmem, live in domains}
    return Sample(at_s=at_s, free_before_kib=before_kib, free_after_kib=after_kib, domains=sizes)


def _program(program: dict[str, Any]) -> Program:
    return Program(
        role=program["role"],
        guest=program["guest"],
        command=program["command"],
        start_s=program["start_s"],
        first_s=program["first_s"] or None,
        last_s=program["last_s"] or None,
        end_s=program["end_s"],
        touched_kib=program["touched_kib"],
        signal=program["signal"],
        status=program["status"],
        milestones=tuple(
            Milestone(at_s=at_s, touched_kib=touched, available_kib=available)
            for at_s, touched, available in program["milestones"]
        ),
    )
