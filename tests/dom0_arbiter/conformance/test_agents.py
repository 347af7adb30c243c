"""The kit finds nothing in an agent that keeps the rules, and each fault in those that do not."""

import sys
from collections.abc import Mapping, Sequence

import pytest
import trio

from dom0_arbiter.conformance import Verdict, judge_agent
from dom0_arbiter.conformance.acts import ACTS, Act, no_version
from tests.dom0_arbiter.conformance.faulty_agent import FAULTS

OURS = [sys.executable, "-m", "guest_agent", "--socket"]
FAULTY = [sys.executable, "-m", "tests.dom0_arbiter.conformance.faulty_agent"]
SOON = [act for act in ACTS if act is not no_version]
NOT_JUDGED = {"A17"}  # growing takes a balloon


ALL_OF_OURS = "ours"
AT_ONCE = 6

Verdicts = Mapping[str, Sequence[Verdict]]


@pytest.fixture(scope="module")
def verdicts() -> Verdicts:
    """Of our agent, and of it with each fault; all at once, as each waits for most of the time."""
    found: dict[str, Sequence[Verdict]] = {}

    async def judge(name: str, command: Sequence[str], acts: Sequence[Act], limit: trio.CapacityLimiter) -> None:
        async with limit:
            found[name] = await judge_agent([*command, "{socket}"], acts)

    async def judge_all() -> None:
        limit = trio.CapacityLimiter(AT_ONCE)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(judge, ALL_OF_OURS, OURS, ACTS, limit)
            for fault in FAULTS:
                acts = ACTS if fault.startswith("A13") else SOON
                nursery.start_soon(judge, fault, [*FAULTY, fault], acts, limit)

    trio.run(judge_all)
    return found


def broken(verdicts: Sequence[Verdict]) -> dict[str, Sequence[str]]:
    return {each.rule.name: each.details for each in verdicts if each.outcome == "broken"}


def test_our_agent_keeps_all_the_rules(verdicts: Verdicts) -> None:
    assert broken(verdicts[ALL_OF_OURS]) == {}
    assert {each.rule.name for each in verdicts[ALL_OF_OURS] if each.outcome == "not judged"} == NOT_JUDGED


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_for_the_rule_that_it_breaks(fault: str, verdicts: Verdicts) -> None:
    assert fault.partition("-")[0] in broken(verdicts[fault])


def test_a_command_that_is_not_there_is_named() -> None:
    with pytest.raises(FileNotFoundError, match="no-such-agent"):
        trio.run(judge_agent, ["no-such-agent", "{socket}"])
