"""The nodes as everybody sees them: the View outside of transactions."""

from dom0_arbiter.simulator.xenstored.domains import Domain
from dom0_arbiter.simulator.xenstored.paths import child_of, parent_of
from dom0_arbiter.simulator.xenstored.permissions import READ, Permissions, access_of, without
from dom0_arbiter.simulator.xenstored.session import Session
from dom0_arbiter.simulator.xenstored.tree import Node, Tree, remove
from dom0_arbiter.simulator.xenstored.watches import Watches


class Live:
    """See View. Sessions that an event was queued for are added to `to_deliver`."""

    def __init__(self, domains: dict[int, Domain], watches: Watches, to_deliver: dict[Session, None]) -> None:
        self._tree = Tree()
        self._domains = domains
        self._watches = watches
        self._to_deliver = to_deliver

    def get(self, path: bytes) -> Node | None:
        """See View."""
        return self._tree.nodes.get(path)

    def changed(self, path: bytes, node: Node) -> None:
        """See View."""
        self._tree.put(path, node)

    def deleted(self, path: bytes) -> None:
        """See View."""
        del self._tree.nodes[path]

    def charge(self, domid: int, nodes: int) -> None:
        """See View."""
        owner = self._domains.get(domid)
        if owner is not None:
            owner.nodes_total += nodes

    def fire(self, path: bytes, node: Node | None, *, exact: bool = False, before: Permissions | None = None) -> None:
        """See View."""
        above = self._tree.nodes.get(parent_of(path))
        seen_by = [before] if before is not None else []
        if node is not None:
            seen_by.append(node.permissions)
            if above is not None:
                seen_by.append(above.permissions)
        self._fire(path, seen_by, exact=exact)

    def fire_special(self, name: bytes, permissions: Permissions) -> None:
        """Fire @introduceDomain or @releaseDomain, for those who may read it."""
        self._fire(name, [permissions], exact=True)

    def forget_domain(self, domid: int) -> None:
        """Remove what a domain owned, with all below, as if dom0 did; whom else it concerned no longer lists it.

        The daemon does so since the fix for XSA-419: else the next domain of that number would inherit.
        """
        waiting = [b"/"]
        while waiting:
            path = waiting.pop()
            node = self._tree.nodes[path]
            if node.permissions[0].domid == domid and path != b"/":
                remove(self, path)
                continue
            node.permissions = without(domid, node.permissions)
            waiting.extend(child_of(path, name) for name in reversed(node.children))

    def _fire(self, path: bytes, seen_by: list[Permissions], *, exact: bool) -> None:
        for watch in self._watches.on(path, exact=exact):
            domid = watch.session.domain.domid
            if any(access_of(domid, permissions) & READ for permissions in seen_by):
                watch.session.send_event(path[watch.prefix_bytes :], watch.token)
                self._to_deliver[watch.session] = None
