"""The nodes, and the few ways in which anything touches them.

An operation does not care whether it works on the store itself or in a transaction: both are a `View`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol

from dom0_arbiter.simulator.xenstored.paths import child_of, name_of, parent_of
from dom0_arbiter.simulator.xenstored.permissions import DOM0_ONLY, Permissions, inherited

_HEADER_BYTES, _PERMISSION_BYTES = 24, 8
"""What the daemon's database record holds besides value and names (struct xs_tdb_record_hdr, struct xs_permissions)."""


@dataclass(slots=True)
class Node:
    """One node. `children` are names in the order of their making; `generation` is of its last change."""

    permissions: Permissions
    value: bytes = b""
    children: dict[bytes, None] = field(default_factory=dict)
    children_bytes: int = 0
    generation: int = 0

    def add_child(self, name: bytes) -> None:
        """Name a new child; the node itself is made elsewhere."""
        self.children[name] = None
        self.children_bytes += len(name) + 1

    def remove_child(self, name: bytes) -> None:
        """Forget a child's name."""
        del self.children[name]
        self.children_bytes -= len(name) + 1

    def size_with(
        self, *, value_bytes: int | None = None, permissions_total: int | None = None, name: bytes = b""
    ) -> int:
        """Bytes that the quota counts, were the value of that length, the entries so many, or a child added."""
        size = _HEADER_BYTES + self.children_bytes + (len(name) + 1 if name else 0)
        size += _PERMISSION_BYTES * (len(self.permissions) if permissions_total is None else permissions_total)
        return size + (len(self.value) if value_bytes is None else value_bytes)

    def copy(self) -> "Node":
        """A node that can change on its own."""
        return replace(self, children=dict(self.children))


class View(Protocol):
    """The nodes as a transaction, or everybody, sees them. A node from `get` may be changed; then call `changed`."""

    def get(self, path: bytes) -> Node | None:
        """The node, or None; in a transaction a conflict if somebody changes it before the end."""

    def changed(self, path: bytes, node: Node) -> None:
        """The node has been changed, or is new."""

    def deleted(self, path: bytes) -> None:
        """The node, which exists, is to go."""

    def charge(self, domid: int, nodes: int) -> None:
        """The domain owns that many nodes more (or, negative, fewer)."""

    def fire(self, path: bytes, node: Node | None, *, exact: bool = False, before: Permissions | None = None) -> None:
        """Something happened to the node: tell those who watch it, and unless `exact` those who watch above it.

        Only those hear of it who could read the node `before`, or may read it or its parent now; where there is no node
        any more, only the former.
        """


def nearest(view: View, path: bytes) -> Node:
    """The closest node above the path that exists."""
    while True:
        path = parent_of(path)
        node = view.get(path)
        if node is not None:
            return node


def missing_paths(view: View, path: bytes) -> tuple[list[bytes], Node]:
    """The path and those above it that do not exist, topmost last, and the node below which they would be."""
    missing = [path]
    while True:
        above = parent_of(missing[-1])
        node = view.get(above)
        if node is not None:
            return missing, node
        missing.append(above)


def create(view: View, path: bytes, value: bytes, creator: int) -> Node:
    """Make a node that is not there, and what is missing above it. No quota is asked."""
    missing, parent = missing_paths(view, path)
    above = parent_of(missing[-1])
    for each in reversed(missing):
        parent.add_child(name_of(each))
        view.changed(above, parent)
        parent, above = Node(permissions=inherited(parent.permissions, creator)), each
        view.charge(parent.permissions[0].domid, 1)
    parent.value = value
    view.changed(path, parent)
    return parent


def remove(view: View, path: bytes) -> None:
    """Remove an existing node, not the root, and all below it: children first, in order, each with its own event."""
    above = parent_of(path)
    parent = nearest(view, path)
    for each, node in _children_first(view, path):
        view.deleted(each)
        view.charge(node.permissions[0].domid, -1)
        view.fire(each, node, exact=each != path)
    parent.remove_child(name_of(path))
    view.changed(above, parent)


def _children_first(view: View, path: bytes) -> Iterator[tuple[bytes, Node]]:
    """All nodes from `path` down. Not recursive: a path can have a thousand parts."""
    open_nodes = [_opened(view, path)]
    while open_nodes:
        above, node, names = open_nodes[-1]
        name = next(names, None)
        if name is None:
            open_nodes.pop()
            yield above, node
        else:
            open_nodes.append(_opened(view, child_of(above, name)))


def _opened(view: View, path: bytes) -> tuple[bytes, Node, Iterator[bytes]]:
    node = view.get(path)
    if node is None:
        raise LookupError(path)  # its parent names it: the tree is broken
    return path, node, iter(tuple(node.children))


@dataclass(slots=True)
class Tree:
    """The nodes of the store by path. A new one holds what a fresh daemon does."""

    nodes: dict[bytes, Node] = field(default_factory=dict)
    generation: int = 0
    """The number of changes so far."""

    def __post_init__(self) -> None:
        for path, child in ((b"/", b"tool"), (b"/tool", b"xenstored"), (b"/tool/xenstored", None)):
            node = Node(permissions=DOM0_ONLY)
            if child is not None:
                node.add_child(child)
            self.put(path, node)

    def put(self, path: bytes, node: Node) -> None:
        """Store a node that is new or changed."""
        self.generation += 1
        node.generation = self.generation
        self.nodes[path] = node
