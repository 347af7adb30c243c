"""What a scenario file says of needs and caches over time, as curves; traces are read from beside the file."""

from pathlib import Path

from dom0_arbiter.simulator.curve import Constant, Curve, Spikes, Steps, linear, sine
from dom0_arbiter.simulator.scenarios.scenario import ScenarioError
from dom0_arbiter.simulator.scenarios.scenario_tables import Amounts, CurveTable, Shape
from dom0_arbiter.simulator.scenarios.trace import CACHE_COLUMN, Course, read_courses

CURVE_FORMS = (("base_kib", "peak_kib", "every_s", "for_s"), ("sine_kib", "period_s"), ("csv", "domain"))


class CurveError(Exception):
    """Amounts that make no curve. The text names the key; the caller adds the file."""


class CurveReader:
    """Reads each trace once, however many domains have their needs from it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._traces: dict[str, dict[str, Course]] = {}

    def read_curve(self, amounts: Amounts, shape: Shape, key: str) -> Curve:
        """Return the curve. Raises CurveError, and ScenarioError where a trace is wrong.

        shape: how points (of a list or a trace) are joined; nothing else has points. key: `...need_kib` or
        `...cache_kib`, which also says the trace's column.
        """
        match amounts:
            case int():
                curve: Curve = Constant(kib=amounts)
            case CurveTable():
                self._check_form(amounts, key)
                if amounts.csv is not None and amounts.domain is not None:
                    return _joined(*self._read_course(amounts.csv, amounts.domain, key), shape)
                curve = _formula(amounts, key)
            case _:
                times_s, amounts_kib = [time_s for time_s, _ in amounts], [kib for _, kib in amounts]
                for index in range(1, len(times_s)):
                    if times_s[index] <= times_s[index - 1]:
                        raise CurveError(
                            f"{key}[{index}]: time {times_s[index]:g}: "
                            f"more than {times_s[index - 1]:g}, the time before, allowed"
                        )
                return _joined(times_s, amounts_kib, shape)
        if shape != "step":
            raise CurveError(f'{key}: need_shape = "{shape}": only with a list or a csv allowed')
        return curve

    def _check_form(self, table: CurveTable, key: str) -> None:
        given = [name for name in table.__struct_fields__ if getattr(table, name) is not None]
        if set(given) not in [set(form) for form in CURVE_FORMS]:
            forms = " or ".join("{ " + ", ".join(form) + " }" for form in CURVE_FORMS)
            raise CurveError(f"{key}: the keys {', '.join(given) or '(none)'}; allowed: {forms}")

    def _read_course(self, csv: str, domain: str, key: str) -> tuple[list[float], list[int]]:
        if csv not in self._traces:
            path = self._folder / csv
            self._traces[csv] = read_courses(path, name=str(path))
        course = self._traces[csv].get(domain)
        if course is None:
            raise CurveError(f"{key}: domain = {domain!r}: not in {csv}; allowed: {_some(list(self._traces[csv]))}")
        if key.endswith(CACHE_COLUMN):
            if not course.caches_kib:
                raise CurveError(f"{key}: {csv} has no column {CACHE_COLUMN}; allowed: a csv that has")
            return course.times_s, course.caches_kib
        return course.times_s, course.demands_kib


def _joined(times_s: list[float], amounts_kib: list[int], shape: Shape) -> Curve:
    return linear(times_s, amounts_kib) if shape == "linear" else Steps(times_s=times_s, amounts_kib=amounts_kib)


def _formula(table: CurveTable, key: str) -> Curve:
    match table:
        case CurveTable(base_kib=int(base_kib), peak_kib=int(peak_kib), every_s=float(every_s), for_s=float(for_s)):
            if for_s > every_s:
                raise CurveError(f"{key}.for_s = {for_s:g}: at most every_s ({every_s:g}) allowed")
            return Spikes(base_kib=base_kib, peak_kib=peak_kib, every_s=every_s, for_s=for_s)
        case CurveTable(sine_kib=(low_kib, high_kib), period_s=float(period_s)):
            if low_kib > high_kib:
                raise CurveError(f"{key}.sine_kib = [{low_kib}, {high_kib}]: the lower first")
            return sine(low_kib, high_kib, period_s)
        case _:
            raise ScenarioError(f"{key}: {table}")  # _check_form lets nothing else pass


def _some(names: list[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
