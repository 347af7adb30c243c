"""The protocol without I/O: whatever comes, in whatever pieces, is understood alike or refused by name."""

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dom0_arbiter.xen.errors import XenstoreGarbled, XenstoreLocalError
from dom0_arbiter.xen.wire import (
    ERROR,
    HEADER_BYTES,
    PAYLOAD_MAX_BYTES,
    READ,
    TRANSACTION_END,
    TRANSACTION_START,
    WATCH_EVENT,
    WRITE,
    Event,
    Refusal,
    Reply,
    WatchEvent,
    Wire,
)

HEADER = struct.Struct("=IIII")

names = st.text("abcdefgh/-_@019", min_size=1, max_size=20)
payloads = st.binary(max_size=80)


def message(kind: int, request_id: int, payload: bytes, transaction: int = 0) -> bytes:
    return HEADER.pack(kind, request_id, transaction, len(payload)) + payload


def sent(wire: Wire) -> list[tuple[int, int, int, bytes]]:
    """What the wire wants sent, taken off it: (type, request id, transaction, payload) of each message."""
    data = bytes(wire.outgoing)
    wire.outgoing.clear()
    messages = []
    while data:
        kind, request_id, transaction, length = HEADER.unpack_from(data)
        messages.append((kind, request_id, transaction, data[HEADER_BYTES : HEADER_BYTES + length]))
        data = data[HEADER_BYTES + length :]
    return messages


def received(wire: Wire, pieces: list[bytes]) -> list[Event | str]:
    """All that the pieces mean, and a last word if they are refused."""
    events: list[Event | str] = []
    try:
        for piece in pieces:
            for event in wire.receive(piece):
                events.append(event)  # noqa: PERF402 - what came before a refusal counts
    except XenstoreGarbled as error:
        events.append(str(error))
    return events


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(each % (len(data) + 1) for each in cuts), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


@given(st.lists(st.one_of(payloads, names), max_size=8), st.permutations(range(8)), st.lists(st.integers(0, 9999)))
def test_any_pieces_in_any_order_of_replies_mean_the_same(
    answers: list[bytes | str], order: list[int], cuts: list[int]
) -> None:
    wire = Wire()
    ids = wire.ask([(READ, b"/x\0")] * 8)
    expected: list[Event | str] = []
    data = b""
    for index, answer in zip(order, answers, strict=False):
        if isinstance(answer, bytes):
            data += message(READ, ids[index], answer)
            expected.append(Reply(ids[index], answer))
        else:
            data += message(WATCH_EVENT, 0, f"{answer}\0token\0".encode())
            data += message(ERROR, ids[index], b"ENOENT\0")
            expected += [WatchEvent(answer, "token"), Refusal(ids[index], "ENOENT")]
    assert received(wire, cut(data, cuts)) == expected


garbage = st.one_of(
    st.binary(max_size=200),
    st.builds(
        message,
        st.sampled_from([READ, WRITE, ERROR, WATCH_EVENT, TRANSACTION_START, 77]),
        st.integers(0, 5),
        st.one_of(payloads, st.sampled_from([b"ENOENT\0", b"a\0b\0", b"7\0"])),
        st.sampled_from([0, 0, 1]),
    ),
)


@given(st.lists(garbage, max_size=6).map(b"".join), st.lists(st.integers(0, 9999), max_size=6))
def test_garbage_is_refused_by_name_alike_in_any_pieces(data: bytes, cuts: list[int]) -> None:
    whole, pieces = Wire(), Wire()
    for wire in (whole, pieces):
        kept, left = wire.ask([(READ, b"/x\0"), (TRANSACTION_START, b"\0")])
        wire.abandon(left)
        assert kept != left
    assert received(whole, [data]) == received(pieces, cut(data, cuts))


@given(st.integers(PAYLOAD_MAX_BYTES + 1, 2**32 - 1))
def test_a_message_too_long_is_refused_before_it_is_waited_for(length: int) -> None:
    with pytest.raises(XenstoreGarbled, match=str(length)):
        list(Wire().receive(HEADER.pack(READ, 1, 0, length)))


def test_requests_are_sent_as_asked_and_numbered() -> None:
    wire = Wire()
    first, second = wire.ask([(READ, b"/a\0"), (WRITE, b"/b\0\0\xff")], 5)
    assert sent(wire) == [(READ, first, 5, b"/a\0"), (WRITE, second, 5, b"/b\0\0\xff")]


def test_a_message_we_must_not_send_is_named_and_nothing_is_queued() -> None:
    wire = Wire()
    fits = b"/a\0" + bytes(PAYLOAD_MAX_BYTES - 3)
    with pytest.raises(XenstoreLocalError, match="WRITE /a: 4097 bytes"):
        wire.ask([(WRITE, fits), (WRITE, fits + b"x")])
    assert not wire.outgoing
    assert wire.unanswered == 0
    wire.ask([(WRITE, fits)])


def test_request_ids_wrap_and_pass_over_those_under_way() -> None:
    wire = Wire()
    (held,) = wire.ask([(READ, b"/a\0")])
    assert held == 1
    wire._next_id = 2**32 - 1  # after four thousand million others
    assert wire.ask([(READ, b"/b\0")] * 3) == [2**32 - 1, 0, 2]
    assert received(wire, [message(READ, held, b"a")]) == [Reply(held, b"a")]


def test_the_late_reply_to_an_abandoned_request_is_dropped_and_its_id_is_free_again() -> None:
    wire = Wire()
    left, kept = wire.ask([(READ, b"/a\0"), (READ, b"/b\0")])
    wire.abandon(left)
    assert wire.unanswered == 2
    assert received(wire, [message(READ, left, b"late") + message(READ, kept, b"b")]) == [Reply(kept, b"b")]
    assert wire.unanswered == 0
    wire._next_id = left
    assert wire.ask([(READ, b"/c\0")]) == [left]
    assert received(wire, [message(READ, left, b"c")]) == [Reply(left, b"c")]


def test_an_abandoned_transaction_is_ended_once_it_is_known() -> None:
    wire = Wire()
    (left,) = wire.ask([(TRANSACTION_START, b"\0")])
    wire.abandon(left)
    sent(wire)
    assert received(wire, [message(TRANSACTION_START, left, b"42\0")]) == []
    ((kind, end_id, transaction, payload),) = sent(wire)
    assert (kind, transaction, payload) == (TRANSACTION_END, 42, b"F\0")
    assert received(wire, [message(TRANSACTION_END, end_id, b"OK\0", 42)]) == []
    assert wire.unanswered == 0


def test_an_abandoned_transaction_that_was_refused_needs_no_end() -> None:
    wire = Wire()
    (left,) = wire.ask([(TRANSACTION_START, b"\0")])
    wire.abandon(left)
    sent(wire)
    assert received(wire, [message(ERROR, left, b"ENOSPC\0")]) == []
    assert not wire.outgoing


@pytest.mark.parametrize(
    "reply",
    [
        message(READ, 99, b""),
        message(WRITE, 1, b"OK\0"),
        message(READ, 1, b"", 3),
        message(ERROR, 1, b"\xff\0"),
        message(WATCH_EVENT, 0, b"/a\0"),
        message(WATCH_EVENT, 0, b"/a\0t\0more\0"),
        message(WATCH_EVENT, 0, b"/\xe4\0t\0"),
    ],
    ids=["unasked", "another-type", "another-transaction", "no-name", "no-token", "three-fields", "not-ascii"],
)
def test_what_the_daemon_may_not_say_is_refused(reply: bytes) -> None:
    wire = Wire()
    wire.ask([(READ, b"/a\0")])
    with pytest.raises(XenstoreGarbled):
        list(wire.receive(reply))
