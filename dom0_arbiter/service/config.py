"""The configuration file: TOML in, Settings out, or one error that says which file, which key, and what was allowed."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, inspect

from dom0_arbiter.policy import DomainSettings, Settings, Surplus
from dom0_arbiter.policy.settings import SLACK_MIN_KIB

KIB_MAX = 2**40

Kib = Annotated[int, Meta(ge=0, le=KIB_MAX)]


class ConfigError(Exception):
    """The configuration cannot be used; nothing was changed."""


class _Host(Struct, forbid_unknown_fields=True, frozen=True):
    slack_kib: Annotated[int, Meta(ge=SLACK_MIN_KIB, le=KIB_MAX)] = SLACK_MIN_KIB


class _Policy(Struct, forbid_unknown_fields=True, frozen=True):
    surplus: Surplus = "spread"
    free_pool_kib: Kib | None = None


class _Domain(Struct, forbid_unknown_fields=True, frozen=True):
    weight: Annotated[int, Meta(ge=1, le=65_535)] | None = None
    dynamic_min_kib: Kib | None = None
    dynamic_max_kib: Annotated[int, Meta(ge=1, le=KIB_MAX)] | None = None
    excluded: bool | None = None
    group: Annotated[str, Meta(max_length=64)] | None = None


class _Match(_Domain, forbid_unknown_fields=True, frozen=True, kw_only=True):
    match: Annotated[str, Meta(min_length=1, max_length=256)]


class _File(Struct, forbid_unknown_fields=True, frozen=True):
    host: _Host = _Host()
    policy: _Policy = _Policy()
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
        file = msgspec.toml.decode(content, type=_File)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{name}: {_in_words(error)}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{name}: not TOML: {error}") from error
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


def _in_words(error: msgspec.ValidationError) -> str:
    """The key, what is wrong with it, and what is allowed there.

    msgspec ends its messages with the key, as in 'Expected ... - at `$.domain[0].weight`'.
    """
    message, marked, place = str(error).rpartition(" - at `$")
    if not marked:
        message, place = str(error), ""
    key = place.rstrip("`").lstrip(".")
    return f"{key or 'top level'}: {message}; allowed: {_allowed(key)}"


def _allowed(key: str) -> str:
    """What may stand at a key, read off the types above."""
    kind: Any = inspect.type_info(_File)
    for part in re.findall(r"[a-z_]+|\[", key):
        if part == "[":
            kind = kind.item_type
        elif isinstance(kind, inspect.StructType):
            kind = next((field.type for field in kind.fields if field.name == part), kind)
    if isinstance(kind, inspect.UnionType):
        kind = next(each for each in kind.types if not isinstance(each, inspect.NoneType))
    match kind:
        case inspect.StructType():
            return "the keys " + ", ".join(field.name for field in kind.fields)
        case inspect.LiteralType():
            return ", ".join(f'"{value}"' for value in kind.values)
        case inspect.IntType():
            return f"an integer from {kind.ge} to {kind.le}"
        case inspect.BoolType():
            return "true or false"
        case inspect.ListType():
            return "one table for each [[domain]]"
        case _:
            return f"text of {kind.min_length or 0} to {kind.max_length or 'any number of'} characters"
