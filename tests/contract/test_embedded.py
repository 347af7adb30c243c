"""What only the embedded server has: access from the same process, clients in the same loop, and its own bounds."""

import socket
import struct
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
import pyxs
import trio
import trio.lowlevel

from dom0_arbiter.simulator.xenstored import (
    HEADER,
    MessageBuffer,
    Operation,
    Refusal,
    Store,
    XenstoreServer,
    serve_xenstore,
)
from dom0_arbiter.simulator.xenstored.session import DOM0_UNSENT_BYTES_MAX, GUEST_UNSENT_BYTES_MAX, Session

HOME = "/local/domain/5"


def served(test: Callable[[XenstoreServer], Awaitable[None]]) -> None:
    """Run an asynchronous test with a server."""

    async def run(directory: Path) -> None:
        with trio.fail_after(20):
            async with serve_xenstore(directory) as server:
                await test(server)

    with tempfile.TemporaryDirectory(prefix="xs-") as directory:
        trio.run(run, Path(directory))


async def connected(path: Path) -> trio.SocketStream:
    client = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    await client.connect(str(path))
    return trio.SocketStream(client)


def message(operation: Operation, payload: bytes) -> bytes:
    return HEADER.pack(operation, 1, 0, len(payload)) + payload


async def received(client: trio.SocketStream, count: int) -> list[tuple[int, bytes]]:
    """So many messages: type and payload."""
    buffer, found = MessageBuffer(), list[tuple[int, bytes]]()
    while len(found) < count:
        data = await client.receive_some()
        assert data, "closed"
        found += [(kind, payload) for kind, _, _, payload in buffer.feed(bytes(data))]
    return found


async def disconnected(client: trio.SocketStream) -> None:
    """Wait until the server has closed the connection."""
    with suppress(trio.BrokenResourceError):
        while await client.receive_some():
            pass
    await client.aclose()


def test_the_toolstack_in_the_same_process_fires_watches() -> None:
    async def test(server: XenstoreServer) -> None:
        async with await connected(server.add_domain(5)) as guest:
            await guest.send_all(message(Operation.WATCH, b"memory/target\0t\0"))
            assert (await received(guest, 2))[1] == (Operation.WATCH_EVENT, b"memory/target\0t\0")
            server.store.write_as_dom0(f"{HOME}/memory/target", "262144")
            assert await received(guest, 1) == [(Operation.WATCH_EVENT, b"memory/target\0t\0")]
            await guest.send_all(message(Operation.WRITE, b"data/report\0x"))
            await received(guest, 1)
        assert server.store.read_as_dom0(f"{HOME}/data/report") == b"x"
        assert server.store.directory_as_dom0(f"{HOME}/data") == ["report"]
        server.store.remove_as_dom0(f"{HOME}/data/report")
        with pytest.raises(Refusal, match="ENOENT"):
            server.store.read_as_dom0(f"{HOME}/data/report")

    served(test)


def test_an_agents_own_client_works() -> None:
    def use(path: Path) -> bytes:
        with pyxs.Client(unix_socket_path=str(path)) as guest:
            guest.write(b"data/report", b"42")
            with pytest.raises(pyxs.PyXSError):
                guest.write(b"memory/target", b"1")
            return bytes(guest.read(b"memory/target"))

    async def test(server: XenstoreServer) -> None:
        path = server.add_domain(5, target_kib=262_144)
        assert await trio.to_thread.run_sync(use, path) == b"262144"
        assert server.store.read_as_dom0(f"{HOME}/data/report") == b"42"

    served(test)


def test_a_client_that_does_not_read_stalls_only_itself() -> None:
    async def flood(client: trio.SocketStream) -> None:
        for _ in range(500):
            await client.send_all(message(Operation.READ, b"/t\0") * 10)

    async def test(server: XenstoreServer) -> None:
        server.store.write_as_dom0("/t", b"x" * 4000)
        async with await connected(server.dom0_socket) as slow, await connected(server.dom0_socket) as other:
            with trio.move_on_after(1) as gave_up:
                await flood(slow)
            assert gave_up.cancelled_caught, "it was read from without end"
            await other.send_all(message(Operation.READ, b"/t\0"))
            assert len(await received(other, 1)) == 1
            assert len(await received(slow, 400)) >= 400

    served(test)


def test_what_a_slow_client_missed_of_one_node_it_hears_once() -> None:
    async def test(server: XenstoreServer) -> None:
        async with await connected(server.dom0_socket) as slow:
            await slow.send_all(message(Operation.WATCH, b"/t\0t\0"))
            await received(slow, 2)
            for _ in range(50_000):
                server.store.write_as_dom0("/t", b"1")
            server.store.write_as_dom0("/t/last", b"1")
            buffer, found = MessageBuffer(), list[bytes]()
            while found[-1:] != [b"/t/last\0t\0"]:
                found += [payload for *_, payload in buffer.feed(bytes(await slow.receive_some()))]
            assert len(found) < 20_000

    served(test)


def test_events_that_nobody_reads_are_bounded() -> None:
    store = Store()
    store.create_domain(5)
    store.introduce_as_dom0(5)
    guest, dom0 = store.open_session(5), store.open_session(0)
    assert isinstance(guest, Session)
    assert isinstance(dom0, Session)
    store.set_permissions_as_dom0("/", ["r0"])
    for session in (guest, dom0):
        store.handle(session, Operation.WATCH, 1, 0, b"/\0" + b"x" * 4000 + b"\0")
    for number in range(5000):
        store.write_as_dom0(f"/{number}", b"")
    assert guest.unsent_bytes <= GUEST_UNSENT_BYTES_MAX + 10_000
    assert not guest.closed
    assert dom0.unsent_bytes <= DOM0_UNSENT_BYTES_MAX + 10_000
    assert dom0.closed


def test_a_domain_that_dies_disconnects_its_clients_even_those_that_wait() -> None:
    async def test(server: XenstoreServer) -> None:
        for _ in range(20):
            path = server.add_domain(5)
            clients = [await connected(path) for _ in range(3)]
            await clients[0].send_all(message(Operation.WRITE, b"data/x\0" + b"x" * 1000) * 20)
            await clients[1].send_all(b"\0" * 5)
            server.remove_domain(5)
            for client in clients:
                await disconnected(client)
            assert not path.exists()
            assert server.store.directory_as_dom0("/local/domain") == []

    served(test)


def test_clients_that_reset_the_connection_harm_nobody() -> None:
    async def test(server: XenstoreServer) -> None:
        server.store.write_as_dom0("/t", b"x" * 4000)
        for _ in range(20):
            client = await connected(server.dom0_socket)
            await client.send_all(message(Operation.WATCH, b"/\0t\0") + message(Operation.READ, b"/t\0") * 200)
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.socket.close()
            server.store.write_as_dom0("/t", b"x" * 4000)
            await trio.lowlevel.checkpoint()
        async with await connected(server.dom0_socket) as other:
            await other.send_all(message(Operation.READ, b"/t\0"))
            await received(other, 1)

    served(test)


def test_every_guest_of_many_is_served() -> None:
    async def talk(path: Path, number: int) -> None:
        async with await connected(path) as guest:
            for _ in range(10):
                await guest.send_all(message(Operation.WRITE, b"data/report\0%d" % number))
                assert await received(guest, 1) == [(Operation.WRITE, b"OK\0")]

    async def test(server: XenstoreServer) -> None:
        async with trio.open_nursery() as nursery:
            for domid in range(1, 51):
                nursery.start_soon(partial(talk, server.add_domain(domid), domid))
        for domid in range(1, 51):
            assert server.store.read_as_dom0(f"/local/domain/{domid}/data/report") == str(domid).encode()

    served(test)
