"""Which boots a lab run needs, and what becomes of one that the emulator spoils.

A boot that never came up, or died, is tried again with what it still owes, at most twice, and named. What was recorded
stands: a wrong result is never tried again.
"""

import json
import queue
import shutil
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.xenlab.catalogue import BY_NAME, Scenario
from tests.xenlab.images import Images
from tests.xenlab.machine import Outcome, command, run_machine

RETRIES_MAX = 2
# More would save the minute that a boot takes, and leave one lane idle at the end.
RUNS_PER_BOOT_MAX = 8
BOOT_LIMIT_S = 400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One run of one variant of a scenario."""

    scenario: str
    variant: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """One machine's worth of runs, all on the same shape of host."""

    name: str
    scenario: Scenario  # any of its scenarios: they share the shape
    work: tuple[Work, ...]
    attempt: int = 0


@dataclass(slots=True, kw_only=True)
class Results:
    """What all boots brought."""

    records: list[dict[str, Any]] = field(default_factory=list)
    hosts: list[dict[str, Any]] = field(default_factory=list)
    spoiled: list[tuple[Boot, str]] = field(default_factory=list)


def plan_boots(scenarios: Iterable[Scenario], runs: int | None) -> list[Boot]:
    """Scenarios that share a boot's word and a shape share a machine; the longest come first."""
    groups: dict[tuple[str, int], list[Scenario]] = {}
    for scenario in scenarios:
        groups.setdefault((scenario.boot, hash(scenario.shape)), []).append(scenario)
    boots = []
    for (name, _), members in groups.items():
        work = tuple(
            Work(scenario=member.name, variant=variant, number=number)
            for member in members
            for number in range(1, (member.ci_runs if runs is None else runs) + 1)
            for variant in member.variants
        )
        parts = -(-len(work) // RUNS_PER_BOOT_MAX)
        for part in range(parts):
            label = f"{name}-part{part + 1}" if parts > 1 else name
            boots.append(Boot(name=label, scenario=members[0], work=work[part::parts]))
    return sorted(boots, key=lambda boot: -len(boot.work))


def owed(boot: Boot, records: list[dict[str, Any]]) -> tuple[Work, ...]:
    """The runs of a boot that left no record; one whose starts were all invalid is not owed again."""
    had = {(record["scenario"], record["variant"], record["number"]) for record in records if record["kind"] == "run"}
    return tuple(work for work in boot.work if (work.scenario, work.variant, work.number) not in had)


def next_attempt(boot: Boot, records: list[dict[str, Any]]) -> Boot | None:
    """The boot that plays what this one owes; None where nothing is owed, or it was tried often enough."""
    rest = owed(boot, records)
    if not rest or boot.attempt >= RETRIES_MAX or any(record["kind"] == "crashed" for record in records):
        return None
    return Boot(name=boot.name, scenario=boot.scenario, work=rest, attempt=boot.attempt + 1)


def spoiled_by(boot: Boot, records: list[dict[str, Any]], outcome: Outcome) -> str | None:
    """Why a boot owes runs, in words; None where it owes none."""
    if not owed(boot, records):
        return None
    said = [record["reason"] for record in records if record["kind"] in ("failed", "crashed")]
    return f"boot {boot.name}, attempt {boot.attempt + 1}: {said[-1] if said else outcome.reason}"


class Runner:
    """Plays boots, a few at a time."""

    def __init__(
        self, *, images: Images, app: Path, folder: Path, commands: dict[str, list[str]], say: Callable[[str], None]
    ) -> None:
        self._images = images
        self._app = app
        self._folder = folder
        self._commands = commands
        self._say = say
        self._stop = threading.Event()

    def play(self, boots: list[Boot], lanes: int) -> Results:
        """Every boot with its retries; machines still running are stopped when this is interrupted."""
        results = Results()
        waiting: queue.SimpleQueue[Boot] = queue.SimpleQueue()
        for boot in boots:
            waiting.put(boot)
        failures: list[BaseException] = []
        threads = [
            threading.Thread(target=self._lane, args=(waiting, results, failures), name=f"lane {number}")
            for number in range(lanes)
        ]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        finally:
            self._stop.set()
        for failure in failures:
            raise failure
        return results

    def _lane(self, waiting: "queue.SimpleQueue[Boot]", results: Results, failures: list[BaseException]) -> None:
        try:
            while not self._stop.is_set():
                boot: Boot | None = waiting.get_nowait()
                while boot is not None and not self._stop.is_set():
                    boot = self._one(boot, results)
        except queue.Empty:
            return
        except BaseException as error:  # noqa: BLE001 - carried over to the main thread, where it is raised again
            failures.append(error)
            self._stop.set()

    def _one(self, boot: Boot, results: Results) -> Boot | None:
        folder = self._folder / f"{boot.name}-{boot.attempt + 1}"
        shared = folder / "shared"
        shared.mkdir(parents=True)
        shutil.copyfile(Path(__file__).with_name("dom0.sh"), shared / "dom0.sh")
        work = [{"scenario": one.scenario, "variant": one.variant, "number": one.number} for one in boot.work]
        (shared / "plan.json").write_text(json.dumps({"commands": self._commands, "work": work}))
        more, more_mib = None, boot.scenario.shape.swap_disk_mib or boot.scenario.shape.served_disk_mib
        if more_mib:
            more = folder / "disk"
            with more.open("wb") as disk:
                disk.truncate(more_mib << 20)
        self._say(f"boot {boot.name}: {len(work)} runs")
        outcome = run_machine(
            command(self._images, self._app, shared, boot.scenario.shape, more),
            folder / "console.log",
            limit_s=BOOT_LIMIT_S + sum(BY_NAME[one.scenario].run_limit_s for one in boot.work),
            stop=self._stop,
        )
        records = read_records(shared / "records.jsonl")
        results.records += [record for record in records if record["kind"] == "run"]
        results.hosts += [record for record in records if record["kind"] == "booted"]
        self._say(f"boot {boot.name}: {outcome.reason} after {outcome.took_s:.0f} s")
        if (reason := spoiled_by(boot, records, outcome)) is not None:
            results.spoiled.append((boot, reason))
            self._say(reason)
        return next_attempt(boot, records)


def read_records(path: Path) -> list[dict[str, Any]]:
    """What a driver wrote; a last line cut short by a machine's death is left out."""
    if not path.exists():
        return []
    lines = path.read_text().split("\n")
    return [json.loads(line) for line in lines[:-1]]
