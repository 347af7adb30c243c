"""The guests' side of xenstored's shared pages: a Unix socket for each domain, on which a client *is* that domain.

A thread moves bytes between the sockets and the rings as a guest's kernel does for `/dev/xen/xenbus`: whole messages
only, one client at a time, and what a client leaves behind (watches, transactions) is reset when it goes. The ring's
layout is `struct xenstore_domain_interface` of xen/include/public/io/xs_wire.h.
"""

import mmap
import selectors
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue

from .plain_client import HEADER, RESET_WATCHES

REQUESTS, REPLIES, RING_BYTES = 0, 1024, 1024
REQUEST_CONSUMER, REQUEST_PRODUCER, REPLY_CONSUMER, REPLY_PRODUCER = 2048, 2052, 2056, 2060
PAGE_BYTES = 4096
PAYLOAD_MAX = 4096
DOMAIN_DIED = 1  # the shim's VIRQ_DOM_EXC
PORT_BASE = 1000
RETRY_S = 0.001

# Native, not "=": only the native form moves its four bytes at once, and xenstored gives up a domain whose index it saw
# half written.
_INDEX = struct.Struct("@I")


class _Guest:
    """One domain: its page, its event socket, its listening socket and the client there, if any."""

    def __init__(self, bridge: "GuestBridge", domid: int) -> None:
        self._bridge = bridge
        self.port = PORT_BASE + domid
        with (bridge.directory / f"ring-{domid}").open("w+b") as file:
            file.truncate(PAGE_BYTES)
            self._page = mmap.mmap(file.fileno(), PAGE_BYTES)
        self._events = _bound_socket(socket.SOCK_DGRAM, bridge.directory / f"evtchn-dom-{domid}")
        self._listener = _bound_socket(socket.SOCK_STREAM, bridge.directory / f"guest-{domid}.sock")
        self._listener.listen()
        self._client: socket.socket | None = None
        self._unsent = b""  # from the client, not yet a whole message
        self._requests = b""  # whole messages, not yet in the ring
        self._replies = b""  # from the ring, not yet taken by the client
        self._discarding = False  # the last client has gone, its reset is not yet answered
        self._discarded = b""
        bridge.selector.register(self._events, selectors.EVENT_READ, self._on_event)
        bridge.selector.register(self._listener, selectors.EVENT_READ, self._on_client)

    def close(self) -> None:
        for each in (self._events, self._listener, self._client):
            if each is not None:
                if each.fileno() in self._bridge.selector.get_map():
                    self._bridge.selector.unregister(each)
                each.close()
        self._page.close()

    def _on_event(self, _: int) -> None:
        try:
            while self._events.recv(_INDEX.size):
                pass
        except BlockingIOError:
            self._pump()

    def _on_client(self, _: int) -> None:
        self._client, _address = self._listener.accept()
        self._client.setblocking(False)
        self._unsent = self._replies = b""
        self._bridge.selector.unregister(self._listener)
        self._bridge.selector.register(self._client, selectors.EVENT_READ, self._on_ready)

    def _on_ready(self, mask: int) -> None:
        if mask & selectors.EVENT_WRITE:
            self._send_replies()
        if mask & selectors.EVENT_READ and self._client is not None:
            self._take_requests(self._client)

    def _take_requests(self, client: socket.socket) -> None:
        try:
            data = client.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            self._drop_client()
            return
        self._unsent += data
        while len(self._unsent) >= HEADER.size:
            length = HEADER.unpack_from(self._unsent)[3]
            if length > PAYLOAD_MAX:
                self._drop_client()
                return
            end = HEADER.size + length
            if len(self._unsent) < end:
                break
            self._requests += self._unsent[:end]
            self._unsent = self._unsent[end:]
        self._pump()

    def _drop_client(self) -> None:
        assert self._client is not None
        self._bridge.selector.unregister(self._client)
        self._client.close()
        self._client = None
        self._discarding, self._discarded = True, b""
        self._requests += HEADER.pack(RESET_WATCHES, 0, 0, 1) + b"\0"
        self._pump()

    def _pump(self) -> None:
        moved = self._fill_ring()
        replies = self._drain_ring()
        if moved or replies:
            self._bridge.notify(self.port)
        if self._discarding:
            self._discard(replies)
        elif replies:
            self._replies += replies
            self._send_replies()

    def _send_replies(self) -> None:
        assert self._client is not None
        try:
            sent = self._client.send(self._replies)
        except BlockingIOError:
            sent = 0
        except (BrokenPipeError, ConnectionResetError):
            self._drop_client()
            return
        self._replies = self._replies[sent:]
        waiting = selectors.EVENT_WRITE if self._replies else 0
        self._bridge.selector.modify(self._client, selectors.EVENT_READ | waiting, self._on_ready)

    def _index(self, offset: int) -> int:
        return memoryview(self._page).cast("I")[offset // 4]

    def _fill_ring(self) -> bool:
        produced = self._index(REQUEST_PRODUCER)
        before = produced
        while self._requests:
            room = RING_BYTES - ((produced - self._index(REQUEST_CONSUMER)) & 0xFFFFFFFF)
            start = produced % RING_BYTES
            count = min(room, RING_BYTES - start, len(self._requests))
            if not count:
                break
            self._page[REQUESTS + start : REQUESTS + start + count] = self._requests[:count]
            self._requests = self._requests[count:]
            produced = (produced + count) & 0xFFFFFFFF
            memoryview(self._page).cast("I")[REQUEST_PRODUCER // 4] = produced
        return produced != before

    def _drain_ring(self) -> bytes:
        consumed, data = self._index(REPLY_CONSUMER), b""
        while available := (self._index(REPLY_PRODUCER) - consumed) & 0xFFFFFFFF:
            start = consumed % RING_BYTES
            count = min(available, RING_BYTES - start)
            data += self._page[REPLIES + start : REPLIES + start + count]
            consumed = (consumed + count) & 0xFFFFFFFF
            memoryview(self._page).cast("I")[REPLY_CONSUMER // 4] = consumed
        return data

    def _discard(self, replies: bytes) -> None:
        self._discarded += replies
        while len(self._discarded) >= HEADER.size:
            operation, _, _, length = HEADER.unpack_from(self._discarded)
            if len(self._discarded) < HEADER.size + length:
                return
            self._discarded = self._discarded[HEADER.size + length :]
            if operation == RESET_WATCHES:
                self._discarding = False
                self._bridge.selector.register(self._listener, selectors.EVENT_READ, self._on_client)
                return


class GuestBridge:
    """The thread that serves every guest of one xenstored; `directory` is the shim's."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.selector = selectors.DefaultSelector()
        self._guests: dict[int, _Guest] = {}
        self._unnotified: set[int] = set()
        self._notifier = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notifier.setblocking(False)
        self._calls: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._waker, self._woken = socket.socketpair()
        self.selector.register(self._woken, selectors.EVENT_READ, self._on_wake)
        self._running = True
        self._thread = threading.Thread(target=self._run, name="guest-bridge", daemon=True)
        self._thread.start()

    def socket_path(self, domid: int) -> Path:
        return self.directory / f"guest-{domid}.sock"

    def add(self, domid: int) -> None:
        """Make the domain's page and sockets; the domain must then be introduced to xenstored."""
        self._call(lambda: self._guests.__setitem__(domid, _Guest(self, domid)))

    def remove(self, domid: int) -> None:
        """Close the domain's sockets and its client, as when its memory is gone."""
        self._call(lambda: self._guests.pop(domid).close())

    def domain_died(self) -> None:
        """Tell xenstored to look which domains are still there."""
        self._call(lambda: self.notify(DOMAIN_DIED))

    def close(self) -> None:
        def stop() -> None:
            self._running = False
            for guest in self._guests.values():
                guest.close()

        self._call(stop)
        self._thread.join()
        self.selector.close()
        for each in (self._notifier, self._waker, self._woken):
            each.close()

    def notify(self, port: int) -> None:
        """Send xenstored an event; repeated until its queue has room for it, for a lost one would stall the guest."""
        try:
            self._notifier.sendto(_INDEX.pack(port), str(self.directory / "evtchn-xenstored"))
        except BlockingIOError:
            self._unnotified.add(port)
        except (ConnectionRefusedError, FileNotFoundError):  # there is no daemon at the moment
            self._unnotified.discard(port)
        else:
            self._unnotified.discard(port)

    def _call(self, function: Callable[[], None]) -> None:
        """Run `function` in the thread, and wait for it."""
        done = threading.Event()
        failures: list[BaseException] = []

        def run() -> None:
            try:
                function()
            except BaseException as error:  # noqa: BLE001 - handed to the caller, where it is raised
                failures.append(error)
            done.set()

        self._calls.put(run)
        self._waker.send(b"\0")
        if not done.wait(10):
            raise TimeoutError("the guest bridge does not answer")
        if failures:
            raise failures[0]

    def _on_wake(self, _: int) -> None:
        self._woken.recv(64)
        while not self._calls.empty():
            self._calls.get()()

    def _run(self) -> None:
        while self._running:
            for key, mask in self.selector.select(RETRY_S if self._unnotified else None):
                if self.selector.get_map().get(key.fd) is key:  # not closed or changed earlier in this round
                    key.data(mask)
            for port in tuple(self._unnotified):
                self.notify(port)


def _bound_socket(kind: socket.SocketKind, path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    bound = socket.socket(socket.AF_UNIX, kind)
    bound.bind(str(path))
    bound.setblocking(False)
    return bound
