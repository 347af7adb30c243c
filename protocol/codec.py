"""Bytes as they stand in xenstore to messages and back: base64 around one msgpack array.

Printable ASCII, because xenstore's tools escape the rest and Windows' driver passes NUL-terminated strings. The limit
bounds the time and the memory that a hostile value can cost; xenstored itself allows 2048 bytes a node.
"""

from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64

import msgpack

from protocol.errors import LocalProtocolError, RemoteProtocolError
from protocol.fields import Message
from protocol.messages import Grant, Hello, Report, Welcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    M = TypeVar("M", bound=Message)

VALUE_BYTES_MAX = 1024  # base64 included
_ITEMS_MAX = 64
_TEXT_BYTES_MAX = 512


def encode(message: Message) -> bytes:
    """Return the message as printable ASCII, at most VALUE_BYTES_MAX bytes; raise LocalProtocolError beyond that."""
    value = b2a_base64(msgpack.packb(tuple(message)), newline=False)
    if len(value) > VALUE_BYTES_MAX:
        raise LocalProtocolError("size", f"{len(value)} bytes: at most {VALUE_BYTES_MAX} allowed")
    return value


def decode(kind: "type[M]", untrusted_value: bytes) -> "M":
    """Return the message that the bytes spell; raise RemoteProtocolError for anything else."""
    if not 0 < len(untrusted_value) <= VALUE_BYTES_MAX:
        raise RemoteProtocolError("size", f"{len(untrusted_value)} bytes: 1 to {VALUE_BYTES_MAX} allowed")
    try:
        untrusted_packed = a2b_base64(untrusted_value, strict_mode=True)
    except Base64Error as error:
        raise RemoteProtocolError("base64", str(error)) from error
    if len(untrusted_value) != 4 * -(-len(untrusted_packed) // 3):  # which strict mode lets pass
        raise RemoteProtocolError("base64", "more padding than there is to fill")
    try:
        untrusted_items = msgpack.unpackb(
            untrusted_packed,
            raw=False,
            strict_map_key=False,
            object_pairs_hook=tuple,  # a map's keys may be anything, even what cannot be a dict's
            max_array_len=_ITEMS_MAX,
            max_map_len=_ITEMS_MAX,
            max_str_len=_TEXT_BYTES_MAX,
            max_bin_len=_TEXT_BYTES_MAX,
            max_ext_len=0,
            ext_hook=_refuse_extension,  # one of 0 bytes
        )
    except (ValueError, OverflowError, RecursionError, msgpack.UnpackException) as error:
        # ValueError: malformed, surplus bytes, over a limit, not UTF-8.
        raise RemoteProtocolError("msgpack", type(error).__name__) from error
    if type(untrusted_items) is not list:
        raise RemoteProtocolError("shape", "array expected")
    return kind.from_wire(untrusted_items)


def _refuse_extension(kind: int, _untrusted: bytes) -> None:
    raise ValueError(f"extension of type {kind}")


def encode_hello(message: Hello) -> bytes:
    """Bytes for HELLO_KEY."""
    return encode(message)


def encode_report(message: Report) -> bytes:
    """Bytes for REPORT_KEY; a typical one is at most 160 bytes."""
    return encode(message)


def encode_welcome(message: Welcome) -> bytes:
    """Bytes for WELCOME_KEY."""
    return encode(message)


def encode_grant(message: Grant) -> bytes:
    """Bytes for GRANT_KEY."""
    return encode(message)


def decode_hello(untrusted_value: bytes) -> Hello:
    """The hello that a guest wrote, or RemoteProtocolError."""
    return decode(Hello, untrusted_value)


def decode_report(untrusted_value: bytes) -> Report:
    """The report that a guest wrote, or RemoteProtocolError."""
    return decode(Report, untrusted_value)


def decode_welcome(untrusted_value: bytes) -> Welcome:
    """The welcome that dom0 wrote, or RemoteProtocolError."""
    return decode(Welcome, untrusted_value)


def decode_grant(untrusted_value: bytes) -> Grant:
    """The grant that dom0 wrote, or RemoteProtocolError."""
    return decode(Grant, untrusted_value)
