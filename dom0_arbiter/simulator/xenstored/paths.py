"""Names of nodes: what is valid, what a relative one means, who the parent is.

From xenstore.txt (Xen's docs/misc), with limits as measured on xenstored 4.17.
"""

import re

from dom0_arbiter.simulator.xenstored.wire import Refusal

PATH_BYTES_MAX = 2048
"""Not counting a leading "/local/domain/N/"; it binds dom0 too (the daemon's quota path-max)."""

_VALID = re.compile(rb"/|(?:/[-0-9A-Za-z_@]+)+")
_HOME = re.compile(rb"/local/domain/[0-9]{1,5}/")


def home_of(domid: int) -> bytes:
    """Where the relative paths of a domain start."""
    return b"/local/domain/%d" % domid


def absolute(path: bytes, home: bytes) -> bytes:
    """The absolute form of a path as a client gives it, not yet judged. Names of special events (@...) stay so."""
    return path if path[:1] in (b"/", b"@") else home + b"/" + path


def canonical(path: bytes, home: bytes) -> bytes:
    """The absolute path of a node; Refusal("EINVAL") if there can be none of that name."""
    path = absolute(path, home)
    if not _VALID.fullmatch(path):
        raise Refusal("EINVAL")
    if len(path) > PATH_BYTES_MAX:
        start = _HOME.match(path)
        if len(path) - (start.end() if start else 0) > PATH_BYTES_MAX:
            raise Refusal("EINVAL")
    return path


def parent_of(path: bytes) -> bytes:
    """The path one up; the root's is the root."""
    return path[: path.rfind(b"/")] or b"/"


def child_of(path: bytes, name: bytes) -> bytes:
    """The path of a child."""
    return b"/" + name if path == b"/" else path + b"/" + name


def name_of(path: bytes) -> bytes:
    """The last part."""
    return path[path.rfind(b"/") + 1 :]
