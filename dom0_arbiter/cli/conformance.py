"""`aerostat conformance`: judges an agent, or an arbiter, by the rules of the specification."""

import argparse
import json
import sys
from typing import Any

EXIT_BROKEN, EXIT_BAD_INPUT = 1, 2
EXAMPLE = "aerostat conformance -- my-agent --socket {socket}"
ARBITER_EXAMPLE = "aerostat conformance --arbiter -- my-arbiter --xenstore {socket}"


def add_command(commands: Any) -> None:
    """Add `conformance` to the command line."""
    parser = commands.add_parser(
        "conformance",
        help="judge an agent or an arbiter by the rules of protocol/SPEC.md, for about a minute",
        description="Play dom0 to an agent, or guests to an arbiter, over a xenstore of this command's own, and judge "
        "it by protocol/SPEC.md. An arbiter finds a played xl first on its PATH.",
        epilog=f"Examples: {EXAMPLE}; {ARBITER_EXAMPLE}",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on one line")
    parser.add_argument("--arbiter", action="store_true", help="COMMAND is an arbiter's")
    parser.add_argument(
        "--long", action="store_true", help="with --arbiter: wait for two and a half heartbeats, and judge D5 too"
    )
    parser.add_argument(
        "program",
        nargs="+",
        metavar="COMMAND",
        help="what to start; {socket} in it becomes the path of xenstore's Unix socket, and for an arbiter, which may "
        "go by XENSTORED_PATH as well, {directory} that of a directory of its own",
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    import trio  # noqa: PLC0415 - status needs none of this

    from dom0_arbiter.conformance import SOCKET, conformance_json, judge_agent, judge_arbiter  # noqa: PLC0415
    from dom0_arbiter.conformance.arbiters import ACTS, LONG_ACTS  # noqa: PLC0415

    if options.long and not options.arbiter:
        print("aerostat conformance: --long goes with --arbiter", file=sys.stderr)
        return EXIT_BAD_INPUT
    if not options.arbiter and not any(SOCKET in word for word in options.program):
        print(f"aerostat conformance: COMMAND has no {SOCKET} for the agent to use: {EXAMPLE}", file=sys.stderr)
        return EXIT_BAD_INPUT
    try:
        if options.arbiter:
            verdicts = trio.run(judge_arbiter, options.program, LONG_ACTS if options.long else ACTS)
        else:
            verdicts = trio.run(judge_agent, options.program)
    except FileNotFoundError as error:
        print(f"aerostat conformance: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    found = conformance_json(verdicts)
    if options.json:
        print(json.dumps(found, separators=(",", ":")))
    else:
        for each in verdicts:
            print(f"{each.rule.name:4} {each.outcome:10} {each.rule.text}")
            for detail in each.details:
                print(f"{'':15} {detail}")
    return 0 if found["passed"] else EXIT_BROKEN
