"""The one place that talks to xenstore: one request at a time, each under a deadline.

Packets, opcodes, checks and request ids are pyxs's; its client and its connections are not used: they never time out,
write header and payload apart, and cost as much memory as the rest of the agent.
"""

import os
import stat

from guest_agent.packets import NUL, Op, Packet, PyXSError, next_rq_id
from guest_agent.waiting import DeadlinePassed, Stopped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from guest_agent.waiting import Waiter

DEVICES = ("/dev/xen/xenbus", "/proc/xen/xenbus")
"""The kernel's door to xenstore; the second before Linux 2.6.39."""
CALL_DEADLINE_S = 5.0
"""A busy xenstored may take its time; a call that waits through a short stall succeeds at its end."""
_HEADER_BYTES = 16
_REPLY_BYTES_MAX = 4096  # XENSTORE_PAYLOAD_MAX of xen/include/public/io/xs_wire.h
_REQUEST_BYTES_MAX = 4096  # header included: the device allows no more (drivers/xen/xenbus/xenbus_dev_frontend.c)
_REQUEST_ID_MASK = 0xFFFF_FFFF  # pyxs counts on beyond the header's 32 bits


class XenstoreError(Exception):
    """xenstore could not be reached, did not answer, or refused; the text says which and what."""


class Refused(XenstoreError):
    """xenstore answered with an error, `code`: the name of an errno."""

    def __init__(self, code: str, key: str) -> None:
        super().__init__(f"xenstore refuses {key}: {code}")
        self.code = code


class Xenstore:
    """A guest's own xenstore; connects when first used and, after any failure but a refusal, anew."""

    __slots__ = ("_fd", "_path", "_waiter", "deadline_s")

    def __init__(self, path: str | None, waiter: "Waiter", deadline_s: float = CALL_DEADLINE_S) -> None:
        """Take a Unix socket's or a device's path; None is the kernel's device."""
        self._path = path
        self._waiter = waiter
        self._fd = -1
        self.deadline_s = deadline_s

    def read(self, key: str) -> bytes | None:
        """Return the value of a key, None if there is none for this guest; raise XenstoreError."""
        try:
            return self._request(Op.READ, key, key.encode() + NUL)
        except Refused as refusal:
            if refusal.code in ("ENOENT", "EACCES"):  # dom0 makes a key first, and readable next
                return None
            raise

    def write(self, key: str, value: bytes) -> None:
        """Set the value of a key; raise XenstoreError."""
        self._request(Op.WRITE, key, key.encode() + NUL + value)

    def close(self) -> None:
        """Throw the connection away; the next request makes a new one."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)

    def _request(self, operation: int, key: str, payload: bytes) -> bytes:
        try:
            kind, reply = self._waiter.within(self.deadline_s, self._exchange, operation, payload)
        except DeadlinePassed as error:
            self.close()
            raise XenstoreError(f"xenstore does not answer within {self.deadline_s:g} s") from error
        except (OSError, PyXSError) as error:
            self.close()
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise XenstoreError(f"xenstore ({self._path or DEVICES[0]}): {reason}") from error
        except Stopped:
            self.close()
            raise
        if kind == Op.ERROR:
            raise Refused(reply.rstrip(NUL).decode("ascii", "replace"), key)
        if kind != operation:
            self.close()
            raise XenstoreError(f"xenstore answers operation {operation} with {kind}")
        return bytes(reply)

    def _exchange(self, operation: int, payload: bytes) -> tuple[int, bytes]:
        """Send one request in one write, as the device wants it, and return the reply's operation and payload."""
        if self._fd < 0:
            self._fd = _connect(self._path)
        packet = Packet(operation, payload, next_rq_id() & _REQUEST_ID_MASK)
        message = Packet._struct.pack(packet.op, packet.rq_id, packet.tx_id, packet.size) + payload
        if len(message) > _REQUEST_BYTES_MAX:
            raise OSError(f"a request of {len(message)} bytes: {_REQUEST_BYTES_MAX} are allowed")
        while message:
            message = message[os.write(self._fd, message) :]
        while True:
            kind, request_id, _, size = Packet._struct.unpack(self._receive(_HEADER_BYTES))
            if size > _REPLY_BYTES_MAX:
                raise OSError(f"a reply of {size} bytes")
            reply = self._receive(size)
            if request_id == packet.rq_id and kind != Op.WATCH_EVENT:
                return kind, reply

    def _receive(self, size: int) -> bytes:
        """Read exactly that much; nothing at all is read for 0, where the device would block."""
        data = b""
        while len(data) < size:
            part = os.read(self._fd, size - len(data))
            if not part:
                raise OSError("connection closed")
            data += part
        return data


def _connect(path: str | None) -> int:
    """Return a descriptor to read from and write to."""
    if path is None:
        path = DEVICES[1] if not os.path.exists(DEVICES[0]) and os.path.exists(DEVICES[1]) else DEVICES[0]  # noqa: PTH110
    if not stat.S_ISSOCK(os.stat(path).st_mode):  # noqa: PTH116 - pathlib costs 1 MB
        return os.open(path, os.O_RDWR)
    import _socket  # noqa: PLC0415 - for who asks for a socket; `socket` wraps it in enums, at the price of 1.5 MB

    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        connection.connect(path)
        return connection.detach()
    finally:
        connection.close()
