"""The server: dom0's socket, and one for each guest on which a client *is* that guest."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from dom0_arbiter.simulator.xenstored.connection import Connection
from dom0_arbiter.simulator.xenstored.libxl import make_directories, remove_directories
from dom0_arbiter.simulator.xenstored.session import Session
from dom0_arbiter.simulator.xenstored.store import Store


class XenstoreServer:
    """A running server. All methods are synchronous, and to be called in trio's thread."""

    def __init__(self, directory: Path, nursery: trio.Nursery) -> None:
        self.store = Store()
        self.store.deliver = self._deliver
        self.dom0_socket = directory / "xenstored.sock"
        self._directory = directory
        self._nursery = nursery
        self._listeners: dict[int, socket.socket] = {}
        self._connections: dict[Session, Connection] = {}
        self._listen(0, self.dom0_socket)

    def guest_socket(self, domid: int) -> Path:
        """Where the domain's own clients connect, from `add_domain` to `remove_domain`."""
        return self._directory / f"guest-{domid}.sock"

    def add_domain(
        self, domid: int, *, name: str | None = None, target_kib: int = 524_288, static_max_kib: int = 1_048_576
    ) -> Path:
        """Make a domain as `xl create` does, and introduce it (@introduceDomain); returns its socket."""
        self.store.create_domain(domid)
        make_directories(
            self.store, domid, name=name or f"guest-{domid}", target_kib=target_kib, static_max_kib=static_max_kib
        )
        path = self.guest_socket(domid)
        self._listen(domid, path)
        self.store.introduce_as_dom0(domid)
        return path

    def remove_domain(self, domid: int) -> None:
        """The domain dies: its clients are disconnected, @releaseDomain, its directories go as by `xl destroy`."""
        self._close_listener(domid)
        self.guest_socket(domid).unlink()
        self.store.destroy_domain(domid)
        remove_directories(self.store, domid)

    def disconnect(self, domid: int) -> None:
        """The domain's clients lose their connections, and may connect anew."""
        for session, connection in tuple(self._connections.items()):
            if session.domain.domid == domid:
                connection.close()

    def close(self) -> None:
        """Disconnect everybody."""
        for domid in tuple(self._listeners):
            self._close_listener(domid)
        for connection in tuple(self._connections.values()):
            connection.close()

    def _listen(self, domid: int, path: Path) -> None:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.setblocking(False)
        listener.bind(str(path))
        listener.listen()
        self._listeners[domid] = listener
        self._nursery.start_soon(self._accept, domid, listener)

    def _close_listener(self, domid: int) -> None:
        listener = self._listeners.pop(domid)
        trio.lowlevel.notify_closing(listener)
        listener.close()

    async def _accept(self, domid: int, listener: socket.socket) -> None:
        while listener.fileno() >= 0:
            try:
                await trio.lowlevel.wait_readable(listener)
                if listener.fileno() < 0:  # closed after this task had been woken
                    break
                client, _ = listener.accept()
            except BlockingIOError:
                continue  # the client went before it was accepted
            except trio.ClosedResourceError:
                break
            client.setblocking(False)
            self._nursery.start_soon(self._serve, domid, client)

    async def _serve(self, domid: int, client: socket.socket) -> None:
        session = self.store.open_session(domid)
        if session is None:
            client.close()
            return
        connection = self._connections[session] = Connection(self.store, session, client, self._nursery)
        try:
            await connection.serve()
        finally:
            del self._connections[session]

    def _deliver(self) -> None:
        """Send what the store has made ready. Closing a connection on the way may make more of it ready."""
        while self.store.to_deliver:
            session, _ = self.store.to_deliver.popitem()
            connection = self._connections.get(session)
            if connection is not None:
                connection.flush()


@asynccontextmanager
async def serve_xenstore(directory: Path) -> AsyncIterator[XenstoreServer]:
    """Serve an empty xenstore with its sockets in an existing directory, until the block is left.

    A socket's address holds 107 bytes, so the directory's path must be short.
    """
    async with trio.open_nursery() as nursery:
        server = XenstoreServer(directory, nursery)
        try:
            yield server
        finally:
            server.close()
            nursery.cancel_scope.cancel()
