"""The configuration file: TOML in, Settings out, or one error that says which file, which key, and what was allowed."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct

from dom0_arbiter.policy import DomainSettings, EstimatorName, Settings, Surplus
from dom0_arbiter.policy.settings import SLACK_MIN_KIB
from dom0_arbiter.service.toml import TomlError, decode_toml

KIB_MAX = 2**40

Kib = Annotated[int, Meta(ge=0, le=KIB_MAX)]


class ConfigError(Exception):
    """The configuration cannot be used; nothing was changed."""


class _Host(Struct, forbid_unknown_fields=True, frozen=True):
    slack_kib: Annotated[int, Meta(ge=SLACK_MIN_KIB, le=KIB_MAX)] = SLACK_MIN_KIB


class PolicyTable(Struct, forbid_unknown_fields=True, frozen=True):
    """[policy], here and in scenarios. free_pool_kib None: the arbiter's own choice."""

    surplus: Surplus = "spread"
    free_pool_kib: Kib | None = None


class _Domain(Struct, forbid_unknown_fields=True, frozen=True):
    weight: Annotated[int, Meta(ge=1, le=65_535)] | None = None
    dynamic_min_kib: Kib | None = None
    dynamic_max_kib: Annotated[int, Meta(ge=1, le=KIB_MAX)] | None = None
    excluded: bool | None = None
    group: Annotated[str, Meta(max_length=64)] | None = None
    grant_kib: Kib | None = None
    estimator: EstimatorName | None = None


class _Match(_Domain, forbid_unknown_fields=True, frozen=True, kw_only=True):
    match: Annotated[str, Meta(min_length=1, max_length=256)]


class _File(Struct, forbid_unknown_fields=True, frozen=True):
    host: _Host = _Host()
    policy: PolicyTable = PolicyTable()
    default: _Domain = _Domain()
    domain: list[_Match] = []


def read_settings(path: Path) -> Settings:
    """Read and check the file; raise ConfigError if it is unreadable, not TOML, or says something not allowed."""
    try:
        return parse_settings(path.read_bytes(), name=str(path))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error


def parse_settings(content: bytes, *, name: str) -> Settings:
    """Check the content of a configuration file; `name` is what errors call it."""
    try:
        file = decode_toml(content, _File)
    except TomlError as error:
        raise ConfigError(f"{name}: {error}") from error
    default = _merged(DomainSettings(), file.default, f"{name}: [default]")
    matches = [entry.match for entry in file.domain]
    if doubled := sorted({match for match in matches if matches.count(match) > 1}):
        raise ConfigError(
            f"{name}: [[domain]] match = {doubled[0]!r}: given twice; allowed: one table for each pattern"
        )
    by_glob = tuple(
        (entry.match, _merged(default, entry, f"{name}: [[domain]] match = {entry.match!r}")) for entry in file.domain
    )
    return Settings(
        slack_kib=file.host.slack_kib,
        surplus=file.policy.surplus,
        free_pool_kib=file.policy.free_pool_kib,
        default=default,
        by_glob=by_glob,
    )


def _merged(base: DomainSettings, over: _Domain, where: str) -> DomainSettings:
    """The settings with those of `over` that are given, checked against each other."""
    given: dict[str, Any] = {
        name: value for name in DomainSettings.__slots__ if (value := getattr(over, name)) is not None
    }
    settings = replace(base, **given)
    if settings.dynamic_max_kib is not None and settings.dynamic_min_kib > settings.dynamic_max_kib:
        raise ConfigError(
            f"{where}: dynamic_min_kib = {settings.dynamic_min_kib}: "
            f"at most dynamic_max_kib ({settings.dynamic_max_kib}) allowed"
        )
    return settings
