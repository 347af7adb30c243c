"""Random and mutated values through every decoder: each is a message or a RemoteProtocolError, in bounded time.

    python -m tests.protocol.fuzz [--messages N] [--seed N] [--json]

Prints how many were read and how many refused, by reason; exit status 1 at the first that is neither.
"""

import argparse
import json
import sys
import time
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

import msgpack

from protocol import (
    REASONS,
    Grant,
    Hello,
    RemoteProtocolError,
    Report,
    Welcome,
    decode_grant,
    decode_hello,
    decode_report,
    decode_welcome,
    encode_grant,
    encode_hello,
    encode_report,
    encode_welcome,
)

Message = Hello | Report | Welcome | Grant
DECODERS: Sequence[Callable[[bytes], Message]] = (decode_hello, decode_report, decode_welcome, decode_grant)
SEEDS: Sequence[bytes] = (
    encode_hello(
        Hello(
            version_lowest=1,
            version_highest=3,
            agent_name="a",
            agent_version="1",
            os_name="Linux",
            os_version="6.1",
            capabilities=7,
            boot_id="b",
        )
    ),
    encode_report(
        Report(
            version=1,
            sequence=9,
            uptime_ms=86_400_000,
            flags=1,
            total_kib=4_000_000,
            free_kib=100_000,
            available_kib=1_900_000,
            swap_total_kib=1_000_000,
            swap_used_kib=70_000,
        )
    ),
    encode_welcome(Welcome(version=1, reason="")),
    encode_grant(Grant(version=1, extra_kib=65_536, echo_uptime_ms=5, duration_ms=2000)),
)
INTEGERS = (0, 1, -1, 2**16, 2**32, 2**40, 2**40 + 1, 2**53, 2**63, 2**64 - 1, -(2**63))
EDGES: Sequence[object] = (*INTEGERS, 1.5, True, None, "", b"\0", [], {})


@dataclass(slots=True)
class Found:
    """What became of the values so far; slowest_s: the one that took longest, whatever it was."""

    read: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    wrong: list[str] = field(default_factory=list)


def any_value(draw: Random) -> bytes:
    """One value as it might stand in xenstore: noise, or a good message with some of it changed."""
    match draw.randrange(5):
        case 0:
            return draw.randbytes(draw.randrange(1, 1200))
        case 1:
            return b64encode(draw.randbytes(draw.randrange(1, 400)))
        case 2:
            return _mutated(draw, draw.choice(SEEDS))
        case 3:
            return b64encode(_mutated(draw, b64decode(draw.choice(SEEDS))))
    items = msgpack.unpackb(b64decode(draw.choice(SEEDS)))
    for _ in range(draw.randrange(1, 4)):
        place = draw.randrange(len(items) + 1)
        items[place : place + draw.randrange(2)] = [draw.choice(EDGES) for _ in range(draw.randrange(3))]
    return b64encode(msgpack.packb(items))


def _mutated(draw: Random, value: bytes) -> bytes:
    """Bits flipped, bytes cut, doubled or put in."""
    changed = bytearray(value)
    for _ in range(draw.randrange(1, 5)):
        place = draw.randrange(len(changed)) if changed else 0
        match draw.randrange(4):
            case 0 if changed:
                changed[place] ^= 1 << draw.randrange(8)
            case 1:
                del changed[place : place + draw.randrange(1, 9)]
            case 2:
                changed[place:place] = changed[place : place + draw.randrange(1, 9)]
            case _:
                changed[place:place] = draw.randbytes(draw.randrange(1, 9))
    return bytes(changed)


def fuzz(messages: int, seed: int) -> Found:
    """Give so many values to every decoder; stops at the first that is neither read nor refused as it should be."""
    draw, found = Random(seed), Found()
    for _ in range(messages):
        value = any_value(draw)
        for decode in DECODERS:
            began_s = time.perf_counter()
            try:
                message = decode(value)
            except RemoteProtocolError as error:
                found.refused[error.reason] += 1
                if error.reason not in REASONS:
                    found.wrong.append(f"{decode.__name__}({value!r}): refused for {error.reason!r}")
            except Exception as error:  # noqa: BLE001 - whatever else it raises is what is looked for
                found.wrong.append(f"{decode.__name__}({value!r}): {error!r}")
            else:
                found.read += 1
                if decode(_encoded(message)) != message:
                    found.wrong.append(f"{decode.__name__}({value!r}): is another message when written again")
            found.slowest_s = max(found.slowest_s, time.perf_counter() - began_s)
        if found.wrong:
            break
    return found


def _encoded(message: Message) -> bytes:
    match message:
        case Hello():
            return encode_hello(message)
        case Report():
            return encode_report(message)
        case Welcome():
            return encode_welcome(message)
    return encode_grant(message)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.protocol.fuzz", description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000, metavar="N", help="values (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    found = fuzz(options.messages, options.seed)
    figures = {
        "messages": options.messages,
        "decodings": found.read + sum(found.refused.values()),
        "read": found.read,
        "refused": dict(sorted(found.refused.items())),
        "slowest_s": round(found.slowest_s, 6),
        "wrong": found.wrong,
    }
    print(json.dumps(figures) if options.json else "\n".join(f"{name:10} {value}" for name, value in figures.items()))
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
