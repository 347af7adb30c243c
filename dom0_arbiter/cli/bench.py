"""`aerostat bench`: what the arbiter costs on this machine."""

import argparse
import json
from typing import Any

from dom0_arbiter.cli.numbers import whole


def add_command(commands: Any) -> None:
    """Add `bench` to the command line."""
    parser = commands.add_parser("bench", help="measure what the arbiter costs on this machine, for about a minute")
    parser.add_argument(
        "--repeats",
        type=whole(1, 1_000_000),
        default=1000,
        metavar="N",
        help="steps timed for each size (default: 1000)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on one line")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from dom0_arbiter.simulator.benches.bench import run_bench  # noqa: PLC0415 - status needs none of this

    result = run_bench(options.repeats)
    if options.json:
        print(json.dumps(result, separators=(",", ":")))
    else:
        for key, value in result.items():
            print(f"{key:24} {value}")
    return 0
