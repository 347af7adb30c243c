"""The command: what it prints of verdicts, and what it refuses."""

import json

import pytest

from dom0_arbiter.cli import main
from dom0_arbiter.conformance import acts, arbiters, read_rules


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acts, "STARTS_S", 0.2)


@pytest.mark.usefixtures("impatient")
def test_an_agent_that_says_nothing_breaks_a_rule_that_must_be_kept(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conformance", "--json", "--", "true", "{socket}"]) == 1
    output = capsys.readouterr().out
    found = json.loads(output)
    assert output.count("\n") == 1
    assert list(found) == ["format", "kind", "version", "passed", "rules"]
    assert (found["format"], found["kind"], found["passed"]) == (1, "conformance", False)
    outcomes = {rule["rule"]: rule["outcome"] for rule in found["rules"]}
    assert outcomes == {f"A{number}": "not judged" for number in range(1, 19)} | {"A1": "broken"}


@pytest.mark.usefixtures("impatient")
def test_people_are_shown_each_rule_with_what_was_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conformance", "true", "{socket}"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("A1   broken     MUST write Hello when it starts")
    assert lines[1].strip() == "no valid Hello within 0.2 s"
    assert lines[-1].startswith("A18  not judged MUST NOT")


@pytest.mark.parametrize(
    ("command", "blamed"), [(["true"], "has no {socket}"), (["no-such-agent", "{socket}"], "no-such-agent: no such")]
)
def test_what_cannot_be_judged_is_refused(command: list[str], blamed: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conformance", "--", *command]) == 2
    assert blamed in capsys.readouterr().err


def test_an_arbiter_is_judged_by_the_rules_for_arbiters(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arbiters, "ACTS", (arbiters.alive,))
    assert main(["conformance", "--arbiter", "--json", "--", "sleep", "60"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["rule"] for each in found["rules"]] == [f"D{number}" for number in range(1, 8)]
    assert [each["rule"] for each in found["rules"] if each["outcome"] == "kept"] == ["D4"]
    assert main(["conformance", "--arbiter", "--", "no-such-arbiter"]) == 2
    assert main(["conformance", "--long", "--", "true", "{socket}"]) == 2
    assert "--long goes with --arbiter" in capsys.readouterr().err


@pytest.mark.parametrize(("whose", "last"), [("A", 18), ("D", 7)])
def test_every_rule_says_how_binding_it_is(whose: str, last: int) -> None:
    rules = read_rules(whose)
    assert [rule.name for rule in rules] == [f"{whose}{number}" for number in range(1, last + 1)]
    assert {rule.level for rule in rules} <= {"MUST", "SHOULD"}
