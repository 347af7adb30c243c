"""`aerostat replay TRACE.csv`: plays what real domains needed under one policy or several."""

import argparse
from pathlib import Path
from typing import Any

from dom0_arbiter.cli.numbers import number, whole
from dom0_arbiter.cli.playing import add_options, play_and_tell

MIB = 1024
MIB_MAX = 2**24  # 16 TiB


def add_command(commands: Any) -> None:
    """Add `replay` to the command line."""
    parser = commands.add_parser("replay", help="play a trace of what domains needed, and compare policies")
    parser.add_argument("trace", type=Path, metavar="TRACE.csv", help="time_s,domain,demand_kib[,cache_kib]")
    parser.add_argument(
        "--host-memory", type=whole(1, MIB_MAX), required=True, metavar="MIB", help="what the domains share"
    )
    parser.add_argument(
        "--static-max", type=whole(1, MIB_MAX), metavar="MIB", help="each domain's most (default: the host's memory)"
    )
    parser.add_argument(
        "--speedup", type=number(1e-3, 1e6), default=1.0, metavar="X", help="time passes X times as fast (default: 1)"
    )
    add_options(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from dom0_arbiter.simulator.report import replay_json  # noqa: PLC0415
    from dom0_arbiter.simulator.scenarios.replay import read_trace  # noqa: PLC0415 - status needs none of this

    def read() -> Any:
        static_max_kib = None if options.static_max is None else options.static_max * MIB
        return read_trace(
            options.trace,
            host_memory_kib=options.host_memory * MIB,
            static_max_kib=static_max_kib,
            speedup=options.speedup,
        )

    def as_json(scenario: Any, _: int, outcomes: Any) -> dict[str, Any]:
        return replay_json(scenario, outcomes, trace=str(options.trace), speedup=options.speedup)

    return play_and_tell(options, read, as_json)
