"""The wire of xenstore: a header of four native 32-bit words, then the payload (xen/include/public/io/xs_wire.h)."""

import struct
from collections.abc import Iterator
from enum import IntEnum

HEADER = struct.Struct("=IIII")
"""Operation, request id, transaction id (0: none), payload length."""

PAYLOAD_BYTES_MAX = 4096
"""XENSTORE_PAYLOAD_MAX; the header does not count."""

OK = b"OK\0"


class Operation(IntEnum):
    """Message types by number; a reply has its request's, or ERROR.

    The daemon's others (RESUME, SET_TARGET) are not played and answer ENOSYS.
    """

    CONTROL = 0
    DIRECTORY = 1
    READ = 2
    GET_PERMS = 3
    WATCH = 4
    UNWATCH = 5
    TRANSACTION_START = 6
    TRANSACTION_END = 7
    INTRODUCE = 8
    RELEASE = 9
    GET_DOMAIN_PATH = 10
    WRITE = 11
    MKDIR = 12
    RM = 13
    SET_PERMS = 14
    WATCH_EVENT = 15
    ERROR = 16
    IS_DOMAIN_INTRODUCED = 17
    RESET_WATCHES = 21
    DIRECTORY_PART = 22


class Refusal(Exception):
    """A request is answered with an error; its one argument is the error's name, such as "ENOENT" (xs_wire.h)."""


class OversizedPayload(Exception):
    """A header announces more than the payload's maximum; the daemon then drops the connection without an answer."""


class MessageBuffer:
    """Bytes in, whole messages out: (operation, request id, transaction id, payload), none of it checked further."""

    def __init__(self) -> None:
        self._data = b""

    def feed(self, data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
        """Take what was received, give the messages it completes; OversizedPayload after the last good one."""
        data = self._data + data
        start, end = 0, len(data)
        try:
            while end - start >= HEADER.size:
                operation, request_id, transaction_id, length = HEADER.unpack_from(data, start)
                if length > PAYLOAD_BYTES_MAX:
                    raise OversizedPayload
                body = start + HEADER.size
                if end - body < length:
                    break
                start = body + length
                yield operation, request_id, transaction_id, data[body:start]
        finally:
            self._data = data[start:]


def one_string(payload: bytes) -> bytes:
    """The payload's only string, which its only NUL ends; Refusal("EINVAL") for anything else."""
    if not payload or payload.find(b"\0") != len(payload) - 1:
        raise Refusal("EINVAL")
    return payload[:-1]


def leading_number(text: bytes) -> int:
    """A number as C's atoi() reads it, which is how the daemon reads domids: 0 where there is none."""
    text = text.lstrip(b" \t\n\v\f\r")
    sign = -1 if text.startswith(b"-") else 1
    digits = text[1:] if text[:1] in (b"-", b"+") else text
    end = next((index for index, byte in enumerate(digits) if byte not in b"0123456789"), len(digits))
    return sign * int(digits[:end] or b"0")
