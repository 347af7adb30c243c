"""A blocking xenstore client of a few lines: the harness's own hands, and an eye that is independent of our client."""

import errno
import socket
import struct
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Self

HEADER = struct.Struct("=IIII")
"""type, request id, transaction id, payload length (xen/include/public/io/xs_wire.h)."""

(DIRECTORY, READ, GET_PERMS, WATCH, UNWATCH, TRANSACTION_START, TRANSACTION_END) = range(1, 8)
(INTRODUCE, WRITE, MKDIR, RM, SET_PERMS, WATCH_EVENT, ERROR, IS_DOMAIN_INTRODUCED) = (8, 11, 12, 13, 14, 15, 16, 17)
RESET_WATCHES = 21


class PlainClient:
    """One connection, one request at a time. The daemon's refusals are `OSError` with its errno."""

    def __init__(self, path: Path, *, timeout_s: float = 5.0) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout_s)
        self._events: deque[tuple[str, str]] = deque()
        try:
            self._socket.connect(str(path))
        except OSError:
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def request(self, operation: int, payload: bytes, transaction: int = 0) -> bytes:
        """Send any request and return the reply's payload; watch events that come first are kept."""
        self._socket.sendall(HEADER.pack(operation, 1, transaction, len(payload)) + payload)
        while True:
            kind, reply = self._receive()
            if kind == WATCH_EVENT:
                self._keep_event(reply)
            elif kind == ERROR:
                name = reply.rstrip(b"\0").decode()
                raise OSError(getattr(errno, name), name)
            else:
                return reply

    def read(self, path: str, transaction: int = 0) -> bytes:
        return self.request(READ, path.encode() + b"\0", transaction)

    def write(self, path: str, value: bytes, transaction: int = 0) -> None:
        self.request(WRITE, path.encode() + b"\0" + value, transaction)

    def mkdir(self, path: str) -> None:
        self.request(MKDIR, path.encode() + b"\0")

    def remove(self, path: str) -> None:
        self.request(RM, path.encode() + b"\0")

    def directory(self, path: str) -> list[str]:
        names = self.request(DIRECTORY, path.encode() + b"\0").decode()
        return names.rstrip("\0").split("\0") if names else []

    def perms(self, path: str) -> list[str]:
        return self.request(GET_PERMS, path.encode() + b"\0").decode().rstrip("\0").split("\0")

    def set_perms(self, path: str, *perms: str) -> None:
        self.request(SET_PERMS, "\0".join((path, *perms, "")).encode())

    def exists(self, path: str) -> bool:
        try:
            self.read(path)
        except FileNotFoundError:
            return False
        return True

    def start_transaction(self) -> int:
        return int(self.request(TRANSACTION_START, b"\0").rstrip(b"\0"))

    def end_transaction(self, transaction: int, *, commit: bool = True) -> None:
        self.request(TRANSACTION_END, b"T\0" if commit else b"F\0", transaction)

    def watch(self, path: str, token: str = "t") -> None:
        self.request(WATCH, f"{path}\0{token}\0".encode())

    def next_event(self) -> tuple[str, str]:
        """The next watch event as (path, token); waits for it."""
        while not self._events:
            _, payload = self._receive()
            self._keep_event(payload)
        return self._events.popleft()

    def _keep_event(self, payload: bytes) -> None:
        path, token, _ = payload.decode().split("\0")
        self._events.append((path, token))

    def _receive(self) -> tuple[int, bytes]:
        kind, _, _, length = HEADER.unpack(self._exactly(HEADER.size))
        return kind, self._exactly(length)

    def _exactly(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            part = self._socket.recv(length - len(data))
            if not part:
                raise ConnectionResetError(errno.ECONNRESET, "xenstored closed the connection")
            data += part
        return data
