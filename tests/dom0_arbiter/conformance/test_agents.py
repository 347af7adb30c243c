"""The kit finds nothing in agents that keep the rules, and each fault in those that do not."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import trio

from dom0_arbiter.conformance import Verdict, judge_agent
from dom0_arbiter.conformance.acts import ACTS, no_version
from tests.dom0_arbiter.conformance.faulty_agent import FAULTS

OURS = [sys.executable, "-m", "guest_agent", "--socket", "{socket}"]
FAULTY = [sys.executable, "-m", "tests.dom0_arbiter.conformance.faulty_agent"]
SOON = [act for act in ACTS if act is not no_version]
NOT_JUDGED = {"A17"}  # growing takes a balloon


def broken(verdicts: Sequence[Verdict]) -> dict[str, list[str]]:
    return {each.rule.name: list(each.details) for each in verdicts if each.outcome == "broken"}


def test_agents_that_keep_the_rules_are_found_to_keep_all_of_them(tmp_path: Path) -> None:
    """Ours, and one that was written from the specification alone; at once, as each waits for most of a minute."""
    other = tmp_path / "agent"
    source = Path(__file__).with_name("agent.c")
    flags = ["-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror"]
    subprocess.run(["gcc", *flags, "-o", other, source], check=True)
    found: dict[str, list[Verdict]] = {}

    async def judge(name: str, command: list[str]) -> None:
        found[name] = await judge_agent(command)

    async def judge_both() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(judge, "ours", OURS)
            nursery.start_soon(judge, "the other", [str(other), "{socket}"])

    trio.run(judge_both)
    assert {name: broken(verdicts) for name, verdicts in found.items()} == {"ours": {}, "the other": {}}
    for verdicts in found.values():
        assert {each.rule.name for each in verdicts if each.outcome == "not judged"} == NOT_JUDGED


def test_every_fault_is_found_for_the_rule_that_it_breaks() -> None:
    found: dict[str, dict[str, list[str]]] = {}

    async def judge(fault: str) -> None:
        acts = ACTS if fault.startswith("A13") else SOON
        found[fault] = broken(await judge_agent([*FAULTY, fault, "{socket}"], acts))

    async def judge_all() -> None:
        limit = trio.CapacityLimiter(4)

        async def judge_one(fault: str) -> None:
            async with limit:
                await judge(fault)

        async with trio.open_nursery() as nursery:
            for fault in FAULTS:
                nursery.start_soon(judge_one, fault)

    trio.run(judge_all)
    missed = {fault: rules for fault, rules in found.items() if fault.partition("-")[0] not in rules}
    assert missed == {}


def test_a_command_that_is_not_there_is_named() -> None:
    with pytest.raises(FileNotFoundError, match="no-such-agent"):
        trio.run(judge_agent, ["no-such-agent", "{socket}"])
