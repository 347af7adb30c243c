"""`tests.xenlab [NAME ...] [--runs N] [--json FILE] [--list]`: exit 0 passed or skipped, 1 failed, 2 misuse."""

import argparse
import fcntl
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from protocol import __version__
from tests.xenlab import app_disk, images, tools
from tests.xenlab.boots import Results, Runner, plan_boots
from tests.xenlab.catalogue import BY_NAME, SCENARIOS, Scenario
from tests.xenlab.timeline import parse_timeline
from tests.xenlab.verdict import judge_scenario

CACHE = app_disk.REPOSITORY / ".xenlab"
LOCK = Path(tempfile.gettempdir()) / "aerostat-xenlab.lock"
# One machine has one pCPU; more than two at a time would wait for each other even on larger hosts' shared caches.
LANES_MAX = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the lab, print what it found, return the exit status."""
    options = parse_options(arguments)
    if options.list:
        for scenario in SCENARIOS:
            words = [
                word
                for word, is_so in (("not gating", not scenario.gating), ("only by name", not scenario.default))
                if is_so
            ]
            print(scenario.name + (f" ({', '.join(words)})" if words else ""))
        return 0
    chosen = [BY_NAME[name] for name in dict.fromkeys(options.names)] or [one for one in SCENARIOS if one.default]
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two labs at once would only measure each other
        try:
            result = run_lab(chosen, options.runs)
        except tools.Unavailable as unavailable:
            result = skipped(chosen, str(unavailable))
    if options.json:
        Path(options.json).write_text(json.dumps(result) + "\n")
    show(result)
    return 1 if result["passed"] is False else 0


def parse_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line; exits with 2 where it is wrong."""
    parser = argparse.ArgumentParser(prog="./dev xenlab", description="Real Xen and real guests, emulated.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="scenarios (default: all that CI plays)")
    parser.add_argument("--runs", type=int, metavar="N", help="runs of each scenario (default: what CI does)")
    parser.add_argument("--json", metavar="FILE", help="write the result there")
    parser.add_argument("--list", action="store_true", help="name the scenarios")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.names) - set(BY_NAME)):
        parser.error(f"no such scenario: {', '.join(unknown)}; there are {', '.join(BY_NAME)}")
    if options.runs is not None and options.runs < 1:
        parser.error("--runs: at least 1")
    return options


def run_lab(chosen: list[Scenario], runs: int | None) -> dict[str, Any]:
    """Build what is missing, play everything, judge it. Raises Unavailable and LabError."""
    started_s = time.monotonic()

    def say(text: str) -> None:
        print(f"xenlab {time.monotonic() - started_s:5.0f} s  {text}", file=sys.stderr, flush=True)

    tools.ensure_tools(tools.RUN_TOOLS)
    CACHE.mkdir(exist_ok=True)
    built = images.ensure_images(CACHE)
    say("images are ready")
    folder = CACHE / "run"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    app_disk.build_app_disk(CACHE, folder / "app.ext4")
    say("what is under test is installed")
    commands = {
        "agent": app_disk.exec_start("aerostat-agent.service"),
        "arbiter": app_disk.exec_start("aerostatd.service"),
    }
    runner = Runner(images=built, app=folder / "app.ext4", folder=folder, commands=commands, say=say)
    results = runner.play(plan_boots(chosen, runs), lanes=max(1, min(LANES_MAX, os.cpu_count() or 1)))
    return report(chosen, runs, results)


def report(chosen: list[Scenario], runs: int | None, results: Results) -> dict[str, Any]:
    """The lab's JSON object."""
    timelines = [parse_timeline(record) for record in results.records]
    scenarios = []
    for scenario in chosen:
        own = [timeline for timeline in timelines if timeline.scenario == scenario.name]
        spoiled = [
            reason for boot, reason in results.spoiled if any(work.scenario == scenario.name for work in boot.work)
        ]
        wanted = (scenario.ci_runs if runs is None else runs) * len(scenario.variants)
        scenarios.append(judge_scenario(scenario, own, wanted, spoiled))
    host = results.hosts[0] if results.hosts else {}
    return {
        "format": 1,
        "kind": "xenlab",
        "version": __version__,
        "passed": all(one["passed"] for one in scenarios if one["gating"]),
        "xen": host.get("xen"),
        "kernel": host.get("kernel"),
        "pcpus": host.get("pcpus"),
        "skipped": [],
        "scenarios": scenarios,
    }


def skipped(chosen: list[Scenario], reason: str) -> dict[str, Any]:
    """The lab's JSON object where this machine cannot run it: nothing is judged."""
    return {
        "format": 1,
        "kind": "xenlab",
        "version": __version__,
        "passed": None,
        "xen": None,
        "kernel": None,
        "pcpus": None,
        "skipped": [{"name": scenario.name, "reason": reason} for scenario in chosen],
        "scenarios": [],
    }


def show(result: dict[str, Any]) -> None:
    """The result for people."""
    for one in result["skipped"]:
        print(f"skipped  {one['name']}: {one['reason']}")
    for scenario in result["scenarios"]:
        word = "passed" if scenario["passed"] else "FAILED" if scenario["gating"] else "failed (not gating)"
        figures = {key: value for key, value in scenario["median"].items() if value is not None and value != []}
        print(f"{word}  {scenario['name']}: " + ", ".join(f"{key} {value:g}" for key, value in figures.items()))
        if any(run["survived"] is False for run in scenario["runs"]):
            print(f"         the program survived {scenario['survived_total']} of {len(scenario['runs'])} runs")
        if scenario["fastest_survived_mib_s"] is not None:
            print(f"         fastest pace that survived every run: {scenario['fastest_survived_mib_s']:g} MiB/s")
        for run in scenario["runs"]:
            if run["recovery"]:
                print("         " + ", ".join(f"{key} {value}" for key, value in run["recovery"].items()))
            for owner, found in (run["surplus"] or {}).items():
                print(f"         surplus to {owner}: " + ", ".join(f"{key} {value}" for key, value in found.items()))
            for one in run["estimates"]:
                print(
                    f"         {one['at']:<11}  {one['estimator']:<18}  {one['estimate_kib'] / 1024:6.1f} MiB of "
                    f"{one['truth_kib'] / 1024:.1f}: {one['error_kib'] / 1024:+.1f}, ratio {one['ratio']:.3f}"
                )
        for failure in scenario["failures"]:
            print(f"         {failure}")
        for spoiled in scenario["spoiled"]:
            print(f"         spoiled by the emulator: {spoiled}")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except tools.LabError as error:
        print(f"xenlab: {error}", file=sys.stderr)
        sys.exit(1)
