"""One run of a scenario: what it was asked, what happened, and what was seen, as one JSON record."""

import time
from dataclasses import dataclass, field
from typing import Any

from tests.xenlab.driver.guests import Guest
from tests.xenlab.driver.hypervisor import GuestFailed


class InvalidStart(Exception):
    """The host was not as the scenario wants it at T0; nothing was judged yet."""


class Overtaken(GuestFailed):
    """A guest was lost to a race of the toolstack's that no arbiter can see: not judged, and owed by another boot."""


@dataclass(slots=True, kw_only=True)
class Run:
    """Filled by a scenario, written by the driver."""

    scenario: str
    variant: str
    number: int
    started_s: float = field(default_factory=time.time)
    t0_s: float | None = None
    ended_s: float | None = None
    programs: list[dict[str, Any]] = field(default_factory=list)
    marks: list[tuple[str, float]] = field(default_factory=list)  # named moments, e.g. a kill
    facts: dict[str, Any] = field(default_factory=dict)
    claims: list[dict[str, Any]] = field(default_factory=list)

    def program(self, role: str, guest: Guest, command: str, answer: dict[str, Any]) -> None:
        """What a program in a guest did, with its times on dom0's clock."""
        ahead_s = guest.skew.ahead_s
        times = {key: answer[key] - ahead_s for key in ("start_s", "first_s", "last_s", "end_s") if answer.get(key)}
        milestones = [[at_s - ahead_s, touched, available] for at_s, touched, available in answer.get("milestones", [])]
        self.programs.append(
            {**answer, **times, "milestones": milestones, "role": role, "guest": guest.name, "command": command}
        )

    def mark(self, name: str) -> None:
        """Something happened now."""
        self.marks.append((name, time.time()))

    def claim(self, text: str, holds: bool, found: object = None) -> None:
        """A claim that the scenario itself could check; one that does not hold is a failure of ours."""
        self.claims.append({"claim": text, "holds": bool(holds), "found": found})

    def record(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "scenario": self.scenario,
            "variant": self.variant,
            "number": self.number,
            "started_s": self.started_s,
            "t0_s": self.t0_s,
            "ended_s": self.ended_s,
            "programs": self.programs,
            "marks": self.marks,
            "facts": self.facts,
            "claims": self.claims,
        }
