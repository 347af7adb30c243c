"""A xenstore server for machines without Xen: the real wire protocol, over Unix sockets, in the same process.

`serve_xenstore` is the way in; what it serves behaves as Xen 4.17's C daemon, which one contract suite holds both to
(tests/contract). All but `server` and `connection` is pure: requests in, messages out, no clock and no trio. It imports
nothing of the project, so that what runs against it is judged by something that shares no code with it.
"""

from dom0_arbiter.simulator.xenstored.server import XenstoreServer, serve_xenstore
from dom0_arbiter.simulator.xenstored.session import Session
from dom0_arbiter.simulator.xenstored.store import Store
from dom0_arbiter.simulator.xenstored.wire import HEADER, PAYLOAD_BYTES_MAX, MessageBuffer, Operation, Refusal

__all__ = [
    "HEADER",
    "PAYLOAD_BYTES_MAX",
    "MessageBuffer",
    "Operation",
    "Refusal",
    "Session",
    "Store",
    "XenstoreServer",
    "serve_xenstore",
]
