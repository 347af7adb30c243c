"""A connection to a peer that we play on the other end of a socket pair."""

import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from dom0_arbiter.xen import XenstoreDisconnected
from dom0_arbiter.xen.connection import LINGER_S, UNANSWERED_MAX, Connection
from dom0_arbiter.xen.wire import ERROR, HEADER_BYTES, READ, WATCH_EVENT, Refusal, Reply, WatchEvent

HEADER = struct.Struct("=IIII")


class Peer:
    """The daemon's end, and the events that the connection handed out."""

    def __init__(self, connection: Connection, end: socket.socket, events: list[WatchEvent]) -> None:
        self.connection = connection
        self.end = end
        self.events = events

    async def requests(self) -> list[tuple[int, bytes]]:
        """All that is sent until nobody has more to say: (request id, payload) of each."""
        data, found = b"", []
        await wait_all_tasks_blocked()
        while True:
            try:
                data += self.end.recv(1 << 20)
            except BlockingIOError:
                break
            await wait_all_tasks_blocked()
        while data:
            _, request_id, _, length = HEADER.unpack_from(data)
            found.append((request_id, data[HEADER_BYTES : HEADER_BYTES + length]))
            data = data[HEADER_BYTES + length :]
        return found

    def say(self, kind: int, request_id: int, payload: bytes) -> None:
        self.end.sendall(HEADER.pack(kind, request_id, 0, len(payload)) + payload)


@asynccontextmanager
async def connected() -> AsyncIterator[Peer]:
    ours, theirs = socket.socketpair()
    events: list[WatchEvent] = []
    with theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        connection = Connection(ours, events.append)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connection.serve)
            yield Peer(connection, theirs, events)
            nursery.cancel_scope.cancel()


async def test_answers_find_who_asked_in_whatever_order_they_come() -> None:
    answers: dict[str, list[Reply | Refusal]] = {}
    async with connected() as peer, trio.open_nursery() as nursery:

        async def ask(name: str, count: int) -> None:
            answers[name] = await peer.connection.exchange([(READ, f"{name}\0".encode())] * count)

        nursery.start_soon(ask, "a", 1)
        nursery.start_soon(ask, "b", 2)
        for request_id, payload in reversed(await peer.requests()):
            peer.say(READ if payload == b"b\0" else ERROR, request_id, payload[:-1] + b"%d\0" % request_id)
    assert answers["a"] == [Refusal(answers["a"][0].request_id, f"a{answers['a'][0].request_id}")]
    assert [each.payload for each in answers["b"] if isinstance(each, Reply)] == [
        b"b%d\0" % each.request_id for each in answers["b"]
    ]


async def test_requests_of_many_tasks_leave_together() -> None:
    sizes: list[int] = []

    class Counting(socket.socket):
        def send(self, data: bytes, flags: int = 0) -> int:  # type: ignore[override]
            sizes.append(len(data))
            return super().send(data, flags)

    ours, theirs = socket.socketpair()
    counting = Counting(fileno=ours.detach())
    counting.setblocking(False)
    connection = Connection(counting, lambda _: None)
    with theirs:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connection.serve)
            for number in range(1000):
                nursery.start_soon(connection.exchange, [(READ, f"/{number}\0".encode())])
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
    assert sum(sizes) == sum(HEADER_BYTES + len(f"/{number}\0") for number in range(1000))
    assert len(sizes) == 2, "the first leaves at once, the others when all have asked"


async def test_a_daemon_that_answers_nothing_costs_a_bounded_number_of_requests() -> None:
    async with connected() as peer, trio.open_nursery() as nursery:
        for _ in range(UNANSWERED_MAX + 100):
            with trio.CancelScope(deadline=trio.current_time()):
                await peer.connection.exchange([(READ, b"/a\0")])
        arrived = await peer.requests()
        assert len(arrived) == UNANSWERED_MAX
        nursery.start_soon(peer.connection.exchange, [(READ, b"/b\0")])
        assert not await peer.requests()
        for request_id, _ in arrived[:10]:
            peer.say(READ, request_id, b"late")
        ((request_id, payload),) = await peer.requests()
        assert payload == b"/b\0"
        peer.say(READ, request_id, b"value")


async def test_what_is_too_much_for_the_socket_is_sent_as_it_drains() -> None:
    asked = [b"%04d" % number + bytes(4000) for number in range(200)]
    async with connected() as peer, trio.open_nursery() as nursery:
        nursery.start_soon(peer.connection.exchange, [(READ, payload) for payload in asked])
        arrived = await peer.requests()
        assert [payload for _, payload in arrived] == asked
        for request_id, _ in arrived:
            peer.say(READ, request_id, b"")


@pytest.mark.parametrize("garbage", [HEADER.pack(READ, 1, 0, 5000), HEADER.pack(READ, 99, 0, 0)])
async def test_a_daemon_that_talks_garbage_is_left(garbage: bytes) -> None:
    async with connected() as peer, trio.open_nursery() as nursery:

        async def ask() -> None:
            with pytest.raises(XenstoreDisconnected, match="xenstored sent a"):
                await peer.connection.exchange([(READ, b"/a\0")])

        nursery.start_soon(ask)
        await peer.requests()
        peer.end.sendall(garbage)


async def test_nobody_can_ask_on_a_broken_connection() -> None:
    async with connected() as peer:
        peer.end.close()
        await wait_all_tasks_blocked()
        with pytest.raises(XenstoreDisconnected, match="xenstored closed it"):
            await peer.connection.exchange([(READ, b"/a\0")])
        peer.connection.tell([(READ, b"/a\0")])


def test_frequent_events_gather_but_an_answer_is_never_delayed() -> None:
    clock = MockClock()  # stands still

    async def scenario() -> None:
        async with connected() as peer:
            peer.say(WATCH_EVENT, 0, b"/1\0t\0")
            await wait_all_tasks_blocked()
            assert [event.path for event in peer.events] == ["/1"], "a rare event comes at once"
            peer.say(WATCH_EVENT, 0, b"/2\0t\0")
            await wait_all_tasks_blocked()
            assert len(peer.events) == 1
            clock.jump(LINGER_S)
            await wait_all_tasks_blocked()
            assert [event.path for event in peer.events] == ["/1", "/2"]
            async with trio.open_nursery() as nursery:
                nursery.start_soon(peer.connection.exchange, [(READ, b"/a\0")])
                ((request_id, _),) = await peer.requests()
                peer.say(READ, request_id, b"")

    trio.run(scenario, clock=clock)
