"""A raw xenstore client for the contract: it sends any bytes, and keeps replies and watch events apart.

It shares no code with the server it judges. Layout and numbers: xen/include/public/io/xs_wire.h.
"""

import socket
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

HEADER = struct.Struct("=IIII")
TIMEOUT_S = 10.0

_NAMES = (
    *("CONTROL", "DIRECTORY", "READ", "GET_PERMS", "WATCH", "UNWATCH", "TRANSACTION_START", "TRANSACTION_END"),
    *("INTRODUCE", "RELEASE", "GET_DOMAIN_PATH", "WRITE", "MKDIR", "RM", "SET_PERMS", "WATCH_EVENT", "ERROR"),
    *("IS_DOMAIN_INTRODUCED", "RESUME", "SET_TARGET", "not used", "RESET_WATCHES", "DIRECTORY_PART"),
)
OPERATIONS = {name: number for number, name in enumerate(_NAMES)}
_WATCH_EVENT, _ERROR = OPERATIONS["WATCH_EVENT"], OPERATIONS["ERROR"]


class Refused(Exception):
    """The server answered with an error; its one argument is the error's name."""


class Closed(Exception):
    """The server closed the connection."""


def refusal(call: Callable[..., object], *args: object, **options: object) -> str:
    """The name of the error with which the call is answered; an assertion fails if it is not."""
    try:
        found = call(*args, **options)
    except Refused as refused:
        return str(refused.args[0])
    raise AssertionError(f"answered {found!r}, not refused")


@dataclass(slots=True)
class WireClient:
    """One connection. One request at a time through the named methods; `send` and `receive` take things apart."""

    path: Path
    events: deque[tuple[bytes, bytes]] = field(default_factory=deque)
    _socket: socket.socket = field(init=False)
    _next_id: int = 1

    def __post_init__(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(str(self.path))  # without a timeout: the daemon's backlog is 1, and a full one is EAGAIN
        self._socket.settimeout(TIMEOUT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def send(self, operation: int, payload: bytes, transaction: int = 0, *, length: int | None = None) -> int:
        """Send one message; `length` overrides what the header says. Returns the request's id."""
        request_id, self._next_id = self._next_id, self._next_id + 1
        stated = len(payload) if length is None else length
        self.send_bytes(HEADER.pack(operation, request_id, transaction, stated) + payload)
        return request_id

    def send_bytes(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            raise Closed from None

    def receive(self) -> tuple[int, int, int, bytes]:
        """The next message, whatever it is: type, request id, transaction id, payload."""
        kind, request_id, transaction, length = HEADER.unpack(self._exactly(HEADER.size))
        return kind, request_id, transaction, self._exactly(length)

    def request(self, name: str, payload: bytes = b"", transaction: int = 0) -> bytes:
        """Send and wait for the answer; events that come first are kept. Raises Refused, Closed."""
        operation = OPERATIONS[name]
        request_id = self.send(operation, payload, transaction)
        while True:
            kind, answered, in_transaction, reply = self.receive()
            if kind == _WATCH_EVENT:
                self._keep(answered, in_transaction, reply)
                continue
            assert (answered, in_transaction) == (request_id, transaction), "an answer to something else"
            if kind == _ERROR:
                assert reply.endswith(b"\0")
                raise Refused(reply[:-1].decode())
            assert kind == operation
            return reply

    def read(self, path: str, transaction: int = 0) -> bytes:
        return self.request("READ", path.encode() + b"\0", transaction)

    def write(self, path: str, value: bytes, transaction: int = 0) -> None:
        assert self.request("WRITE", path.encode() + b"\0" + value, transaction) == b"OK\0"

    def mkdir(self, path: str, transaction: int = 0) -> None:
        assert self.request("MKDIR", path.encode() + b"\0", transaction) == b"OK\0"

    def remove(self, path: str, transaction: int = 0) -> None:
        assert self.request("RM", path.encode() + b"\0", transaction) == b"OK\0"

    def directory(self, path: str, transaction: int = 0) -> list[str]:
        names = self.request("DIRECTORY", path.encode() + b"\0", transaction)
        assert not names or names.endswith(b"\0")
        return names.decode().split("\0")[:-1]

    def perms(self, path: str, transaction: int = 0) -> list[str]:
        return self.request("GET_PERMS", path.encode() + b"\0", transaction).decode().split("\0")[:-1]

    def set_perms(self, path: str, *perms: str, transaction: int = 0) -> None:
        assert self.request("SET_PERMS", "\0".join((path, *perms, "")).encode(), transaction) == b"OK\0"

    def watch(self, path: str, token: str) -> None:
        assert self.request("WATCH", f"{path}\0{token}\0".encode()) == b"OK\0"

    def unwatch(self, path: str, token: str) -> None:
        assert self.request("UNWATCH", f"{path}\0{token}\0".encode()) == b"OK\0"

    def start(self) -> int:
        """Start a transaction; its id."""
        reply = self.request("TRANSACTION_START", b"\0")
        assert reply.endswith(b"\0")
        return int(reply[:-1])

    def end(self, transaction: int, *, commit: bool = True) -> None:
        assert self.request("TRANSACTION_END", b"T\0" if commit else b"F\0", transaction) == b"OK\0"

    def exists(self, path: str) -> bool:
        try:
            self.read(path)
        except Refused as refusal:
            assert refusal.args == ("ENOENT",)
            return False
        return True

    def drain(self) -> list[tuple[str, str]]:
        """All events sent so far, as (path, token).

        Replies and events share one queue in the server, so what was caused before comes before the answer to a request
        made now.
        """
        self.request("GET_DOMAIN_PATH", b"0\0")
        found = [(path.decode(), token.decode()) for path, token in self.events]
        self.events.clear()
        return found

    def _keep(self, request_id: int, transaction: int, payload: bytes) -> None:
        assert (request_id, transaction) == (0, 0), "an event answers no request"
        path, token, rest = payload.split(b"\0")
        assert rest == b""
        self.events.append((path, token))

    def _exactly(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            try:
                part = self._socket.recv(length - len(data))
            except ConnectionResetError:
                part = b""
            if not part:
                raise Closed
            data += part
        return data
