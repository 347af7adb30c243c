"""The kit finds nothing in our arbiter, and each fault in those that have one."""

import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import trio

from dom0_arbiter.conformance import Verdict, judge_arbiter
from dom0_arbiter.conformance.arbiters import ACTS, Act, alive, flood, hellos, pulse, reports, silence
from tests.dom0_arbiter.conformance.faulty_arbiter import FAULTS

OURS = [sys.executable, "-m", "tests.dom0_arbiter.conformance.our_arbiter"]
FAULTY = [sys.executable, "-m", "tests.dom0_arbiter.conformance.faulty_arbiter"]
CONFIGURATION = Path(__file__).parents[3] / "packaging/etc/aerostatd.toml"
ARGUMENTS = ["{directory}/aerostatd.sock", "--config", str(CONFIGURATION)]
NOT_JUDGED = {"D5"}  # by those who are not told to wait for two and a half minutes
# What shows a fault. (To play everything to everybody would take minutes of this machine's time.)
SHOWN_BY: Mapping[str, Sequence[Act]] = {
    "D1": (hellos,),
    "D2": (hellos,),
    "D3": (reports,),
    "D4": (reports, alive),
    "D5": (reports, silence),
    "D6": (hellos, flood),
    "D7": (hellos, pulse),
}
AT_ONCE = 4

Verdicts = Mapping[str, Sequence[Verdict]]


@pytest.fixture(scope="module")
def verdicts() -> Verdicts:
    """Of ours, and of ours with each fault."""
    if shutil.which("xl") and Path("/proc/xen/capabilities").exists():
        pytest.skip("a machine with a hypervisor of its own")
    found: dict[str, Sequence[Verdict]] = {}

    async def judge(name: str, command: Sequence[str], acts: Sequence[Act], limit: trio.CapacityLimiter) -> None:
        async with limit:
            found[name] = await judge_arbiter(command, acts)

    async def judge_all() -> None:
        limit = trio.CapacityLimiter(AT_ONCE)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(judge, "ours", [*OURS, *ARGUMENTS], ACTS, limit)
            for name in FAULTS:
                nursery.start_soon(judge, name, [*FAULTY, name, *ARGUMENTS], SHOWN_BY[name.partition("-")[0]], limit)

    trio.run(judge_all)
    return found


def broken(verdicts: Sequence[Verdict]) -> dict[str, Sequence[str]]:
    return {each.rule.name: each.details for each in verdicts if each.outcome == "broken"}


def test_our_arbiter_keeps_the_rules(verdicts: Verdicts) -> None:
    assert broken(verdicts["ours"]) == {}
    assert {each.rule.name for each in verdicts["ours"] if each.outcome == "not judged"} == NOT_JUDGED


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_found(name: str, verdicts: Verdicts) -> None:
    assert name.partition("-")[0] in broken(verdicts[name])
