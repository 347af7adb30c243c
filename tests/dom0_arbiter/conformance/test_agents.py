"""The kit finds nothing in an agent that keeps the rules, and each fault in those that do not."""

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import trio

from dom0_arbiter.conformance import Verdict, judge_agent
from dom0_arbiter.conformance.acts import ACTS, Act, no_version
from tests.dom0_arbiter.conformance.faulty_agent import FAULTS

OURS = [sys.executable, "-m", "guest_agent", "--socket"]
FAULTY = [sys.executable, "-m", "tests.dom0_arbiter.conformance.faulty_agent"]
SOON = [act for act in ACTS if act is not no_version]
NOT_JUDGED = {"A17", "A18"}  # growing takes a balloon


KEEP_THE_RULES = ("ours", "the other")
OTHER = Path(__file__).with_name("agent.c")
GCC = ["gcc", "-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror"]
C_FAULTS = {
    "A5-sequence-stands-in-c": ("agent->sequence++", "agent->sequence"),
    "A8-never-urgent-in-c": ("(urgent ? FLAG_URGENT : 0)", "(urgent ? 0 : 0)"),
    "A15-no-last-word-in-c": ("(final ? FLAG_FINAL : 0)", "(final ? 0 : 0)"),
}
AT_ONCE = 6

Verdicts = Mapping[str, Sequence[Verdict]]


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Sequence[str]]:
    """Commands of the agent that was written from the specification alone, as it is, and with a fault of its own."""
    if shutil.which("gcc") is None:
        return {}
    folder, source = tmp_path_factory.mktemp("agents"), OTHER.read_text()
    commands = {}
    for name, (text, fault) in {"the other": ("", ""), **C_FAULTS}.items():
        assert text in source
        path = folder / name.replace(" ", "-")
        path.with_suffix(".c").write_text(source.replace(text, fault, 1) if text else source)
        subprocess.run([*GCC, "-o", path, path.with_suffix(".c")], check=True)
        commands[name] = [str(path)]
    return commands


@pytest.fixture(scope="module")
def verdicts(others: Mapping[str, Sequence[str]]) -> Verdicts:
    """Of each agent, and of them with each fault; all at once, as each waits for most of the time."""
    found: dict[str, Sequence[Verdict]] = {}

    async def judge(name: str, command: Sequence[str], acts: Sequence[Act], limit: trio.CapacityLimiter) -> None:
        async with limit:
            found[name] = await judge_agent([*command, "{socket}"], acts)

    async def judge_all() -> None:
        limit = trio.CapacityLimiter(AT_ONCE)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(judge, "ours", OURS, ACTS, limit)
            for name, command in others.items():
                nursery.start_soon(judge, name, command, ACTS if name == "the other" else SOON, limit)
            for fault in FAULTS:
                acts = ACTS if fault.startswith("A13") else SOON
                nursery.start_soon(judge, fault, [*FAULTY, fault], acts, limit)

    trio.run(judge_all)
    return found


def broken(verdicts: Sequence[Verdict]) -> dict[str, Sequence[str]]:
    return {each.rule.name: each.details for each in verdicts if each.outcome == "broken"}


@pytest.mark.parametrize("name", KEEP_THE_RULES)
def test_agents_that_keep_the_rules_are_found_to_keep_them_all(name: str, verdicts: Verdicts) -> None:
    if name not in verdicts:
        pytest.skip("gcc is not installed")
    assert broken(verdicts[name]) == {}
    assert {each.rule.name for each in verdicts[name] if each.outcome == "not judged"} == NOT_JUDGED


@pytest.mark.parametrize("fault", [*FAULTS, *C_FAULTS])
def test_a_fault_is_found_for_the_rule_that_it_breaks(fault: str, verdicts: Verdicts) -> None:
    if fault not in verdicts:
        pytest.skip("gcc is not installed")
    assert fault.partition("-")[0] in broken(verdicts[fault])


def test_a_command_that_is_not_there_is_named() -> None:
    with pytest.raises(FileNotFoundError, match="no-such-agent"):
        trio.run(judge_agent, ["no-such-agent", "{socket}"])
