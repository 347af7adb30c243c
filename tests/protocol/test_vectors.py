"""The vectors that others test themselves with are what the specification says, and what our own decoders do."""

import json

import msgpack
import pytest

from protocol import RemoteProtocolError
from protocol.codec import decode, encode
from protocol.fields import Message
from tests.protocol.make_vectors import BINARY, JSON, Vector, as_json, as_msgpack, make_vectors
from tests.protocol.strategies import KINDS

KIND = {kind.__name__: kind for kind in KINDS}
VECTORS = make_vectors()


def test_the_files_are_what_the_script_makes() -> None:
    """`python -m tests.protocol.make_vectors` makes them anew."""
    assert JSON.read_text(encoding="ascii") == as_json(VECTORS)
    assert BINARY.read_bytes() == as_msgpack(VECTORS)


def test_both_files_say_the_same() -> None:
    unpacker = msgpack.Unpacker(raw=False)
    unpacker.feed(BINARY.read_bytes())
    rows = [(name, what, value.decode(), fields, shortest) for name, what, value, fields, shortest in unpacker]
    assert rows == [tuple(each.values()) for each in json.loads(JSON.read_text(encoding="ascii"))]


@pytest.mark.parametrize("kind", KINDS)
def test_each_is_read_as_it_says(kind: type[Message]) -> None:
    vectors = [each for each in VECTORS if each.message == kind.__name__]
    good = [each for each in vectors if each.fields is not None]
    for each in vectors:
        assert _read(each) == each.fields, each
    for each in good:
        assert (encode(decode(kind, each.value)) == each.value) == each.is_shortest, each
    assert len(good) >= 2 * len(kind.FIELDS)
    assert len(vectors) - len(good) >= 9 * len(kind.FIELDS)


def _read(vector: Vector) -> list[object] | None:
    try:
        return list(decode(KIND[vector.message], vector.value))
    except RemoteProtocolError:
        return None


def test_each_has_a_name_of_its_own_and_fits_into_xenstore() -> None:
    names = [(each.message, each.what) for each in VECTORS]
    assert len(set(names)) == len(names)
    assert all(len(each.value) <= 1028 for each in VECTORS)
