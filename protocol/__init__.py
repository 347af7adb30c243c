"""The wire contract between a guest's agent and dom0's arbiter: messages, bounds, codec, keys, negotiation.

Pure and small: the standard library and msgpack, nothing else, because every module here costs memory in every guest.
SPEC.md says the same in prose, for agents in other languages.
"""

from protocol.codec import (
    VALUE_BYTES_MAX,
    decode_grant,
    decode_hello,
    decode_report,
    decode_welcome,
    encode_grant,
    encode_hello,
    encode_report,
    encode_welcome,
)
from protocol.errors import REASONS, LocalProtocolError, ProtocolError, RemoteProtocolError
from protocol.keys import GRANT_KEY, HELLO_KEY, PULSE_KEY, PULSE_S, REPORT_KEY, WELCOME_KEY, domain_path
from protocol.messages import (
    FINAL,
    HAS_BALLOON,
    HAS_PSI,
    HAS_VMSTAT,
    TAKES_GRANTS,
    URGENT,
    VERSION_HIGHEST,
    VERSION_LOWEST,
    VERSION_UNAGREED,
    Grant,
    Hello,
    Report,
    Welcome,
)
from protocol.negotiation import choose_version
from protocol.version import __version__

__all__ = [
    "FINAL",
    "GRANT_KEY",
    "HAS_BALLOON",
    "HAS_PSI",
    "HAS_VMSTAT",
    "HELLO_KEY",
    "PULSE_KEY",
    "PULSE_S",
    "REASONS",
    "REPORT_KEY",
    "TAKES_GRANTS",
    "URGENT",
    "VALUE_BYTES_MAX",
    "VERSION_HIGHEST",
    "VERSION_LOWEST",
    "VERSION_UNAGREED",
    "WELCOME_KEY",
    "Grant",
    "Hello",
    "LocalProtocolError",
    "ProtocolError",
    "RemoteProtocolError",
    "Report",
    "Welcome",
    "__version__",
    "choose_version",
    "decode_grant",
    "decode_hello",
    "decode_report",
    "decode_welcome",
    "domain_path",
    "encode_grant",
    "encode_hello",
    "encode_report",
    "encode_welcome",
]
