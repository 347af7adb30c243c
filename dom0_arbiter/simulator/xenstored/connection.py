"""One client on a Unix socket: bytes in, requests handled, bytes out. The thin edge around a `Session`."""

import socket

import trio

from dom0_arbiter.simulator.xenstored.session import Session
from dom0_arbiter.simulator.xenstored.store import Store
from dom0_arbiter.simulator.xenstored.wire import MessageBuffer, OversizedPayload

RECEIVE_BYTES = 4096
"""Read at a time, before other clients have their turn: a hundred small requests take about a millisecond."""

SEND_BYTES = 65_536
"""Handed to the socket at a time; what is not handed yet can still absorb repeated events."""

UNSENT_BYTES_MAX = 1_048_576
"""A client that leaves more than this unread is not read from until it has taken all of it."""


class Connection:
    """A client; sends at once what the socket takes, and the rest from a task of its own."""

    def __init__(self, store: Store, session: Session, client: socket.socket, nursery: trio.Nursery) -> None:
        self._store = store
        self._session = session
        self._client = client
        self._nursery = nursery
        self._unsent = b""
        self._all_sent = trio.Event()
        self._all_sent.set()

    async def serve(self) -> None:
        """Read and answer until the client goes, or breaks the protocol, or `close`."""
        buffer = MessageBuffer()
        try:
            while not self._session.closed:
                await trio.lowlevel.wait_readable(self._client)
                if self._client.fileno() < 0:  # closed by another task, after this one had been woken
                    break
                try:
                    data = self._client.recv(RECEIVE_BYTES)
                except BlockingIOError:
                    continue  # woken for nothing, which epoll may do
                if not data:
                    break
                self._handle(buffer, data)
                if self._session.unsent_bytes > UNSENT_BYTES_MAX:
                    await self._all_sent.wait()
        except (trio.ClosedResourceError, ConnectionResetError, OversizedPayload):
            pass  # the ways in which a connection ends; each leaves nothing to do but to close it
        finally:
            self.close()

    def _handle(self, buffer: MessageBuffer, data: bytes) -> None:
        try:
            for message in buffer.feed(data):
                if not self._session.closed:
                    self._store.handle(self._session, *message)
        finally:
            self._store.deliver()

    def flush(self) -> None:
        """Send what waits; what the socket does not take now, a task sends when it does."""
        if self._session.closed:
            self.close()
        elif self._all_sent.is_set() and not self._send_some():
            self._all_sent = trio.Event()
            self._nursery.start_soon(self._send_rest)

    def close(self) -> None:
        """Disconnect, now."""
        if self._client.fileno() >= 0:
            self._store.close_session(self._session)
            trio.lowlevel.notify_closing(self._client)
            self._client.close()

    async def _send_rest(self) -> None:
        try:
            while not self._send_some():
                await trio.lowlevel.wait_writable(self._client)
        except trio.ClosedResourceError:
            pass  # closed while it waited
        finally:
            self._all_sent.set()

    def _send_some(self) -> bool:
        """Send until the socket is full; whether nothing is left, or nobody to send it to."""
        try:
            while self._client.fileno() >= 0 and (data := self._unsent or self._session.take_unsent(SEND_BYTES)):
                self._unsent = data
                self._unsent = data[self._client.send(data) :]
        except BlockingIOError:
            return False
        except (BrokenPipeError, ConnectionResetError):
            self.close()
        return True
