"""Play what the figures come from, print them, and write them as JSON. Exit status 1 if an invariant was broken."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from dom0_arbiter.simulator.scenarios.scenario import POLICIES, ScenarioError
from protocol import __version__
from tests.evaluation import compare, day, estimators, grants, liars, recover, surplus
from tests.evaluation.figures import Figures, Options

SCENARIOS = Path(__file__).resolve().parents[2] / "docs" / "scenarios"
EVALUATIONS: Mapping[str, Callable[[Options], Figures]] = {
    "compare": compare.evaluate,
    "estimators": estimators.evaluate,
    "liars": liars.evaluate,
    "recover": recover.evaluate,
    "surplus": surplus.evaluate,
    "grants": grants.evaluate,
    "day": day.evaluate,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Evaluate what was named, or all; return the exit status."""
    options = parse_options(arguments)
    found: dict[str, Figures] = {}
    asked = Options(
        scenarios=() if options.only_trace else options.scenario or sorted(SCENARIOS.glob("*.toml")),
        trace=options.trace,
        trace_hours=options.trace_hours,
        policies=options.policy or (),
        hosts=options.hosts,
        first=options.first,
        domains=options.domains,
        hours=options.hours,
        duration_s=options.duration,
    )
    for name in dict.fromkeys(options.names or EVALUATIONS):
        began_s = time.monotonic()
        try:
            found[name] = EVALUATIONS[name](asked)
        except ScenarioError as error:
            print(f"evaluate: {error}", file=sys.stderr)
            return 2
        show(name, found[name], time.monotonic() - began_s)
    passed = not any(figures.violations for figures in found.values())
    if options.json is not None:
        whole = {"format": 1, "kind": "evaluate", "version": __version__, "passed": passed}
        figures_json = {name: figures.as_json() for name, figures in found.items()}
        options.json.write_text(json.dumps({**whole, "figures": figures_json}, allow_nan=False) + "\n")
    return 0 if passed else 1


def parse_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line; exits with 2 where it is wrong."""
    parser = argparse.ArgumentParser(prog="./dev evaluate", description=__doc__)
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME", help=f"{', '.join(EVALUATIONS)} (default: all)")
    add("--json", type=Path, metavar="FILE", help="write the figures there")
    add("--scenario", type=Path, action="append", metavar="FILE", help="instead of all of docs/scenarios")
    add("--policy", action="append", choices=POLICIES, metavar="NAME", help="compare, recover: instead of all")
    add("--for", type=float, dest="duration", metavar="SECONDS", help="only the beginning of each scenario")
    add("--trace", type=Path, metavar="FILE", help="compare: a trace as well, on 48 and on 40 GiB")
    add("--only-trace", action="store_true", help="compare: the trace and no scenario")
    add("--trace-hours", type=float, metavar="H", help="compare: only the beginning of the trace")
    add("--hosts", type=int, default=1000, metavar="N", help="liars: how many hosts (default: 1000)")
    add("--first", type=int, default=0, metavar="SEED", help="liars: the first one's seed (default: 0)")
    add("--domains", type=int, default=200, metavar="N", help="day: how many (default: 200)")
    add("--hours", type=float, default=24.0, metavar="H", help="day: how long (default: 24)")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.names) - set(EVALUATIONS)):
        parser.error(f"no such evaluation: {', '.join(unknown)}; there are {', '.join(EVALUATIONS)}")
    if options.only_trace and options.trace is None:
        parser.error("--only-trace: needs --trace")
    if min(options.hosts, options.domains) < 1 or not 0 < options.hours <= 24:
        parser.error("--hosts and --domains: at least 1; --hours: up to 24")
    return options


def show(name: str, figures: Figures, took_s: float) -> None:
    """Print for people."""
    print(f"== {name}   ({took_s:.0f} s)")
    for table in figures.tables:
        print(f"\n{table.name}\n{table.as_text()}")
    print()
    for note in figures.notes:
        print(note)
    for violation in figures.violations:
        print(f"violation: {violation}")
    print(flush=True)


if __name__ == "__main__":
    sys.exit(main())
