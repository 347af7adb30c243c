"""The rules, as SPEC.md has them, and what was found for each."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

from protocol import __version__

Outcome = Literal["kept", "broken", "not judged"]
FAULTS_SHOWN = 3
AGENT, ARBITER = "A", "D"
"""What the names of rules begin with, by whom they are for."""
_ROW = re.compile(r"^\| ([AD]\d+) \| (.*) \|$", re.MULTILINE)
_LEVEL = re.compile(r"MUST|SHOULD")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule: `level` is that of its first clause, MUST or SHOULD."""

    name: str
    level: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was found for a rule: `details` says how it was broken, the first few times."""

    rule: Rule
    outcome: Outcome
    details: Sequence[str] = ()


def read_rules(whose: str) -> Sequence[Rule]:
    """The rules for agents or for arbiters, from the specification that is installed with the code."""
    text = files("protocol").joinpath("SPEC.md").read_text(encoding="utf-8")
    rules = []
    for name, row in _ROW.findall(text):
        if not name.startswith(whose):
            continue
        level = _LEVEL.search(row)
        rules.append(Rule(name=name, level=level.group() if level else "MAY", text=row.replace("`", "")))
    return rules


class Judgement:
    """Collects what is seen while agents, or an arbiter, are played with. Mutable."""

    def __init__(self, whose: str) -> None:
        self._whose = whose
        self._judged: set[str] = set()
        self._faults: dict[str, list[str]] = {}

    def check(self, rule: str, kept: bool, fault: str) -> None:
        """Take note of a moment in which a rule was kept or broken; `fault` says how it was broken."""
        self._judged.add(rule)
        if not kept:
            self._faults.setdefault(rule, []).append(fault)

    def verdicts(self) -> list[Verdict]:
        """One for each rule, in the specification's order."""
        found = []
        for rule in read_rules(self._whose):
            faults = self._faults.get(rule.name, [])
            outcome: Outcome = "broken" if faults else "kept" if rule.name in self._judged else "not judged"
            found.append(Verdict(rule=rule, outcome=outcome, details=faults[:FAULTS_SHOWN]))
        return found


def passed(verdicts: Sequence[Verdict]) -> bool:
    """Whether no rule was broken that MUST be kept."""
    return not any(each.outcome == "broken" and each.rule.level == "MUST" for each in verdicts)


def conformance_json(verdicts: Sequence[Verdict]) -> dict[str, object]:
    """What `aerostat conformance --json` prints."""
    rules = [
        {
            "rule": each.rule.name,
            "level": each.rule.level,
            "text": each.rule.text,
            "outcome": each.outcome,
            "details": list(each.details),
        }
        for each in verdicts
    ]
    return {
        "format": 1,
        "kind": "conformance",
        "version": __version__,
        "passed": passed(verdicts),
        "rules": rules,
    }
