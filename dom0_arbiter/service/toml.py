"""TOML in, checked types out, or one error whose text names the key and what is allowed there."""

import math
import re
import tomllib
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

T = TypeVar("T")


class TomlError(Exception):
    """Not TOML, or not of the shape asked for. The text names the key; the caller adds the file."""


def decode_toml(content: bytes, shape: type[T]) -> T:
    """Return the content as a `shape` (a msgspec type); raise TomlError, and nothing else, whatever the content."""
    try:
        table = tomllib.loads(content.decode())
    except (ValueError, RecursionError) as error:  # TOMLDecodeError, UnicodeDecodeError, numbers of 5,000 digits
        raise TomlError(f"not TOML: {error}") from error
    _check_finite(table)
    try:
        return msgspec.convert(table, shape)
    except msgspec.ValidationError as error:
        raise TomlError(_in_words(error, shape)) from error


def _check_finite(table: dict[str, Any]) -> None:
    """Refuse nan and inf, which TOML has and no setting means; tables may be nested deeper than Python's calls."""
    waiting: list[tuple[str, Any]] = list(table.items())
    while waiting:
        key, value = waiting.pop()
        match value:
            case float() if not math.isfinite(value):
                raise TomlError(f"{key}: {value}; allowed: finite numbers")
            case dict():
                waiting.extend((f"{key}.{name}", each) for name, each in value.items())
            case list():
                waiting.extend((f"{key}[{index}]", each) for index, each in enumerate(value))
            case _:
                pass


def _in_words(error: msgspec.ValidationError, shape: Any) -> str:
    """The key, what is wrong with it, and what is allowed there.

    msgspec ends its messages with the key, as in 'Expected ... - at `$.domain[0].weight`'.
    """
    message, marked, place = str(error).rpartition(" - at `$")
    if not marked:
        message, place = str(error), ""
    key = place.rstrip("`").lstrip(".")
    return f"{key or 'top level'}: {message}; allowed: {_allowed_at(key, shape)}"


def _allowed_at(key: str, shape: Any) -> str:
    """What may stand at a key, read off the shape."""
    kind: Any = inspect.type_info(shape)
    name = ""
    for part in re.findall(r"[a-z0-9_-]+|\[\d*", key):
        kind, name = _inside(kind, part), name if part.startswith("[") else part
    return _allowed(kind, name)


def _inside(kind: Any, part: str) -> Any:
    """The type of one field, or of one element."""
    match kind:
        case inspect.UnionType():
            inner = (_inside(each, part) for each in kind.types)
            return next((each for each in inner if each is not None), None)
        case inspect.StructType():
            return next((field.type for field in kind.fields if field.encode_name == part), None)
        case inspect.ListType() if part.startswith("["):
            return kind.item_type
        case inspect.TupleType() if part.startswith("["):
            return kind.item_types[min(int(part[1:] or 0), len(kind.item_types) - 1)]
        case _:
            return None


def _allowed(kind: Any, name: str = "") -> str:
    """A type in words; `name` is the last key on the way to it."""
    match kind:
        case inspect.UnionType():
            return " or ".join(_allowed(each, name) for each in kind.types if not isinstance(each, inspect.NoneType))
        case inspect.StructType():
            return "the keys " + ", ".join(field.encode_name for field in kind.fields)
        case inspect.LiteralType():
            return ", ".join(f'"{value}"' if isinstance(value, str) else str(value) for value in kind.values)
        case inspect.IntType():
            return f"an integer from {kind.ge} to {kind.le}"
        case inspect.FloatType():
            return f"a number {'above' if kind.gt is not None else 'from'} {_first(kind.gt, kind.ge)} to {kind.le}"
        case inspect.BoolType():
            return "true or false"
        case inspect.ListType() if isinstance(kind.item_type, inspect.StructType):
            return f"one table for each [[{name}]]"
        case inspect.ListType():
            return f"a list of {_allowed(kind.item_type)}"
        case inspect.TupleType():
            return f"[{', '.join(_allowed(each) for each in kind.item_types)}]"
        case inspect.StrType():
            return f"text of {kind.min_length or 0} to {kind.max_length or 'any number of'} characters"
        case _:
            return "nothing of the kind"


def _first(above: float | None, least: float | None) -> float | None:
    return least if above is None else above
