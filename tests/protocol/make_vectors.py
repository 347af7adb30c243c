"""Test vectors for whoever writes the wire in another language: `python -m tests.protocol.make_vectors` writes them.

Each is one of protocol/vectors.json, and the same of protocol/vectors.msgpack, an array in msgpack for each, one after
the other: [message, what, value as it stands in xenstore, the fields that it is read as, or nil where it is invalid,
whether an encoder that packs as short as it can writes the same value]. Made from the tables of fields, so that every
bound has its vectors; the verdicts are the specification's, and a test holds our decoders to them.
"""

import json
from binascii import b2a_base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack

import protocol
from protocol import Grant, Hello, Report, Welcome
from protocol.fields import Field, Message

DIRECTORY = Path(protocol.__file__).parent
JSON, BINARY = DIRECTORY / "vectors.json", DIRECTORY / "vectors.msgpack"
GIB_KIB = 1024 * 1024
TYPICAL: Mapping[type[Message], Message] = {
    Hello: Hello(
        version_lowest=1,
        version_highest=2,
        agent_name="aerostat",
        agent_version="0.1.0",
        os_name="Linux",
        os_version="6.1.0-18-amd64",
        capabilities=7,
        boot_id="4c1ee2a5-8d8a-4a3f-8a7e-07c3b8f1a0aa",
    ),
    Report: Report(
        version=1,
        sequence=123_456,
        uptime_ms=864_000_000,
        flags=1,
        total_kib=4 * GIB_KIB,
        free_kib=GIB_KIB,
        available_kib=2 * GIB_KIB,
        swap_total_kib=GIB_KIB,
        swap_used_kib=GIB_KIB // 2,
        swap_ram_kib=1000,
        swap_packed_kib=3000,
    ),
    Welcome: Welcome(version=1, reason="", interval_min_ms=1, interval_max_ms=3_600_000),
    Grant: Grant(version=1, extra_kib=65_536, echo_uptime_ms=864_000_000, duration_ms=2000),
}
# Rules between fields, broken.
CROSSED: tuple[tuple[type[Message], str, str, int], ...] = (
    (Hello, "version_lowest", "is more than version_highest", 3),
    (Report, "total_kib", "is 0", 0),
    (Report, "free_kib", "is more than total_kib", 4 * GIB_KIB + 1),
    (Report, "available_kib", "is more than total_kib", 4 * GIB_KIB + 1),
    (Report, "swap_used_kib", "is more than swap_total_kib", GIB_KIB + 1),
    (Report, "swap_ram_kib", "is more than total_kib", 4 * GIB_KIB + 1),
    (Report, "swap_packed_kib", "is more than swap_used_kib", GIB_KIB // 2 + 1),
    (Welcome, "interval_min_ms", "is more than interval_max_ms", 3_600_001),
)
OF_WRONG_TYPE = {
    "a float": 1.0,
    "a boolean": True,
    "nil": None,
    "an array": [1],
    "a map": {1: 1},
    "binary": b"1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    """`fields` is None where a reader must refuse the value; `is_shortest` where a writer would write that."""

    message: str
    what: str
    value: bytes
    fields: list[object] | None
    is_shortest: bool = False


def make_vectors() -> list[Vector]:
    """All of them, in a stable order."""
    return [vector for kind in TYPICAL for vector in (*_good(kind), *_bad(kind))]


def _good(kind: type[Message]) -> Iterator[Vector]:
    name, items = kind.__name__, list(TYPICAL[kind])
    yield Vector(message=name, what="typical", value=_packed(items), fields=items, is_shortest=True)
    wide = b"\xdc" + len(items).to_bytes(2, "big") + b"".join(_widely(item) for item in items)
    yield Vector(message=name, what="every item in its longest form", value=_in_base64(wide), fields=items)
    more = [*items, "of a later version", [1.5, None, {"a": b"\x00"}]]
    yield Vector(message=name, what="two positions more", value=_packed(more), fields=items)
    odd = _in_base64(_grown(items, b"\x82\x90\x01\x90\x02"))
    yield Vector(message=name, what="a map whose keys are arrays", value=odd, fields=items)
    yield Vector(message=name, what="unused bits set", value=_with_unused_bits(items), fields=items)
    required = sum(field.required for field in kind.FIELDS)
    for length in range(required, len(items)):
        filled = items[:length] + [field.default for field in kind.FIELDS[length:]]
        if _is_valid(kind, filled):
            yield Vector(message=name, what=f"{length} positions", value=_packed(items[:length]), fields=filled)
    for field in kind.FIELDS:
        for word, value in zip(("least", "most"), _bounds(field), strict=True):
            changed = [*items[: field.index], value, *items[field.index + 1 :]]
            if _is_valid(kind, changed):
                what = f"{field.name} at its {word}"
                yield Vector(message=name, what=what, value=_packed(changed), fields=changed, is_shortest=True)


def _bad(kind: type[Message]) -> Iterator[Vector]:
    name, items = kind.__name__, list(TYPICAL[kind])
    value, packed = _packed(items), msgpack.packb(items)

    def bad(what: str, value: bytes) -> Vector:
        return Vector(message=name, what=what, value=value, fields=None)

    for field in kind.FIELDS:
        for what, wrong in _wrong_values(field):
            changed = [*items[: field.index], wrong, *items[field.index + 1 :]]
            yield bad(f"{field.name} is {what}", _packed(changed))
    for of_kind, field_name, what, wrong_number in CROSSED:
        if of_kind is kind:
            changed = [wrong_number if field.name == field_name else items[field.index] for field in kind.FIELDS]
            yield bad(f"{field_name} {what}", _packed(changed))
    required = sum(field.required for field in kind.FIELDS)
    for length in range(required):
        yield bad(f"{kind.FIELDS[length].name} is missing", _packed(items[:length]))
    yield bad("empty", b"")
    yield bad("a line break after it", value + b"\n")
    yield bad("a space in it", value[:4] + b" " + value[4:])
    yield bad("a NUL after it", value + b"\0")
    yield bad("its last character is missing", value[:-1])
    yield bad("base64 for URLs", _in_base64(packed + b"").replace(b"+", b"-").replace(b"/", b"_") + b"-_-_")
    yield bad("an array that is cut short", _in_base64(packed[:-1]))
    yield bad("a byte after the array", _in_base64(packed + b"\0"))
    yield bad("two arrays", _in_base64(packed * 2))
    yield bad("a map", _in_base64(msgpack.packb(dict(enumerate(items)))))
    yield bad("a number", _in_base64(msgpack.packb(1)))
    yield bad("more padding than there is to fill", value.rstrip(b"=") + b"====")
    yield bad("an extension of 0 bytes at a surplus position", _in_base64(_grown(items, b"\xc7\x00\x05")))
    yield bad("a text that is not UTF-8 at a surplus position", _in_base64(_grown(items, b"\xa1\xff")))
    yield bad("65 positions", _packed([*items, *[0] * (65 - len(items))]))
    yield bad("an extension at a surplus position", _packed([*items, msgpack.ExtType(1, b"1")]))
    yield bad("a text of 513 bytes at a surplus position", _packed([*items, "x" * 513]))
    yield bad("65 items at a surplus position", _packed([*items, [0] * 65]))
    yield bad("1028 characters", _in_base64(packed + b"\0" * (771 - len(packed))))


def _bounds(field: Field) -> tuple[object, object]:
    return ("x" * field.low, "x" * field.high) if field.text else (field.low, field.high)


def _wrong_values(field: Field) -> Iterator[tuple[str, object]]:
    if field.text:
        yield from ((what, wrong) for what, wrong in OF_WRONG_TYPE.items())
        yield "a number", 1
        yield f"of {field.high + 1} bytes", "x" * (field.high + 1)
        yield "with a control character", "x\x07"
        yield "not ASCII", "\u00e9"
        if field.low:
            yield "empty", ""
        return
    yield from OF_WRONG_TYPE.items()
    yield "a text", "1"
    yield "negative", -1
    yield f"{field.high + 1}", field.high + 1
    yield "2^64 - 1", 2**64 - 1
    if field.low:
        yield f"{field.low - 1}", field.low - 1


def _is_valid(kind: type[Message], items: list[object]) -> bool:
    values: dict[str, Any] = {field.name: items[field.index] for field in kind.FIELDS}
    if kind is Hello:
        return bool(values["version_lowest"] <= values["version_highest"])
    if kind is Welcome:
        return bool(values["interval_min_ms"] <= values["interval_max_ms"])
    if kind is not Report:
        return True
    parts = max(values[name] for name in ("free_kib", "available_kib", "swap_ram_kib"))
    is_swap_whole = values["swap_packed_kib"] <= values["swap_used_kib"] <= values["swap_total_kib"]
    return bool(values["total_kib"] > 0 and parts <= values["total_kib"] and is_swap_whole)


def _widely(item: object) -> bytes:
    if isinstance(item, str):
        text = item.encode()
        return b"\xdb" + len(text).to_bytes(4, "big") + text
    assert isinstance(item, int)
    return b"\xcf" + item.to_bytes(8, "big")


def _grown(items: list[object], packed: bytes) -> bytes:
    """The array with one position more."""
    return b"\xdc" + (len(items) + 1).to_bytes(2, "big") + b"".join(map(msgpack.packb, items)) + packed


def _with_unused_bits(items: list[object]) -> bytes:
    """The last character before two of padding stands for 2 bits, and has 6."""
    more = [*items, *[0] * 3]
    while len(msgpack.packb(more)) % 3 != 1:
        more.append(0)
    value = _packed(more)
    return value[:-3] + bytes([value[-3] + 1]) + value[-2:]


def _packed(items: list[object]) -> bytes:
    return _in_base64(msgpack.packb(items))


def _in_base64(packed: bytes) -> bytes:
    return b2a_base64(packed, newline=False)


def as_json(vectors: list[Vector]) -> str:
    """A line for each."""
    lines = [
        json.dumps(
            {
                "message": each.message,
                "what": each.what,
                "value": each.value.decode("ascii"),
                "fields": each.fields,
                "is_shortest": each.is_shortest,
            }
        )
        for each in vectors
    ]
    return "[\n" + ",\n".join(lines) + "\n]\n"


def as_msgpack(vectors: list[Vector]) -> bytes:
    """See above."""
    return b"".join(
        msgpack.packb([each.message, each.what, each.value, each.fields, each.is_shortest]) for each in vectors
    )


if __name__ == "__main__":
    JSON.write_text(as_json(make_vectors()), encoding="ascii")
    BINARY.write_bytes(as_msgpack(make_vectors()))
