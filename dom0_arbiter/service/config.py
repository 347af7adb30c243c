"""The configuration file: TOML in, Settings out, or one error that says which file, which key, and what was allowed."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct

from dom0_arbiter.policy import SURPLUS, DomainSettings, EstimatorName, Settings, Surplus
from dom0_arbiter.policy.settings import SLACK_MIN_KIB, SurplusName
from dom0_arbiter.service.files import FileRefusedError, read_file
from dom0_arbiter.service.toml import TomlError, decode_toml

KIB_MAX = 2**40
DOM0_MIN_KIB = 2**20  # toolstack and backends need that much on any host; below it dom0 itself is killed for memory
BELOW_DYNAMIC_MAX = ("dynamic_min_kib", "reserved_burst_kib", "boot_min_kib")
SIZE_MAX_BYTES = 1 << 20  # some ten thousand domains; tomllib's time grows with the square of a key's depth

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_UUID_SHOWN = "00000000-0000-0000-0000-000000000000"

Kib = Annotated[int, Meta(ge=0, le=KIB_MAX)]
_Percent = Annotated[int, Meta(ge=0, le=100)]


class ConfigError(Exception):
    """The configuration cannot be used; nothing was changed."""


class _Host(Struct, forbid_unknown_fields=True, frozen=True):
    slack_kib: Annotated[int, Meta(ge=SLACK_MIN_KIB, le=KIB_MAX)] = SLACK_MIN_KIB


class _Shares(Struct, forbid_unknown_fields=True, frozen=True, rename="kebab"):
    spread: _Percent = 0
    dom0: _Percent = 0
    keep_free: _Percent = 0


class PolicyTable(Struct, forbid_unknown_fields=True, frozen=True):
    """[policy], here and in scenarios. free_pool_kib None: the arbiter's own choice."""

    surplus: SurplusName | _Shares = "spread"
    free_pool_kib: Kib | None = None

    def read_surplus(self) -> Surplus:
        """Who gets how much of it; raises ConfigError where that is not all of it."""
        if isinstance(self.surplus, str):
            return SURPLUS[self.surplus]
        shares = Surplus(spread=self.surplus.spread, dom0=self.surplus.dom0, keep_free=self.surplus.keep_free)
        if (percent := shares.spread + shares.dom0 + shares.keep_free) != 100:
            raise ConfigError(f"policy.surplus: {percent} percent; allowed: shares that add up to 100")
        return shares


class _Domain(Struct, forbid_unknown_fields=True, frozen=True):
    weight: Annotated[int, Meta(ge=1, le=65_535)] | None = None
    dynamic_min_kib: Kib | None = None
    dynamic_max_kib: Annotated[int, Meta(ge=1, le=KIB_MAX)] | None = None
    reserved_burst_kib: Kib | None = None
    boot_min_kib: Kib | None = None
    excluded: bool | None = None
    group: Annotated[str, Meta(max_length=64)] | None = None
    grant_kib: Kib | None = None
    estimator: EstimatorName | None = None


class _Chosen(_Domain, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """[[domain]]: for domains whose name matches, or for the one of that uuid."""

    match: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    uuid: Annotated[str, Meta(min_length=1, max_length=36)] | None = None

    @property
    def where(self) -> str:
        """What errors call it."""
        return f"[[domain]] uuid = {self.uuid!r}" if self.match is None else f"[[domain]] match = {self.match!r}"


class _Dom0(Struct, forbid_unknown_fields=True, frozen=True):
    """[dom0]: whether dom0 is managed like any other domain, and within which bounds."""

    managed: bool = False
    weight: Annotated[int, Meta(ge=1, le=65_535)] = 256
    dynamic_min_kib: Annotated[int, Meta(ge=DOM0_MIN_KIB, le=KIB_MAX)] = DOM0_MIN_KIB
    dynamic_max_kib: Annotated[int, Meta(ge=DOM0_MIN_KIB, le=KIB_MAX)] | None = None


class _File(Struct, forbid_unknown_fields=True, frozen=True):
    host: _Host = _Host()
    policy: PolicyTable = PolicyTable()
    dom0: _Dom0 = _Dom0()
    default: _Domain = _Domain()
    domain: list[_Chosen] = []


def read_settings(path: Path) -> Settings:
    """Read and check the file; raise ConfigError if it is unreadable, not TOML, or says something not allowed."""
    try:
        content = read_file(path, SIZE_MAX_BYTES)
    except FileRefusedError as error:
        raise ConfigError(f"{path}: {error}") from error
    return parse_settings(content, name=str(path))


def parse_settings(content: bytes, *, name: str) -> Settings:
    """Check the content of a configuration file; `name` is what errors call it."""
    try:
        file = decode_toml(content, _File)
    except TomlError as error:
        raise ConfigError(f"{name}: {error}") from error
    try:
        surplus = file.policy.read_surplus()
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from error
    default = _merged(DomainSettings(), file.default, f"{name}: [default]")
    _check_choices(file.domain, name)
    merged = [(entry, _merged(default, entry, f"{name}: {entry.where}")) for entry in file.domain]
    return Settings(
        slack_kib=file.host.slack_kib,
        surplus=surplus,
        free_pool_kib=file.policy.free_pool_kib,
        default=default,
        by_glob=tuple((entry.match, settings) for entry, settings in merged if entry.match is not None),
        by_uuid={entry.uuid.lower(): settings for entry, settings in merged if entry.uuid is not None},
        dom0=_dom0(file.dom0, f"{name}: [dom0]"),
    )


def _dom0(table: _Dom0, where: str) -> DomainSettings | None:
    if not table.managed:
        return None
    if table.dynamic_max_kib is None:
        raise ConfigError(
            f"{where}: managed without dynamic_max_kib; allowed: at most what Xen's dom0_mem= lets it have"
        )
    if table.dynamic_min_kib > table.dynamic_max_kib:
        most = f"at most dynamic_max_kib ({table.dynamic_max_kib}) allowed"
        raise ConfigError(f"{where}: dynamic_min_kib = {table.dynamic_min_kib}: {most}")
    return DomainSettings(
        weight=table.weight, dynamic_min_kib=table.dynamic_min_kib, dynamic_max_kib=table.dynamic_max_kib
    )


def _check_choices(tables: Sequence[_Chosen], name: str) -> None:
    """Each table is for a pattern or for a uuid, and none for the same as another."""
    seen: set[tuple[str | None, str | None]] = set()
    for index, table in enumerate(tables):
        uuid = None if table.uuid is None else table.uuid.lower()
        if (table.match is None) == (uuid is None):
            given = "neither match nor uuid" if uuid is None else "match and uuid"
            raise ConfigError(f"{name}: domain[{index}]: {given}; allowed: one of match, uuid")
        if uuid is not None and not _UUID.fullmatch(uuid):
            raise ConfigError(f"{name}: {table.where}: not a uuid; allowed: hexadecimal digits as in {_UUID_SHOWN}")
        if (table.match, uuid) in seen:
            raise ConfigError(f"{name}: {table.where}: given twice; allowed: one table for each pattern and each uuid")
        seen.add((table.match, uuid))


def _merged(base: DomainSettings, over: _Domain, where: str) -> DomainSettings:
    """The settings with those of `over` that are given, checked against each other."""
    given: dict[str, Any] = {
        name: value for name in DomainSettings.__slots__ if (value := getattr(over, name)) is not None
    }
    settings = replace(base, **given)
    most_kib = settings.dynamic_max_kib
    for key in BELOW_DYNAMIC_MAX if most_kib is not None else ():
        if (kib := getattr(settings, key)) > most_kib:
            raise ConfigError(f"{where}: {key} = {kib}: at most dynamic_max_kib ({most_kib}) allowed")
    return settings
