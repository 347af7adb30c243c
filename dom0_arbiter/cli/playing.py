"""What `simulate` and `replay` share: play under each policy, then say as a table, as JSON, as HTML what came of it."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dom0_arbiter.simulator.playing.outcome import Outcome
    from dom0_arbiter.simulator.scenarios.scenario import Scenario

EXIT_FAILED = 1
EXIT_BAD_INPUT = 2
PIPED_COLUMNS = 150  # where there is no terminal to ask for its width


class UnusableError(Exception):
    """What was asked for cannot be done. The text says why."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that both commands have."""
    parser.add_argument(
        "--policy",
        action="append",
        dest="policies",
        metavar="NAME",
        help="aerostat, or a peer's; may be given several times",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on one line")
    parser.add_argument("--html", type=Path, metavar="FILE", help="also write a report with charts to FILE")


def play_and_tell(
    options: argparse.Namespace,
    read: "Callable[[], Scenario]",
    as_json: "Callable[[Scenario, int, Sequence[Outcome]], dict[str, Any]]",
    *,
    seed: int | None = None,
) -> int:
    """Run the command; return its exit status. Nothing is on standard output where the input was bad."""
    from dom0_arbiter.simulator.scenarios.scenario import ScenarioError  # noqa: PLC0415

    try:
        write_html = _check_html(options.html)
        policies = _check_policies(options.policies)
        scenario = read()
        seed = scenario.seed if seed is None else seed
        outcomes = [
            _play(scenario, policy, seed, record=options.html is not None) for policy in policies or scenario.policies
        ]
        if write_html is not None:
            write_html(scenario, seed, outcomes)
    except (ScenarioError, UnusableError) as error:
        print(f"aerostat: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    if options.json:
        print(json.dumps(as_json(scenario, seed, outcomes), separators=(",", ":"), allow_nan=False))
    else:
        _show(scenario, outcomes)
    return 0 if all(outcome.passed for outcome in outcomes) else EXIT_FAILED


def _check_policies(names: Sequence[str] | None) -> list[str]:
    from dom0_arbiter.simulator.scenarios.scenario import POLICIES  # noqa: PLC0415

    for name in names or ():
        if name not in POLICIES:
            raise UnusableError(f"--policy {name!r}: {', '.join(POLICIES)} allowed")
    return list(dict.fromkeys(names or ()))


def _check_html(path: Path | None) -> "Callable[[Scenario, int, Sequence[Outcome]], None] | None":
    """Return what writes the report, after making sure that a long simulation is not for nothing."""
    if path is None:
        return None
    try:
        from dom0_arbiter.simulator.report.html import render_html  # noqa: PLC0415 - needs the extra `report`
    except ImportError as error:
        raise UnusableError(f"--html: {error.name} is missing; install aerostat[report]") from error
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise UnusableError(f"--html {path}: a file in a folder that exists allowed")

    def write(scenario: "Scenario", seed: int, outcomes: "Sequence[Outcome]") -> None:
        try:
            path.write_text(render_html(scenario, seed, outcomes), encoding="utf-8")
        except OSError as error:
            raise UnusableError(f"--html {path}: cannot be written: {error.strerror}") from error

    return write


def _play(scenario: "Scenario", policy: str, seed: int, *, record: bool) -> "Outcome":
    """Play, with a word to whoever is waiting at a terminal."""
    from dom0_arbiter.simulator.playing.play import play  # noqa: PLC0415

    if not sys.stderr.isatty():
        return play(scenario, policy, seed=seed, record=record)
    from rich.console import Console  # noqa: PLC0415

    with Console(stderr=True).status(f"playing {policy}"):
        return play(scenario, policy, seed=seed, record=record)


def _show(scenario: "Scenario", outcomes: "Sequence[Outcome]") -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from dom0_arbiter.simulator.report import METRIC_WORDS, describe_failures  # noqa: PLC0415

    title = (
        f"{scenario.name}   {scenario.duration_s:g} s   host {scenario.memory_kib / 1024:.0f} MiB   "
        f"{len(scenario.guests)} domains"
    )
    table = Table(title=Text(title), title_justify="left", box=None)
    table.add_column("policy")
    for words in METRIC_WORDS.values():
        table.add_column(f"{words.short}\n{words.unit}", justify="right")
    table.add_column("passed")
    for outcome in outcomes:
        cells = [words.format(outcome.metrics.get(name)) for name, words in METRIC_WORDS.items()]
        table.add_row(outcome.policy, *cells, Text("yes", "green") if outcome.passed else Text("no", "red"))
    console = Console(width=None if sys.stdout.isatty() else PIPED_COLUMNS)
    console.print(table)
    for outcome in outcomes:
        for line in describe_failures(scenario, outcome):
            console.print(f"{outcome.policy}: {line}", markup=False, highlight=False, soft_wrap=True)
