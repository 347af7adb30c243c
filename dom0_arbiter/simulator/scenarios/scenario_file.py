"""Scenario files: TOML in, a Scenario out, or one error that says which file, which key, and what is allowed."""

from collections.abc import Sequence
from glob import escape
from pathlib import Path
from typing import Any

from dom0_arbiter.policy import DOM0_NAME, DomainSettings, Settings
from dom0_arbiter.service.config import BELOW_DYNAMIC_MAX, SIZE_MAX_BYTES
from dom0_arbiter.service.files import FileRefusedError, read_file
from dom0_arbiter.service.toml import TomlError, decode_toml
from dom0_arbiter.simulator.guests.character import Character
from dom0_arbiter.simulator.guests.guest import GuestSpec
from dom0_arbiter.simulator.guests.kernel import Swap
from dom0_arbiter.simulator.scenarios.scenario import (
    Appearance,
    Expectation,
    Request,
    Scenario,
    ScenarioError,
    boots_with_kib,
)
from dom0_arbiter.simulator.scenarios.scenario_curves import CurveError, CurveReader
from dom0_arbiter.simulator.scenarios.scenario_tables import (
    DOMAIN_SUBJECTS,
    HOST_SUBJECTS,
    CharacterTable,
    DomainTable,
    ExpectTable,
    RequestTable,
    ScenarioFile,
)

END = float("inf")


def read_scenario(path: Path) -> Scenario:
    """Read and check a scenario file, and the traces it names beside it. Raises ScenarioError, and nothing else."""
    try:
        content = read_file(path, SIZE_MAX_BYTES)
    except FileRefusedError as error:
        raise ScenarioError(f"{path}: {error}") from error
    return parse_scenario(content, path=path)


def parse_scenario(content: bytes, *, path: Path) -> Scenario:
    """Check a scenario file's content; `path` is what errors call it, and where its traces are sought."""
    try:
        file = decode_toml(content, ScenarioFile)
        return _scenario(file, path.stem, CurveReader(path.parent))
    except (TomlError, CurveError, _MismatchError) as error:
        raise ScenarioError(f"{path}: {error}") from error


def swap_total_kib(swap: Swap, static_max_kib: int) -> int:
    """How much a guest can swap: to disk as much as it may have memory, to zram half of it (zram-tools' default)."""
    return {"none": 0, "disk": static_max_kib, "zram": static_max_kib // 2}[swap]


class _MismatchError(Exception):
    """A key that does not go with others. The text names it; the file is added above."""


def _scenario(file: ScenarioFile, name: str, curves: CurveReader) -> Scenario:
    """Check what the tables are to each other, and make the scenario of them."""
    domains = [table.name for table in file.domain]
    for key, names in (
        ("policies", file.policies),
        ("domain.name", domains),
        ("request.name", [table.name for table in file.request]),
    ):
        _check_names(key, names)
    guests = [_appearance(table, f"domain[{index}]", file, curves) for index, table in enumerate(file.domain)]
    _check_room(file, guests)
    return Scenario(
        name=name,
        duration_s=file.duration_s,
        memory_kib=file.host.memory_kib,
        settings=Settings(
            slack_kib=file.host.slack_kib,
            surplus=file.policy.read_surplus(),
            free_pool_kib=file.policy.free_pool_kib,
            by_glob=tuple((escape(table.name), _settings(table)) for table in file.domain if table.name != DOM0_NAME),
            dom0=next((_settings(table) for table in file.domain if table.name == DOM0_NAME), None),
        ),
        guests=guests,
        seed=file.seed,
        step_s=file.step_s,
        policies=tuple(file.policies),
        requests=[_request(each, f"request[{n}]", file.duration_s, domains) for n, each in enumerate(file.request)],
        expectations=[
            _expectation(each, f"expect[{n}]", file.duration_s, domains) for n, each in enumerate(file.expect)
        ],
        without=frozenset(file.policy.without),
        expect_violated=frozenset(file.invariants.expect_violated),
    )


def _settings(table: DomainTable) -> DomainSettings:
    return DomainSettings(
        weight=table.weight,
        dynamic_min_kib=table.dynamic_min_kib,
        dynamic_max_kib=table.dynamic_max_kib,
        reserved_burst_kib=table.reserved_burst_kib,
        boot_min_kib=table.boot_min_kib,
        grant_kib=table.grant_kib,
        estimator=table.estimator,
    )


def _appearance(table: DomainTable, where: str, file: ScenarioFile, curves: CurveReader) -> Appearance:
    most_kib, end_s = table.static_max_kib, file.duration_s
    ceiling_kib = _default(table.dynamic_max_kib, most_kib)
    target_kib = _default(table.target_kib, ceiling_kib)
    actual_kib = _default(table.actual_kib, target_kib)
    until_s = _default(table.until_s, end_s)
    _at_most(f"{where}.dynamic_max_kib", ceiling_kib, "static_max_kib", most_kib)
    for key in BELOW_DYNAMIC_MAX:
        _at_most(f"{where}.{key}", getattr(table, key), "dynamic_max_kib", ceiling_kib)
    _at_most(f"{where}.target_kib", target_kib, "static_max_kib", most_kib)
    _at_most(f"{where}.actual_kib", actual_kib, "static_max_kib", most_kib)
    _at_most(f"{where}.until_s", until_s, "duration_s", end_s)
    _need(table.from_s < until_s, f"{where}.from_s", table.from_s, f"less than until_s ({until_s:g})")
    spec = GuestSpec(
        name=table.name,
        static_max_kib=most_kib,
        actual_kib=actual_kib,
        need=curves.read_curve(table.need_kib, table.need_shape, f"{where}.need_kib"),
        cache=curves.read_curve(table.cache_kib, "step", f"{where}.cache_kib"),
        swap=table.swap,
        swap_total_kib=swap_total_kib(table.swap, most_kib),
        character=_character(table.character, f"{where}.character", end_s),
    )
    least_kib = boots_with_kib(spec)
    reason = f"at least {least_kib}, what a kernel needs for itself where static_max_kib is {most_kib},"
    _need(actual_kib >= least_kib, f"{where}.actual_kib", actual_kib, reason)
    return Appearance(
        spec=spec, target_kib=target_kib, from_s=table.from_s, until_s=END if until_s >= end_s else until_s
    )


def _character(table: CharacterTable, where: str, end_s: float) -> Character:
    for key in ("silent_from_s", "crash_at_s"):
        _at_most(f"{where}.{key}", getattr(table, key) or 0.0, "duration_s", end_s)
    for index, (from_s, until_s) in enumerate(table.paused_s or []):
        key = f"{where}.paused_s[{index}]"
        _need(from_s < until_s, key, [from_s, until_s], "the earlier time first")
        _at_most(key, from_s, "duration_s", end_s)
    if table.never_above_kib is not None and table.never_below_kib is not None:
        _at_most(f"{where}.never_below_kib", table.never_below_kib, "never_above_kib", table.never_above_kib)
    given = {
        key: value
        for key in table.__struct_fields__
        if key != "speed_kib_s" and (value := getattr(table, key)) is not None
    }
    if table.speed_kib_s is not None:
        given |= {"up_kib_s": table.speed_kib_s, "down_kib_s": table.speed_kib_s}
    return Character(**given)


def _check_room(file: ScenarioFile, guests: Sequence[Appearance]) -> None:
    """All that are there at first must fit at once, and each that comes later at least alone."""
    host = file.host
    _at_most("host.slack_kib", host.slack_kib, "memory_kib", host.memory_kib)
    room_kib = host.memory_kib - host.slack_kib
    at_first_kib = sum(guest.spec.actual_kib for guest in guests if guest.from_s == 0)
    _at_most("domain: sum of actual_kib", at_first_kib, "host.memory_kib - host.slack_kib", room_kib)
    for index, guest in enumerate(guests):
        _at_most(f"domain[{index}].actual_kib", guest.spec.actual_kib, "host.memory_kib - host.slack_kib", room_kib)


def _request(table: RequestTable, where: str, end_s: float, domains: Sequence[str]) -> Request:
    left_s = end_s - table.at_s
    _at_most(f"{where}.at_s", table.at_s, "duration_s", end_s)
    min_kib = _default(table.min_kib, table.size_kib)
    _at_most(f"{where}.min_kib", min_kib, "size_kib", table.size_kib)
    for key, goes_with in (("missing_kib", "refused-lack"), ("blame", "refused-stuck")):
        value = getattr(table, key)
        _need(value is None or table.expect == goes_with, f"{where}.{key}", value, f'only with expect = "{goes_with}"')
    if table.missing_kib is not None:
        _check_range(f"{where}.missing_kib", table.missing_kib)
    for name in table.blame or []:
        _check_known(f"{where}.blame", name, domains)
    return Request(
        name=table.name,
        at_s=table.at_s,
        size_kib=table.size_kib,
        min_kib=min_kib,
        hold_s=_default(table.hold_s, END),
        within_s=min(left_s, _default(table.within_s, left_s)),
        expect=table.expect,
        missing_kib=table.missing_kib,
        blame=table.blame,
    )


def _expectation(table: ExpectTable, where: str, end_s: float, domains: Sequence[str]) -> Expectation:
    given = [key for key in (*DOMAIN_SUBJECTS, *HOST_SUBJECTS) if getattr(table, key) is not None]
    allowed = HOST_SUBJECTS if table.domain is None else DOMAIN_SUBJECTS
    _need(
        len(given) == 1 and given[0] in allowed,
        where,
        ", ".join(given) or "nothing expected",
        f"{'without' if table.domain is None else 'with'} a domain one of {', '.join(allowed)}",
    )
    if table.domain is not None:
        _check_known(f"{where}.domain", table.domain, domains)
    (subject,) = given
    from_s, until_s = _times(table, where, end_s, is_metric=subject in HOST_SUBJECTS and subject != "free_kib")
    if subject == "state":
        return Expectation(from_s=from_s, until_s=until_s, domain=table.domain, subject=subject, state=table.state)
    low, high = getattr(table, subject)
    _check_range(f"{where}.{subject}", (low, high))
    return Expectation(from_s=from_s, until_s=until_s, domain=table.domain, subject=subject, low=low, high=high)


def _times(table: ExpectTable, where: str, end_s: float, *, is_metric: bool) -> tuple[float, float]:
    """From and until. A metric needs no times: it is of the whole scenario, and judged once, at the end."""
    match table.at_s, table.from_s, table.until_s:
        case float(at_s), None, None:
            from_s, until_s = at_s, at_s
        case None, float(from_s), float(until_s):
            _need(from_s <= until_s, f"{where}.from_s", from_s, f"at most until_s ({until_s:g})")
        case None, None, None if is_metric:
            from_s, until_s = 0.0, end_s
        case _:
            raise _MismatchError(f"{where}: allowed: at_s, or from_s and until_s")
    _at_most(f"{where}.{'until_s' if table.at_s is None else 'at_s'}", until_s, "duration_s", end_s)
    return from_s, until_s


def _check_names(key: str, names: Sequence[str]) -> None:
    """Names that people can read, each of them once."""
    if odd := [name for name in names if not name.isprintable()]:
        raise _MismatchError(f"{key} = {odd[0]!r}: printable characters allowed")
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise _MismatchError(f"{key} = {doubled[0]!r}: given twice; allowed: each once")


def _check_known(key: str, name: str, domains: Sequence[str]) -> None:
    _need(name in domains, key, repr(name), f"a domain of this scenario ({', '.join(domains) or 'it has none'})")


def _check_range(key: str, ends: tuple[float, float]) -> None:
    _need(ends[0] <= ends[1], key, list(ends), "the lower first")


def _at_most(key: str, value: float, of: str, most: float) -> None:
    _need(value <= most, key, value, f"at most {of} ({most:.12g})")


def _need(is_right: bool, key: str, value: object, allowed: str) -> None:
    if not is_right:
        shown = f"{value:.12g}" if isinstance(value, float) else value
        raise _MismatchError(f"{key} = {shown}: {allowed} allowed")


def _default(value: Any, default: Any) -> Any:
    return default if value is None else value
