"""SPEC.md and the code say the same, field by field."""

import re
from pathlib import Path

import pytest

import protocol
from protocol.fields import Message
from tests.protocol.strategies import KINDS

SPEC = (Path(protocol.__file__).parent / "SPEC.md").read_text()
ROW = re.compile(r"^\| (\d+) \| `(\w+)` \| (text, )?(\d+)–(\d+)(?: bytes)? \| (\S+) \|", re.MULTILINE)


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
