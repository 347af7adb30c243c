"""The xenstore wire protocol without I/O: requests in, bytes out; bytes in, replies and watch events out.

A message is sixteen bytes of header (type, request id, transaction id, payload length; native order) and at most 4096
of payload: xen/include/public/io/xs_wire.h, docs/misc/xenstore.txt. Several requests may be under way at once; the
daemon repeats the request's id in its reply, and that alone matches them.

Nobody has to stay for an answer: a request that was abandoned keeps its id until its reply has come and was dropped, so
a late reply can't be taken for another's, and a transaction whose start was abandoned is ended as soon as it is known.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from pyxs._internal import Op, Packet

from .errors import XenstoreGarbled, XenstoreLocalError

DIRECTORY: Final[int] = Op.DIRECTORY
READ: Final[int] = Op.READ
GET_PERMS: Final[int] = Op.GET_PERMS
WATCH: Final[int] = Op.WATCH
UNWATCH: Final[int] = Op.UNWATCH
TRANSACTION_START: Final[int] = Op.TRANSACTION_START
TRANSACTION_END: Final[int] = Op.TRANSACTION_END
WRITE: Final[int] = Op.WRITE
MKDIR: Final[int] = Op.MKDIR
REMOVE: Final[int] = Op.RM
SET_PERMS: Final[int] = Op.SET_PERMS
WATCH_EVENT: Final[int] = Op.WATCH_EVENT
ERROR: Final[int] = Op.ERROR
DIRECTORY_PART: Final = 22  # since Xen 4.9; pyxs does not have it

HEADER = Packet._struct
HEADER_BYTES: Final[int] = HEADER.size
PAYLOAD_MAX_BYTES: Final = 4096  # XENSTORE_PAYLOAD_MAX

_IDS = 1 << 32  # request ids are 32 bits wide on the wire
_NAMES = dict(zip(Op, Op._fields, strict=True)) | {DIRECTORY_PART: "DIRECTORY_PART"}

Request = tuple[int, bytes]
"""A request's type and payload."""


def describe(request: Request) -> str:
    """What a request asks, for an error's text: "READ /local/domain/7/name"."""
    operation, payload = request
    return f"{_NAMES[operation]} {payload.split(bytes(1), 1)[0].decode(errors='replace')}".rstrip()


@dataclass(frozen=True, slots=True)
class Reply:
    """The daemon did what request `request_id` asked for."""

    request_id: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Refusal:
    """The daemon refused request `request_id`; `name` is the errno's name, such as "ENOENT"."""

    request_id: int
    name: str


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """Something at or below `path` may have changed; `token` is the one the watch was registered with."""

    path: str
    token: str


Event = Reply | Refusal | WatchEvent


class Wire:
    """One side of one connection, from its first byte to its last."""

    def __init__(self) -> None:
        self._next_id = 1
        self._asked: dict[int, tuple[int, int]] = {}  # request id: type, transaction id
        self._abandoned: set[int] = set()
        self._outgoing = bytearray()
        self._partial = b""

    @property
    def unanswered(self) -> int:
        """How many requests have no reply yet, abandoned ones included."""
        return len(self._asked)

    @property
    def outgoing(self) -> bytearray:
        """What is to be sent; whoever has sent some of it deletes that much from its front."""
        return self._outgoing

    def ask(self, requests: Sequence[Request], transaction: int = 0) -> list[int]:
        """Queue requests and return their ids, none of which another unanswered request has.

        Raises `XenstoreLocalError`, with nothing queued, if the payload of one is more than 4096 bytes: the daemon
        would drop the connection for it.
        """
        for request in requests:
            size = len(request[1])
            if size > PAYLOAD_MAX_BYTES:
                raise XenstoreLocalError(
                    f"{describe(request)}: {size} bytes with the path, of {PAYLOAD_MAX_BYTES} at most"
                )
        ids = []
        for operation, payload in requests:
            request_id = self._next_id
            while request_id in self._asked:
                request_id = (request_id + 1) % _IDS
            self._next_id = (request_id + 1) % _IDS
            self._asked[request_id] = (operation, transaction)
            self._outgoing += HEADER.pack(operation, request_id, transaction, len(payload))
            self._outgoing += payload
            ids.append(request_id)
        return ids

    def tell(self, requests: Sequence[Request], transaction: int = 0) -> None:
        """Queue requests whose replies nobody waits for."""
        for request_id in self.ask(requests, transaction):
            self.abandon(request_id)

    def abandon(self, request_id: int) -> None:
        """Nobody waits for this request's reply any more. It may have been done all the same, or may be yet."""
        self._abandoned.add(request_id)

    def receive(self, data: bytes) -> Iterator[Event]:
        """What `data`, as it came from the daemon, completes; exhaust it before the next call.

        Raises `XenstoreGarbled` at the first thing that the daemon may not send; nothing after it can be relied on.
        """
        data = self._partial + data
        start, end = 0, len(data)
        while end - start >= HEADER_BYTES:
            kind, request_id, transaction, length = HEADER.unpack_from(data, start)
            if length > PAYLOAD_MAX_BYTES:
                raise XenstoreGarbled(
                    f"a message of {length} bytes was announced: at most {PAYLOAD_MAX_BYTES} may come"
                )
            body = start + HEADER_BYTES
            if end - body < length:
                break
            start = body + length
            if kind == WATCH_EVENT:
                yield _decode_watch_event(data[body:start])
            else:
                answer = self._match(kind, request_id, transaction, data[body:start])
                if answer is not None:
                    yield answer
        self._partial = data[start:]

    def _match(self, kind: int, request_id: int, transaction: int, payload: bytes) -> Reply | Refusal | None:
        asked = self._asked.pop(request_id, None)
        if asked is None:
            raise XenstoreGarbled(f"a reply to request {request_id}, which was not asked")
        operation, asked_in = asked
        if kind not in (operation, ERROR) or transaction != asked_in:
            raise XenstoreGarbled(
                f"a reply of type {kind} in transaction {transaction} to a request of type {operation} in {asked_in}"
            )
        if request_id in self._abandoned:
            self._abandoned.remove(request_id)
            if kind == TRANSACTION_START:
                self.tell([(TRANSACTION_END, b"F\0")], decode_transaction(payload))
            return None
        if kind == ERROR:
            return Refusal(request_id, _decode_text(payload.removesuffix(b"\0")))
        return Reply(request_id, payload)


def decode_transaction(payload: bytes) -> int:
    """The transaction's id in the reply to TRANSACTION_START, decimal; raises `XenstoreGarbled`."""
    text = payload.removesuffix(b"\0")
    if not text.isdigit() or len(text) > 10 or not 0 < (transaction := int(text)) < _IDS:
        raise XenstoreGarbled(f"{payload[:20]!r} is not a transaction id")
    return transaction


def _decode_watch_event(payload: bytes) -> WatchEvent:
    fields = payload.split(b"\0")
    if len(fields) != 3 or fields[2]:
        raise XenstoreGarbled(f"a watch event of {len(fields) - 1} fields: it has a path and a token")
    return WatchEvent(_decode_text(fields[0]), _decode_text(fields[1]))


def _decode_text(text: bytes) -> str:
    try:
        return text.decode("ascii")
    except UnicodeDecodeError:
        raise XenstoreGarbled(f"{text[:40]!r} is not ASCII") from None
