"""`aerostat status` and `aerostat resume`."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dom0_arbiter.cli.client import EXIT_UNREACHABLE, RefusedError, UnreachableError, ask
from dom0_arbiter.service import SOCKET_PATH

EXIT_BAD_INPUT = 2
_SIZES = ("actual_kib", "target_kib", "maxmem_kib", "floor_kib", "working_set_kib", "comfort_kib")


def add_command(commands: Any) -> None:
    """Add `status` and `resume` to the command line."""
    status = commands.add_parser("status", help="who has what, who needs what, and why memory moved")
    status.add_argument("--json", action="store_true", help="one JSON object on one line")
    status.set_defaults(run=_answering(_status))
    resume = commands.add_parser("resume", help="manage a domain again that somebody else resized")
    resume.add_argument("domain", metavar="DOMAIN", help="name, uuid or id")
    resume.set_defaults(run=_answering(_resume))
    for parser in (status, resume):
        parser.add_argument(
            "--socket",
            type=Path,
            default=SOCKET_PATH,
            metavar="PATH",
            help="the arbiter's socket (default: %(default)s)",
        )


def _answering(command: Callable[[argparse.Namespace], None]) -> Callable[[argparse.Namespace], int]:
    """The command with the arbiter's refusals and absence as exit statuses."""

    def run(options: argparse.Namespace) -> int:
        try:
            command(options)
        except UnreachableError as error:
            print(f"aerostat: the arbiter can't be reached: {error}", file=sys.stderr)
            return EXIT_UNREACHABLE
        except RefusedError as error:
            print(f"aerostat: {error}", file=sys.stderr)
            return EXIT_BAD_INPUT
        return 0

    return run


def _resume(options: argparse.Namespace) -> None:
    ask({"command": "resume", "domain": options.domain}, path=options.socket)


def _status(options: argparse.Namespace) -> None:
    answer = ask({"command": "status"}, path=options.socket)
    if options.json:
        print(json.dumps(answer, separators=(",", ":")))
    else:
        _show(answer)


def _show(answer: dict[str, Any]) -> None:
    from rich.console import Console  # noqa: PLC0415 - scripts that ask for JSON need no table
    from rich.markup import escape  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(title=_host_line(answer["host"]), title_justify="left", caption="MiB, Xen's view", box=None)
    for column in ("id", "name", "state", "actual", "target", "maxmem", "floor", "w. set", "comfort", "report"):
        table.add_column(column, justify="left" if column in ("name", "state") else "right")
    for domain in answer["domains"]:
        age_s = domain["report_age_s"]
        table.add_row(
            str(domain["domid"]),
            escape(domain["name"]),
            domain["state"],
            *(_mib(domain[key]) for key in _SIZES),
            "–" if age_s is None else f"{age_s:.0f} s",
        )
    console = Console()
    console.print(table)
    for domain in answer["domains"]:
        if decision := domain["last_decision"]:
            sizes = f"{_mib(decision['from_kib'])} to {_mib(decision['to_kib'])} MiB"
            text = f"{domain['name']}: {sizes} {decision['age_s']:.0f} s ago: {decision['reason']}"
            console.print(text, markup=False, soft_wrap=True)
    for warning in answer["warnings"]:
        console.print(f"warning: {warning}", markup=False, soft_wrap=True)


def _host_line(host: dict[str, Any]) -> str:
    return (
        f"Host {_mib(host['memory_kib'])} MiB, free {_mib(host['free_kib'])}, "
        f"of which slack {_mib(host['slack_kib'])} and pool {_mib(host['free_pool_kib'])}"
    )


def _mib(kib: int | None) -> str:
    return "–" if kib is None else f"{kib / 1024:.0f}"
