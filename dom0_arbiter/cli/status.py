"""`aerostat status` and `aerostat resume`."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from dom0_arbiter.cli.client import EXIT_UNREACHABLE, SOCKET_PATH, RefusedError, UnreachableError, ask

EXIT_BAD_INPUT = 2
_SIZES = ("actual_kib", "target_kib", "maxmem_kib", "floor_kib", "working_set_kib", "need_kib")
_TITLES = ("actual", "target", "maxmem", "floor", "w. set", "need")
PIPED_COLUMNS = 150  # where there is no terminal to ask for its width


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
    """Resume, and say what that changed: the domain as it was before tells."""
    before = ask({"command": "status"}, path=options.socket)
    ask({"command": "resume", "domain": options.domain}, path=options.socket)
    for domain in before["domains"]:
        if options.domain in (domain["name"], domain["uuid"], str(domain["domid"])):
            name = f"{domain['name']} (domain {domain['domid']})"
            if domain["state"] == "manual":
                print(f"{name}: managed again")
            elif domain["state"] == "excluded":
                print(f"{name}: nothing changed: it is excluded by the configuration")
            else:
                print(f"{name}: nothing changed: it was not manual, but {domain['state']}")
            return


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

    table = Table(caption="MiB, Xen's view", box=None, padding=(0, 1, 0, 0))  # narrow, for terminals of 80 columns
    for column in ("id", "name", "state", *_TITLES, "short", "report"):
        justify: Literal["left", "right"] = "left" if column in ("name", "state") else "right"
        table.add_column(column, justify=justify, no_wrap=column != "name", overflow="fold")
    for domain in answer["domains"]:
        age_s, short_kib = domain["report_age_s"], domain["short_kib"]
        table.add_row(
            str(domain["domid"]),
            escape(domain["name"]),
            domain["state"],
            *(_mib(domain[key]) for key in _SIZES),
            f"[red]{_mib_up(short_kib)}[/red]" if short_kib else "",
            "–" if age_s is None else f"{age_s:.0f} s",
        )
    console = Console(width=None if sys.stdout.isatty() else PIPED_COLUMNS)
    console.print(_host_line(answer), markup=False, highlight=False, soft_wrap=True)
    console.print(table)
    for domain in answer["domains"]:
        if decision := domain["last_decision"]:
            sizes = f"{_mib(decision['from_kib'])} to {_mib(decision['to_kib'])} MiB"
            text = f"{domain['name']}: {sizes} {decision['age_s']:.0f} s ago: {decision['reason']}"
            console.print(text, markup=False, soft_wrap=True)
    for warning in answer["warnings"]:
        console.print(f"warning: {warning}", markup=False, soft_wrap=True)


def _host_line(answer: dict[str, Any]) -> str:
    host = answer["host"]
    return (
        f"Host {_mib(host['memory_kib'])} MiB, free {_mib(host['free_kib'])} MiB "
        f"(kept: slack {_mib(host['slack_kib'])}; the pool aims at {_mib(host['free_pool_kib'])}); "
        f"Xen through {answer['hypervisor']}"
    )


def _mib_up(kib: int) -> str:
    """Rounded up: what is lacking is never shown as nothing."""
    return str(-(-kib // 1024))


def _mib(kib: int | None) -> str:
    return "–" if kib is None else f"{kib / 1024:.0f}"
