"""`aerostat simulate FILE`: plays a scenario under one policy or several, and judges them."""

import argparse
from pathlib import Path
from typing import Any

from dom0_arbiter.cli.numbers import whole
from dom0_arbiter.cli.playing import add_options, play_and_tell

SEED_MAX = 2**63 - 1


def add_command(commands: Any) -> None:
    """Add `simulate` to the command line."""
    parser = commands.add_parser("simulate", help="play a scenario on a simulated host, and compare policies")
    parser.add_argument("file", type=Path, metavar="FILE", help="scenario, TOML")
    parser.add_argument(
        "--seed", type=whole(0, SEED_MAX), metavar="N", help="another order of chance (default: the file's)"
    )
    add_options(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from dom0_arbiter.simulator.report import simulate_json  # noqa: PLC0415 - status needs none of this
    from dom0_arbiter.simulator.scenarios.scenario_file import read_scenario  # noqa: PLC0415

    return play_and_tell(options, lambda: read_scenario(options.file), simulate_json, seed=options.seed)
