"""Who may read and write a node.

A node has a list of entries, each a letter and a domid: `n` nothing, `r` read, `w` write, `b` both. The first entry's
domid is the owner, who may do everything, and its letter is what everybody may who has no entry. Dom0 may do everything
always (xenstore.txt, Xen's docs/misc).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dom0_arbiter.simulator.xenstored.wire import Refusal

READ, WRITE, OWNER = 1, 2, 4
EVERYTHING = READ | WRITE | OWNER

_LETTERS = {b"n": 0, b"r": READ, b"w": WRITE, b"b": READ | WRITE}
_NAMES = {access: letter for letter, access in _LETTERS.items()}
_ENTRY = re.compile(rb"([nrwb])([0-9]{1,9})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """One entry. It is `ignored`, though still listed, once its domain has gone: the domid may come back as another."""

    domid: int
    access: int
    ignored: bool = False


Permissions = tuple[Permission, ...]
"""At least one entry."""

DOM0_ONLY: Permissions = (Permission(domid=0, access=0),)


def parse_permissions(entries: Sequence[bytes]) -> Permissions:
    """Entries as they are on the wire, such as b"n0"; Refusal("EINVAL").

    Octal and hexadecimal domids, which the C daemon would take, are refused.
    """
    permissions = []
    for entry in entries:
        found = _ENTRY.fullmatch(entry)
        if not found:
            raise Refusal("EINVAL")
        permissions.append(Permission(domid=int(found[2]), access=_LETTERS[found[1]]))
    return tuple(permissions)


def format_permissions(permissions: Permissions) -> bytes:
    """Entries as they are on the wire, each ended by a NUL."""
    return b"".join(b"%s%d\0" % (_NAMES[each.access], each.domid) for each in permissions)


def access_of(domid: int, permissions: Permissions) -> int:
    """What the domain may do: bits of READ, WRITE and OWNER. The first entry that names it decides."""
    if domid in (0, permissions[0].domid):
        return EVERYTHING
    for each in permissions[1:]:
        if each.domid == domid and not each.ignored:
            return each.access
    return permissions[0].access


def inherited(permissions: Permissions, creator: int) -> Permissions:
    """What a new node gets from its parent: all of it, but that a guest owns what it creates."""
    if creator in (0, permissions[0].domid):
        return permissions
    return (replace(permissions[0], domid=creator), *permissions[1:])


def without(domid: int, permissions: Permissions) -> Permissions:
    """The same once the domain has gone: what it owned is dom0's, its entries are ignored."""
    if all(each.domid != domid for each in permissions):
        return permissions
    owner = replace(permissions[0], domid=0) if permissions[0].domid == domid else permissions[0]
    others = (replace(each, ignored=True) if each.domid == domid else each for each in permissions[1:])
    return (owner, *others)
