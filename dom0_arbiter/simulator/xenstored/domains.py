"""The domains that xenstored knows of, what each has used, and how much it may.

The limits are the C daemon's (xenstored_core.c of Xen 4.17, options -E -W -S -t -A), each with the edge as measured.
Dom0 has none. Not played: the rate limit on writes while transactions are open, and the limit on a domain's memory, but
for what waits to be sent to it (`session`).
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dom0_arbiter.simulator.xenstored.paths import home_of

if TYPE_CHECKING:
    from dom0_arbiter.simulator.xenstored.session import Session

NODES_MAX = 1000
"""Nodes that a guest may own when it creates one; a transaction that created any must leave it with fewer."""

NODE_BYTES_MAX = 2047
"""Size of a node that a guest writes: 24, 8 for each permission, the value, the children's names each with a NUL."""

WATCHES_MAX = 129
"""Watches of a guest: its quota is 128, and the daemon compares late."""

TRANSACTIONS_MAX = 11
"""Open transactions of a guest: its quota is 10, and the daemon compares late."""

TRANSACTION_NODES_MAX = 1024
"""Nodes that a guest's transaction may look at or change."""

PERMISSIONS_MAX = 5
"""Entries that a guest may give a node."""


@dataclass(slots=True, eq=False)
class Domain:
    """A domain that the hypervisor has. One that is `introduced` can talk to xenstored."""

    domid: int
    home: bytes = field(init=False)
    introduced: bool = False
    nodes_total: int = 0
    watches_total: int = 0
    transactions_total: int = 0
    sessions: "dict[Session, None]" = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.home = home_of(self.domid)

    @property
    def privileged(self) -> bool:
        """Whether it is dom0."""
        return self.domid == 0
