"""Traces: CSV files of how much memory domains needed over time, read strictly, with file and line in every error."""

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dom0_arbiter.service.files import FileRefusedError, check_file
from dom0_arbiter.simulator.scenarios.scenario import KIB_MAX, ScenarioError

COLUMNS = ["time_s", "domain", "demand_kib"]
CACHE_COLUMN = "cache_kib"
TIME_MAX_S = 1e10  # some three centuries, so that neither Unix time nor milliseconds taken for seconds pass unseen
NAME_MAX = 256
SIZE_MAX_BYTES = 1 << 29  # a thousand domains for a month at five minutes, three times over
_NUMBER = re.compile(r"[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?")


@dataclass(slots=True)
class Course:
    """One domain's values, each until the next time; KiB, Xen's view. caches_kib is empty without the column."""

    times_s: list[float] = field(default_factory=list)
    demands_kib: list[int] = field(default_factory=list)
    caches_kib: list[int] = field(default_factory=list)


def read_courses(path: Path, *, name: str) -> dict[str, Course]:
    """Return every domain's course, in the order of their first rows; at least one. Raises ScenarioError.

    `name` is what errors call the file. Rows may be in any order of domains; each domain's times must ascend.
    """
    try:
        check_file(path, SIZE_MAX_BYTES)
        with path.open(encoding="utf-8-sig", newline="") as lines:
            return _parse_rows(lines, name)
    except FileRefusedError as error:
        raise ScenarioError(f"{name}: {error}") from error
    except OSError as error:
        raise ScenarioError(f"{name}: cannot be read: {error.strerror}") from error
    except ValueError as error:  # not UTF-8, or no path at all
        raise ScenarioError(f"{name}: cannot be read: {error}") from error


def _parse_rows(lines: Iterable[str], name: str) -> dict[str, Course]:
    courses: dict[str, Course] = {}
    rows = _rows(lines, name)
    _, header = next(rows, (1, []))
    if header not in (COLUMNS, [*COLUMNS, CACHE_COLUMN]):
        raise ScenarioError(f"{name}:1: columns {','.join(header)}; allowed: {','.join(COLUMNS)}[,{CACHE_COLUMN}]")
    for line, row in rows:
        where = f"{name}:{line}"
        if len(row) != len(header):
            raise ScenarioError(f"{where}: {len(row)} cells; allowed: one for each of {','.join(header)}")
        cells = dict(zip(header, row, strict=True))
        course = courses.setdefault(_parse_domain(cells["domain"], where), Course())
        time_s = _parse_number(cells["time_s"], f"{where}: time_s", TIME_MAX_S)
        if course.times_s and time_s <= course.times_s[-1]:
            raise ScenarioError(
                f"{where}: time_s = {cells['time_s']}: more than {course.times_s[-1]:g} allowed, "
                f"the time before of {cells['domain']}"
            )
        course.times_s.append(time_s)
        course.demands_kib.append(int(_parse_number(cells["demand_kib"], f"{where}: demand_kib", KIB_MAX)))
        if CACHE_COLUMN in cells:
            course.caches_kib.append(int(_parse_number(cells[CACHE_COLUMN], f"{where}: {CACHE_COLUMN}", KIB_MAX)))
    if not courses:
        raise ScenarioError(f"{name}: no values; allowed: at least one row after the columns")
    return courses


def _rows(lines: Iterable[str], name: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not empty, with the number of the line where each ends."""
    reader = csv.reader(lines, strict=True)
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        raise ScenarioError(f"{name}:{reader.line_num}: not CSV: {error}") from error


def _parse_domain(text: str, where: str) -> str:
    if not 0 < len(text) <= NAME_MAX or not text.isprintable():
        raise ScenarioError(f"{where}: domain = {text[:NAME_MAX]!r}: 1 to {NAME_MAX} printable characters allowed")
    return text


def _parse_number(text: str, where: str, most: float) -> float:
    """A decimal number as everybody writes it, 0 to `most`; not all that Python would take for one."""
    value = float(text) if _NUMBER.fullmatch(text) else -1.0
    if not 0 <= value <= most:
        raise ScenarioError(f"{where} = {text[:64]!r}: a number from 0 to {most:g} allowed")
    return value
