"""Requests about nodes: checks and answers as the C daemon's (xenstored_core.c of Xen 4.17), in its order.

Every function takes the store, the session that asks, the view that its transaction id names, and the payload; it
returns the reply's payload, or raises Refusal with the name of an error.
"""

from typing import TYPE_CHECKING

from dom0_arbiter.simulator.xenstored.domains import NODE_BYTES_MAX, NODES_MAX, PERMISSIONS_MAX
from dom0_arbiter.simulator.xenstored.paths import canonical, name_of, parent_of
from dom0_arbiter.simulator.xenstored.permissions import (
    OWNER,
    READ,
    WRITE,
    access_of,
    format_permissions,
    parse_permissions,
)
from dom0_arbiter.simulator.xenstored.session import Session
from dom0_arbiter.simulator.xenstored.transactions import Transaction
from dom0_arbiter.simulator.xenstored.tree import Node, View, create, missing_paths, nearest, remove
from dom0_arbiter.simulator.xenstored.wire import OK, PAYLOAD_BYTES_MAX, Refusal, leading_number, one_string

if TYPE_CHECKING:
    from dom0_arbiter.simulator.xenstored.store import Store


def _find(session: Session, view: View, path: bytes, wanted: int) -> Node | None:
    """The node if the session may do what is `wanted` with it, None if it is missing and the session may know that.

    Who has none of those rights on the closest node above learns nothing: EACCES, whether the node is there or not.
    """
    domid = session.domain.domid
    node = view.get(path)
    if node is not None and access_of(domid, node.permissions) & wanted == wanted:
        return node
    allowed = access_of(domid, nearest(view, path).permissions)
    if node is not None or not allowed & wanted:
        raise Refusal("EACCES")
    return None


def _get(session: Session, view: View, path: bytes, wanted: int) -> Node:
    node = _find(session, view, canonical(path, session.domain.home), wanted)
    if node is None:
        raise Refusal("ENOENT")
    return node


def _create(session: Session, view: View, path: bytes, value: bytes) -> Node:
    """Make a node that is missing, within the quotas."""
    domain = session.domain
    if not domain.privileged:
        missing, parent = missing_paths(view, path)
        # Within a transaction the daemon counts only what was there before it; the rest is for the commit to find.
        new = 1 if isinstance(view, Transaction) else len(missing)
        if domain.nodes_total + new > NODES_MAX:
            raise Refusal("ENOSPC")
        _check_size(session, view, parent.size_with(name=name_of(missing[-1])))
        _check_size(session, view, Node(permissions=parent.permissions).size_with(value_bytes=len(value)))
    if isinstance(view, Transaction):
        view.created = True
    return create(view, path, value, domain.domid)


def _check_size(session: Session, view: View, size: int) -> None:
    if size > NODE_BYTES_MAX and not session.domain.privileged:
        if isinstance(view, Transaction):
            view.failed = True
        raise Refusal("ENOSPC")


def directory(store: "Store", session: Session, view: View, payload: bytes) -> bytes:
    """Names of the children, each ended by a NUL."""
    return b"".join(name + b"\0" for name in _get(session, view, one_string(payload), READ).children)


def directory_part(store: "Store", session: Session, view: View, payload: bytes) -> bytes:
    """For directories beyond one payload: the generation, then names from an offset on; an empty name is the end."""
    if payload.count(b"\0") != 2:
        raise Refusal("EINVAL")
    path, offset, _ = payload.split(b"\0")
    node = _get(session, view, path, READ)
    head = b"%d\0" % node.generation
    names = b"".join(name + b"\0" for name in node.children)
    start = leading_number(offset)
    if not 0 <= start < len(names):
        return head + b"\0"
    room = PAYLOAD_BYTES_MAX - len(head) - 1
    part = names[start : start + room]
    if start + len(part) == len(names):
        return head + part + b"\0"
    return head + part[: part.rfind(b"\0") + 1]


def read(store: "Store", session: Session, view: View, payload: bytes) -> bytes:
    """The value, as it is."""
    return _get(session, view, one_string(payload), READ).value


def get_perms(store: "Store", session: Session, view: View, payload: bytes) -> bytes:
    """The permissions; reading them needs no more than reading the value."""
    return format_permissions(_get(session, view, one_string(payload), READ).permissions)


def write(store: "Store", session: Session, view: View, payload: bytes) -> bytes:
    """Set a value; makes the node and what is missing above it."""
    path, nul, value = payload.partition(b"\0")
    if not nul:
        raise Refusal("EINVAL")
    path = canonical(path, session.domain.home)
    node = _find(session, view, path, WRITE)
    if node is None:
        node = _create(session, view, path, value)
    else:
        _check_size(session, view, node.size_with(value_bytes=len(value)))
        node.value = value
        view.changed(path, node)
    view.fire(path, node)
    return OK


def mkdir(store: "Store", session: Session, view: View, payload: bytes) -> bytes:
    """Make an empty node if it is not there."""
    path = canonical(one_string(payload), session.domain.home)
    if _find(session, view, path, WRITE) is None:
        view.fire(path, _create(session, view, path, b""))
    return OK


def rm(store: "Store", session: Session, view: View, payload: bytes) -> bytes:
    """Remove a node and all below it. One that is not there is no error if its parent is."""
    path = canonical(one_string(payload), session.domain.home)
    if _find(session, view, path, WRITE) is None:
        if view.get(parent_of(path)) is None:
            raise Refusal("ENOENT")
        return OK
    if path == b"/":
        raise Refusal("EINVAL")
    remove(view, path)
    return OK


def set_perms(store: "Store", session: Session, view: View, payload: bytes) -> bytes:
    """Set all permissions of a node, or of @introduceDomain or @releaseDomain: who may know of those."""
    if payload.count(b"\0") < 2:
        raise Refusal("EINVAL")
    path, *entries = payload.split(b"\0")[:-1]
    if len(entries) > PERMISSIONS_MAX and not session.domain.privileged:
        raise Refusal("ENOSPC")
    permissions = store.known(parse_permissions(entries))
    if path.startswith(b"@"):
        store.set_special_permissions(session, path, permissions)
        return OK
    path = canonical(path, session.domain.home)
    node = _find(session, view, path, WRITE | OWNER)
    if node is None:
        raise Refusal("ENOENT")
    before = node.permissions
    if permissions[0].domid != before[0].domid and not session.domain.privileged:
        raise Refusal("EPERM")
    _check_size(session, view, node.size_with(permissions_total=len(permissions)))
    view.charge(before[0].domid, -1)
    view.charge(permissions[0].domid, 1)
    node.permissions = permissions
    view.changed(path, node)
    view.fire(path, node, before=before)
    return OK
