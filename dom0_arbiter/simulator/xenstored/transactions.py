"""Transactions, as the C daemon does them.

Not a snapshot of everything: a node is copied when the transaction first looks at it (or finds it missing), and it
works on its copy from then on. At the end nothing of what it looked at may have changed in the store, else EAGAIN and
nothing happens. Then all changes are there at once, and their events follow in the order in which the nodes were first
looked at (xenstored_transaction.c; order measured on 4.17).
"""

from collections import Counter
from dataclasses import dataclass

from dom0_arbiter.simulator.xenstored.domains import NODES_MAX, TRANSACTION_NODES_MAX, Domain
from dom0_arbiter.simulator.xenstored.permissions import Permissions, without
from dom0_arbiter.simulator.xenstored.tree import Node, View
from dom0_arbiter.simulator.xenstored.wire import Refusal

_ABSENT = 0
"""The generation of a node that is not there; the first real one is 1."""


@dataclass(slots=True)
class _Entry:
    """What a transaction knows of one path."""

    generation: int
    before: Permissions | None
    node: Node | None
    modified: bool = False
    fires: bool = False
    exact: bool = True


class Transaction:
    """A View on top of the store's own; nobody else sees what it does before `commit`."""

    def __init__(self, domain: Domain, live: View) -> None:
        self._domain = domain
        self._live = live
        self._entries: dict[bytes, _Entry] = {}
        self._charges: Counter[int] = Counter()
        self.created = False
        """A guest's transaction that created a node must leave it below its quota."""
        self.failed = False
        """Something went wrong that cannot be taken back: it cannot be committed any more."""

    def get(self, path: bytes) -> Node | None:
        """See View; Refusal("ENOSPC") where a guest's looks at too much."""
        entry = self._entries.get(path)
        if entry is None:
            if len(self._entries) >= TRANSACTION_NODES_MAX and not self._domain.privileged:
                self.failed = True
                raise Refusal("ENOSPC")
            found = self._live.get(path)
            entry = (
                _Entry(_ABSENT, None, None)
                if found is None
                else _Entry(found.generation, found.permissions, found.copy())
            )
            self._entries[path] = entry
        return entry.node

    def changed(self, path: bytes, node: Node) -> None:
        """See View."""
        entry = self._entries[path]
        entry.node, entry.modified = node, True

    def deleted(self, path: bytes) -> None:
        """See View."""
        entry = self._entries[path]
        entry.node, entry.modified = None, True

    def charge(self, domid: int, nodes: int) -> None:
        """See View."""
        self._charges[domid] += nodes

    def fire(self, path: bytes, node: Node | None, *, exact: bool = False, before: Permissions | None = None) -> None:
        """See View: the event waits for the commit, where `before` is from the start."""
        entry = self._entries[path]
        entry.fires = True
        entry.exact &= exact

    def commit(self, domains: dict[int, Domain]) -> None:
        """Do it all or raise: Refusal("ENOMEM") if it has failed, "EAGAIN" on a conflict, "ENOSPC" above a quota."""
        if self.failed:
            raise Refusal("ENOMEM")
        if self.created and not self._domain.privileged:
            self._check_quotas(domains)
        for path, entry in self._entries.items():
            found = self._live.get(path)
            if entry.generation != (_ABSENT if found is None else found.generation):
                raise Refusal("EAGAIN")
        for domid, nodes in self._charges.items():
            self._live.charge(domid, nodes)
        for path, entry in self._entries.items():
            if entry.modified:
                self._apply(path, entry, domains)

    def _check_quotas(self, domains: dict[int, Domain]) -> None:
        for domid, nodes in self._charges.items():
            owner = domains.get(domid)
            if owner is not None and not owner.privileged and owner.nodes_total + nodes >= NODES_MAX:
                raise Refusal("ENOSPC")

    def _apply(self, path: bytes, entry: _Entry, domains: dict[int, Domain]) -> None:
        if entry.node is not None:
            owner = entry.node.permissions[0].domid
            if owner not in domains:  # it died meanwhile
                entry.node.permissions = without(owner, entry.node.permissions)
            self._live.changed(path, entry.node)
        elif entry.generation != _ABSENT:
            self._live.deleted(path)
        if entry.fires:
            self._live.fire(path, entry.node, exact=entry.exact, before=entry.before)
