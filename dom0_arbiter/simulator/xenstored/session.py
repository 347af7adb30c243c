"""One client's connection as the store sees it: who it is, its watches and transactions, what waits to be sent."""

from collections import deque
from typing import TYPE_CHECKING

from dom0_arbiter.simulator.xenstored.domains import Domain
from dom0_arbiter.simulator.xenstored.wire import HEADER, PAYLOAD_BYTES_MAX, Operation

if TYPE_CHECKING:
    from dom0_arbiter.simulator.xenstored.transactions import Transaction
    from dom0_arbiter.simulator.xenstored.watches import Watch

GUEST_UNSENT_BYTES_MAX = 2_621_440
"""A guest that lets more than this wait gets no more events: the daemon's quota-memory, 2.5 MiB."""

DOM0_UNSENT_BYTES_MAX = 16_777_216
"""A client of dom0 that lets more than this wait is disconnected; the daemon would grow. Our own bound."""


class Session:
    """A connection. Messages to its client wait here until `take_unsent`."""

    def __init__(self, domain: Domain) -> None:
        self.domain = domain
        self.watches: dict[tuple[bytes, bytes], Watch] = {}
        self.transactions: dict[int, Transaction] = {}
        self.next_transaction_id = 1
        self.closed = False
        self.unsent_bytes = 0
        self._unsent: deque[bytes] = deque()
        self._unsent_events: set[bytes] = set()

    def send_reply(self, operation: int, request_id: int, transaction_id: int, payload: bytes) -> None:
        """Queue the answer to a request."""
        self._queue(HEADER.pack(operation, request_id, transaction_id, len(payload)) + payload)

    def send_event(self, path: bytes, token: bytes) -> None:
        """Queue a watch event.

        One that still waits is not repeated, but for special ones: twice says no more than once. One that would not fit
        a payload is left out.
        """
        payload = b"%s\0%s\0" % (path, token)
        if self.closed or len(payload) > PAYLOAD_BYTES_MAX:
            return
        message = HEADER.pack(Operation.WATCH_EVENT, 0, 0, len(payload)) + payload
        if not path.startswith(b"@"):
            if message in self._unsent_events:
                return
            self._unsent_events.add(message)
        if self.domain.privileged:
            self.closed = self.unsent_bytes > DOM0_UNSENT_BYTES_MAX
        elif self.unsent_bytes > GUEST_UNSENT_BYTES_MAX:
            return
        self._queue(message)

    def take_unsent(self, bytes_wanted: int) -> bytes:
        """The next whole messages in order, at least `bytes_wanted` if there are so many; they count as sent."""
        taken, size = [], 0
        while self._unsent and size < bytes_wanted:
            message = self._unsent.popleft()
            self._unsent_events.discard(message)
            taken.append(message)
            size += len(message)
        self.unsent_bytes -= size
        return b"".join(taken)

    def _queue(self, message: bytes) -> None:
        self._unsent.append(message)
        self.unsent_bytes += len(message)
