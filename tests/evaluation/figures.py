"""What an evaluation found: tables, which are printed for people and written as JSON for scripts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any

Cell = str | int | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What may be asked for on the command line. Each evaluation reads what concerns it.

    scenarios: files. trace: a trace to compare on as well, None without; trace_hours: how much of it, None for all.
    policies: empty for all. hosts, first: how many random hosts, and the first one's seed. domains, hours: of `day`.
    """

    scenarios: Sequence[Path] = ()
    trace: Path | None = None
    trace_hours: float | None = None
    policies: Sequence[str] = ()
    hosts: int = 1000
    first: int = 0
    domains: int = 200
    hours: float = 24.0
    duration_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows have as many cells as there are columns; columns end in their units."""

    name: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]

    def as_json(self) -> list[dict[str, Cell]]:
        """One object a row."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def as_text(self) -> str:
        """Columns one below the other, numbers to the right."""
        lines = [self.columns, *[[_text(cell) for cell in row] for row in self.rows]]
        widths = [max(len(line[index]) for line in lines) for index in range(len(self.columns))]
        is_number = [
            any(isinstance(row[index], int | float) for row in self.rows) for index in range(len(self.columns))
        ]
        return "\n".join(
            "  ".join(
                cell.rjust(width) if right else cell.ljust(width)
                for cell, width, right in zip(line, widths, is_number, strict=True)
            ).rstrip()
            for line in lines
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One evaluation's. violations: one line each; only these make it fail. notes: what to know when reading it."""

    tables: Sequence[Table]
    violations: Sequence[str] = ()
    notes: Sequence[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Tables by their names."""
        tables = {table.name: table.as_json() for table in self.tables}
        return {**tables, "notes": list(self.notes), "violations": list(self.violations)}


def quantile(values: Sequence[float], ratio: float) -> float | None:
    """The least of the values that `ratio` of them do not exceed; None of nothing."""
    if not values:
        return None
    return sorted(values)[max(0, ceil(ratio * len(values)) - 1)]


def rounded(value: float | None, digits: int = 3) -> float | None:
    """None stays None."""
    return None if value is None else round(value, digits)


def _text(cell: Cell) -> str:
    match cell:
        case None:
            return "–"
        case bool():
            return "yes" if cell else "no"
        case int():
            return f"{cell:,}"
        case float():
            return f"{cell:,.3f}" if abs(cell) < 1000 else f"{cell:,.0f}"
        case _:
            return cell
