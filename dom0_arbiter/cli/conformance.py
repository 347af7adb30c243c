"""`aerostat conformance`: judges an agent by the rules of the specification."""

import argparse
import json
import sys
from typing import Any

EXIT_BROKEN, EXIT_BAD_INPUT = 1, 2
EXAMPLE = "aerostat conformance -- my-agent --socket {socket}"


def add_command(commands: Any) -> None:
    """Add `conformance` to the command line."""
    parser = commands.add_parser(
        "conformance",
        help="judge an agent by the rules of protocol/SPEC.md, for about a minute",
        description="Play dom0 to an agent over a xenstore of this command's own, and judge it by protocol/SPEC.md.",
        epilog=f"Example: {EXAMPLE}",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on one line")
    parser.add_argument(
        "agent", nargs="+", metavar="COMMAND", help="the agent's command; {socket} in it becomes a Unix socket's path"
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    import trio  # noqa: PLC0415 - status needs none of this

    from dom0_arbiter.conformance import SOCKET, conformance_json, judge_agent  # noqa: PLC0415

    if not any(SOCKET in word for word in options.agent):
        print(f"aerostat conformance: COMMAND has no {SOCKET} for the agent to use: {EXAMPLE}", file=sys.stderr)
        return EXIT_BAD_INPUT
    try:
        verdicts = trio.run(judge_agent, options.agent)
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
