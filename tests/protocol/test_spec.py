"""SPEC.md and the code say the same, field by field."""

import json
import re
from binascii import a2b_base64
from pathlib import Path

import msgpack
import pytest

import protocol
from protocol import RemoteProtocolError
from protocol.codec import decode, encode
from protocol.fields import Message
from tests.protocol.strategies import KINDS

SPEC = (Path(protocol.__file__).parent / "SPEC.md").read_text()
ROW = re.compile(r"^\| (\d+) \| `(\w+)` \| (text, )?(\d+)–(\d+)(?: bytes)? \| (\S+) \|", re.MULTILINE)
READ_AS = re.compile(r"^\| (\w+)(?:, [^|]*)? \| `(\S+)` \| `(\[.*\])` \|$", re.MULTILINE)
REFUSED = re.compile(r"^\| (\w+) \| `(\S+)` \| (\w+) [^|`]*\|$", re.MULTILINE)
KIND = {kind.__name__: kind for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_the_specification_is_what_the_code_does(kind: type[Message]) -> None:
    section = SPEC.split(f"\n## {kind.__name__}\n", 1)[1].split("\n## ", 1)[0]
    specified = [
        (int(index), name, bool(text), int(low), int(high), default)
        for index, name, text, low, high, default in ROW.findall(section)
    ]
    assert specified == [
        (field.index, field.name, field.text, field.low, field.high, "–" if field.required else str(field.default))
        for field in kind.FIELDS
    ]


def test_the_vectors_are_read_as_they_say() -> None:
    vectors = READ_AS.findall(SPEC)
    assert {name for name, _, _ in vectors} == set(KIND)
    for name, value, items in vectors:
        message = decode(KIND[name], value.encode())
        assert list(message) == json.loads(items)
        if len(msgpack.unpackb(a2b_base64(value))) == len(message):
            assert encode(message) == value.encode()


def test_the_vectors_that_are_invalid_are_refused_for_what_they_say() -> None:
    vectors = REFUSED.findall(SPEC)
    assert len(vectors) == 8
    for name, value, blamed in vectors:
        with pytest.raises(RemoteProtocolError) as refused:
            decode(KIND[name], value.replace(r"\n", "\n").encode())
        assert refused.value.reason == "base64" or blamed in str(refused.value)
