"""The least that a scenario file must say, for tests to add to."""

from pathlib import Path

from dom0_arbiter.simulator.scenarios.scenario import Scenario
from dom0_arbiter.simulator.scenarios.scenario_file import parse_scenario

HOST = "[host]\nmemory_kib = 4_194_304\n"
TOP = "format = 1\nduration_s = 100.0\n"
LEAST = TOP + HOST
GUEST = '[[domain]]\nname = "a"\nstatic_max_kib = 2_097_152\ndynamic_min_kib = 262_144\n'


def parse(text: str, folder: Path = Path()) -> Scenario:
    return parse_scenario(text.encode(), path=folder / "s.toml")
