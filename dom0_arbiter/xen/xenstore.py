"""xenstore for dom0, over trio: one connection for everybody, which is made again whenever it breaks."""

import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, TypeVar

import trio

from . import wire
from .connection import Connection
from .errors import Conflict, NoSuchPath, XenstoreDisconnected, XenstoreTimeout, refusal
from .operations import Operations
from .transaction import Transaction
from .watches import Watch, Watches, WatchTable
from .wire import Refusal, Reply, Request, WatchEvent

TIMEOUT_S: Final = 5.0
RETRY_FIRST_S: Final = 0.05
RETRY_LAST_S: Final = 2.0
CONFLICTS_MAX: Final = 32
"""How often a transaction is tried. A conflict needs another's write to the very same nodes within a millisecond."""

T = TypeVar("T")


def default_socket_path() -> Path:
    """Where xenstored listens: as libxenstore finds it (xs.c, xs_daemon_socket)."""
    directory = Path(os.environ.get("XENSTORED_RUNDIR", "/run/xenstored"))
    return Path(os.environ.get("XENSTORED_PATH", directory / "socket"))


@asynccontextmanager
async def open_xenstore(path: Path | None = None, *, timeout_s: float = TIMEOUT_S) -> AsyncIterator["Xenstore"]:
    """Open xenstore for the length of a block; `path` is the daemon's socket (default: `default_socket_path`).

    It does not wait for the connection: the first request does. Each request has `timeout_s` from its call to its
    answer, a connection that must be made (again) included; a caller in a hurry puts a `trio.move_on_after` around it.

    An exception of the block passes through as it is. At the end of the block whoever still waits for an answer gets
    `XenstoreDisconnected`.
    """
    store = Xenstore(path or default_socket_path(), timeout_s=timeout_s)
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(store._run)
        try:
            yield store
        except Exception as error:  # noqa: BLE001 - raised below, where no nursery wraps it in a group
            failure = error
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


class Xenstore(Operations):
    """What `open_xenstore` gives; see `Operations` for the requests. Any number of tasks may use it at once.

    When the daemon dies or closes the connection, requests under way raise `XenstoreDisconnected`, new ones wait for
    the next connection within their deadline, and watches are registered again, each of which then has a change to
    read. Whoever must start afresh on such an occasion waits in `reconnected`.
    """

    def __init__(self, path: Path, *, timeout_s: float = TIMEOUT_S) -> None:
        self._path = path
        self._timeout_s = timeout_s
        self._watches = WatchTable()
        self._link: Connection | None = None  # there is a socket
        self._connection: Connection | None = None  # the same, once its watches are restored
        self._connected = trio.lowlevel.ParkingLot()
        self._generation = 0
        self._obstacle = "no connection was tried yet"
        self._closed = False

    @property
    def connected(self) -> bool:
        """Whether there is a connection now, its watches restored."""
        return self._connection is not None

    @property
    def generation(self) -> int:
        """How many connections there have been: 0 before the first, 1 until that breaks."""
        return self._generation

    async def reconnected(self, since: int) -> int:
        """Wait until `generation` is more than `since`, and return it. Watches have been restored by then."""
        await trio.lowlevel.checkpoint_if_cancelled()
        while self._generation <= since:
            await self._wait_for_change()
        return self._generation

    @asynccontextmanager
    async def watch(self, *paths: str) -> AsyncIterator[Watches]:
        """Watch paths, also "@introduceDomain" and "@releaseDomain", for the length of a block.

            async with xs.watch("@introduceDomain", "@releaseDomain") as watches:
                async for change in watches:
                    ...  # change.watch is the watched path; change.path what may have changed, at or below it

        One reader may follow any number of paths (`Watches.add`, `Watches.remove`) and read in bursts (`Watches.take`).
        Each path comes up as a change when it is first watched and after each reconnection. Unread changes of the same
        path are one; more than 64 different ones below one watch become one for the watched path itself.
        """
        watches = Watches(self._watches, self._register, self._unregister)
        try:
            await watches.add(*paths)
            yield watches
        finally:
            watches.remove(*watches.paths)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """A transaction for the length of a block: committed at its end, aborted if it raises or is cancelled.

        Nothing of it is seen by others, nor are their writes in it, until it is committed. The end of the block raises
        `Conflict` if others changed what it had read or written; then none of it was done. `transact` tries again.
        """
        request = (wire.TRANSACTION_START, b"\0")
        connection, (answer,) = await self._timed(None, [request])
        if isinstance(answer, Refusal):
            raise refusal(answer.name, "start of a transaction")
        transaction = Transaction(connection, wire.decode_transaction(answer.payload), self._exchange_on)
        try:
            yield transaction
        except BaseException:
            transaction.abort()
            raise
        if not transaction.over:
            await transaction.commit()

    async def transact(self, function: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run `function` in a transaction, again after each conflict, and return its result; `Conflict` after 32.

        `function` must leave no traces but in the transaction. It may call `abort` on it to have nothing done.
        """
        for _ in range(CONFLICTS_MAX - 1):
            try:
                async with self.transaction() as transaction:
                    return await function(transaction)
            except Conflict:
                continue
        async with self.transaction() as transaction:
            return await function(transaction)

    async def write_if_domain_exists(self, domid: int, values: Mapping[str, bytes]) -> bool:
        """Set values, all or none, unless the domain is gone; returns whether they were written.

        A plain write below a domain that has just died brings its directory back to life, for nobody to remove
        (QubesOS/qubes-issues 1409). Here the check and the writes are one transaction. Paths are absolute.
        """

        async def write(transaction: Transaction) -> bool:
            try:
                await transaction.read(f"/local/domain/{domid}/domid")
            except NoSuchPath:
                transaction.abort()
                return False
            await transaction.write_many(values)
            return True

        return await self.transact(write)

    async def _exchange(self, requests: Sequence[Request]) -> list[Reply | Refusal]:
        if not requests:
            await trio.lowlevel.checkpoint()
            return []
        return (await self._timed(None, requests))[1]

    async def _exchange_on(
        self, connection: Connection, requests: Sequence[Request], transaction: int
    ) -> list[Reply | Refusal]:
        return (await self._timed(connection, requests, transaction))[1]

    async def _timed(
        self, connection: Connection | None, requests: Sequence[Request], transaction: int = 0
    ) -> tuple[Connection, list[Reply | Refusal]]:
        """Exchange within the deadline, on this connection or on whichever there is; returns it too."""
        with trio.move_on_after(self._timeout_s):
            connection = connection or self._connection
            while connection is None:
                await self._wait_for_change()
                connection = self._connection
            return connection, await connection.exchange(requests, transaction)
        why = "xenstored does not answer" if connection else f"not connected ({self._obstacle})"
        raise XenstoreTimeout(f"{wire.describe(requests[0])}: {why} for {self._timeout_s} s")

    async def _wait_for_change(self) -> None:
        """Wait until a connection was made; raises `XenstoreDisconnected` if none will be."""
        if not self._closed:
            await self._connected.park()
        if self._closed:
            raise XenstoreDisconnected("the client was closed")

    async def _register(self, watches: Sequence[Watch]) -> None:
        requests = [(wire.WATCH, watch.payload) for watch in watches]
        while requests:
            try:
                answers = await self._exchange(requests)
            except XenstoreDisconnected:
                if self._closed:
                    raise
            else:
                _check_watched(requests, answers)
                return

    def _unregister(self, watches: Sequence[Watch]) -> None:
        if self._link is not None:
            self._link.tell([(wire.UNWATCH, watch.payload) for watch in watches])

    def _route(self, event: WatchEvent) -> None:
        self._watches.route(event.token, event.path)

    async def _run(self) -> None:
        """Connect, serve, and again, until it is cancelled."""
        delay_s = RETRY_FIRST_S
        try:
            while True:
                before = self._generation
                await self._serve_once()
                delay_s = RETRY_FIRST_S if self._generation > before else min(2 * delay_s, RETRY_LAST_S)
                await trio.sleep(delay_s)
        finally:
            self._closed = True
            self._connected.unpark_all()

    async def _serve_once(self) -> None:
        connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            connected.connect(str(self._path))
        except OSError as error:  # whatever it is: it is said to those who wait, and tried again
            connected.close()
            self._obstacle = f"{self._path}: {error.strerror or error}"
            return
        self._link = link = Connection(connected, self._route)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._restore, link)
            await link.serve()
            self._link = self._connection = None
            self._obstacle = f"{self._path}: {link.broken}"
            nursery.cancel_scope.cancel()

    async def _restore(self, link: Connection) -> None:
        """Register all watches on a new connection, and only then let others use it."""
        requests = [(wire.WATCH, watch.payload) for watch in self._watches.all()]
        try:
            answers = await link.exchange(requests)
        except XenstoreDisconnected:
            return  # it broke already: there will be another
        _check_watched(requests, answers)
        self._connection = link
        self._generation += 1
        self._connected.unpark_all()


def _check_watched(requests: Sequence[Request], answers: Sequence[Reply | Refusal]) -> None:
    for request, answer in zip(requests, answers, strict=True):
        # EEXIST: it was asked for by hand and restored by a new connection at about the same time.
        if isinstance(answer, Refusal) and answer.name != "EEXIST":
            raise refusal(answer.name, wire.describe(request))
