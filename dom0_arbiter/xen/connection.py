"""One connection to xenstored: a wire, a socket, and the tasks that wait for answers.

Whoever asks first sends at once; while an answer is outstanding, requests gather until the loop has run every task
that is ready, and leave together (as in Nagle's algorithm): so one request costs no detour, and a thousand one send.
"""

import math
import socket
from collections.abc import Callable, Sequence
from typing import Final

import trio

from .errors import XenstoreDisconnected, XenstoreGarbled
from .wire import Refusal, Reply, Request, WatchEvent, Wire

UNANSWERED_MAX: Final = 4096
"""Requests under way before others wait their turn: bounds what a daemon that answers nothing can cost us."""

LINGER_S: Final = 0.01
"""Watch events are taken up at most this often while no answer is awaited: being woken costs ten times the event itself
(45 us against 5, at 500 a second), so a busy host's events come in bursts. An idle host's come at once."""

_RECEIVE_BYTES: Final = 65536


class _Exchange:
    """A task that waits for the answers to some requests."""

    __slots__ = ("answers", "missing", "task")

    def __init__(self, task: trio.lowlevel.Task, count: int) -> None:
        self.task = task
        self.missing = count
        self.answers: list[Reply | Refusal | None] = [None] * count


class Connection:
    """A connected socket, until it breaks; then it is closed for good. `on_watch` gets every watch event."""

    def __init__(self, connected: socket.socket, on_watch: Callable[[WatchEvent], None]) -> None:
        self._socket = connected
        self._on_watch = on_watch
        self._wire = Wire()
        self._waiting: dict[int, tuple[_Exchange, int]] = {}  # request id: who waits, and for which of its answers
        self._turns = trio.lowlevel.ParkingLot()
        self._to_send = trio.lowlevel.ParkingLot()
        self._lingering = trio.lowlevel.ParkingLot()
        self._last_event_s = -math.inf
        self.broken: str | None = None

    async def serve(self) -> None:
        """Move bytes until the connection breaks; then fail everyone who waits, say why in `broken`, and close."""
        why = "the client was closed"
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._send)
                why = await self._receive()
                nursery.cancel_scope.cancel()
        finally:
            self._break(why)

    async def exchange(self, requests: Sequence[Request], transaction: int = 0) -> list[Reply | Refusal]:
        """Send requests together; return their answers in the same order, once all have come.

        If it is cancelled, what was asked may still be done, and the answers are dropped as they come. Raises
        `XenstoreDisconnected`, `XenstoreLocalError`.
        """
        while self.broken is None and self._wire.unanswered >= UNANSWERED_MAX:
            await self._turns.park()
        self._check()
        if not requests:
            await trio.lowlevel.checkpoint()
            return []
        ids = self._wire.ask(requests, transaction)
        exchange = _Exchange(trio.lowlevel.current_task(), len(ids))
        for index, request_id in enumerate(ids):
            self._waiting[request_id] = (exchange, index)
        self._flush(alone=self._wire.unanswered == len(ids))
        self._lingering.unpark()

        def abandon(_: object) -> trio.lowlevel.Abort:
            for request_id in ids:
                if self._waiting.pop(request_id, None) is not None:
                    self._wire.abandon(request_id)
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abandon)
        if exchange.missing:
            self._check()
        return exchange.answers  # type: ignore[return-value] # nothing is missing

    def tell(self, requests: Sequence[Request], transaction: int = 0) -> None:
        """Send requests whose answers nobody waits for, after all that was asked before; nothing, if it is broken."""
        if self.broken is None and requests:
            self._wire.tell(requests, transaction)
            self._flush()

    def _check(self) -> None:
        if self.broken is not None:
            raise XenstoreDisconnected(f"the connection to xenstored is gone: {self.broken}")

    def _flush(self, *, alone: bool = False) -> None:
        if alone:
            self._send_some()
        if self._wire.outgoing:
            self._to_send.unpark()

    def _send_some(self) -> bool:
        """Send what the socket takes; returns whether there may be room for more."""
        outgoing = self._wire.outgoing
        try:
            sent = self._socket.send(outgoing)
        except BlockingIOError:
            return False
        except (BrokenPipeError, ConnectionResetError):
            outgoing.clear()  # the receiving side hears of it too, after what the daemon said last
            return True
        del outgoing[:sent]
        return True

    async def _send(self) -> None:
        while True:
            if not self._wire.outgoing:
                await self._to_send.park()
            elif not self._send_some():
                await trio.lowlevel.wait_writable(self._socket)

    async def _receive(self) -> str:
        """Hand out what comes; returns why nothing more will."""
        while True:
            try:
                data = self._socket.recv(_RECEIVE_BYTES)
            except BlockingIOError:
                await trio.lowlevel.wait_readable(self._socket)
                continue
            except ConnectionResetError as error:
                return error.strerror or "reset"
            if not data:
                return "xenstored closed it"
            try:
                for event in self._wire.receive(data):
                    if isinstance(event, WatchEvent):
                        self._last_event_s = trio.current_time()
                        self._on_watch(event)
                    else:
                        self._deliver(event)
            except XenstoreGarbled as error:
                return f"xenstored sent {error}"
            if self._wire.outgoing:  # the wire itself had something to say
                self._flush()
            if self._turns:
                self._turns.unpark_all()
            await self._linger()

    async def _linger(self) -> None:
        """Wait for more; if nobody awaits an answer and watch events are not rare, long enough for some to gather."""
        until_s = self._last_event_s + LINGER_S
        if self._waiting or until_s <= trio.current_time():
            await trio.lowlevel.wait_readable(self._socket)
        else:
            with trio.move_on_at(until_s):
                await self._lingering.park()

    def _deliver(self, answer: Reply | Refusal) -> None:
        exchange, index = self._waiting.pop(answer.request_id)
        exchange.answers[index] = answer
        exchange.missing -= 1
        if not exchange.missing:
            trio.lowlevel.reschedule(exchange.task)

    def _break(self, why: str) -> None:
        self.broken = why
        for exchange in {exchange for exchange, _ in self._waiting.values()}:
            trio.lowlevel.reschedule(exchange.task)
        self._waiting.clear()
        self._turns.unpark_all()
        self._socket.close()
