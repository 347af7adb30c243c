"""What goes into requests and what comes out of replies: paths, permissions, lists of names.

Paths and permissions are checked by pyxs, and where its patterns have a hole (a newline or a NUL at the end) by us.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache

from pyxs.exceptions import InvalidPath, InvalidPermission
from pyxs.helpers import check_path, check_perms, check_watch_path

from .errors import XenstoreGarbled, XenstoreLocalError

_CACHED_PATHS = 8192  # checking costs more than sending: a host's paths are few and recur


@lru_cache(_CACHED_PATHS)
def encode_path(path: str) -> bytes:
    """A path with its terminating NUL; raises `XenstoreLocalError` for what can't be a node's name."""
    return _checked(path, check_path)


@lru_cache(_CACHED_PATHS)
def encode_watch_path(path: str) -> bytes:
    """The same for a watch: also @introduceDomain and @releaseDomain."""
    return _checked(path, check_watch_path)


def _checked(path: str, check: Callable[[bytes], object]) -> bytes:
    try:
        encoded = path.encode("ascii")
        check(encoded)
    except (UnicodeEncodeError, InvalidPath) as error:
        raise XenstoreLocalError(f"{path[:80]!r} can't be a path in xenstore") from error
    if encoded.endswith((b"\n", b"\0")):
        raise XenstoreLocalError(f"{path[:80]!r} can't be a path in xenstore")
    return encoded + b"\0"


def encode_perms(perms: Sequence[str]) -> bytes:
    """Permissions such as ["n0", "r7"], the owner's first; raises `XenstoreLocalError`."""
    encoded = [each.encode(errors="replace") for each in perms]
    try:
        check_perms(encoded)
    except InvalidPermission as error:
        raise XenstoreLocalError(f"{perms!r} are not permissions: a letter of w, r, b, n and a domid each") from error
    if not encoded or any(each.endswith(b"\n") for each in encoded):
        raise XenstoreLocalError(f"{perms!r} are not permissions: a letter of w, r, b, n and a domid each")
    return b"".join(each + b"\0" for each in encoded)


def decode_names(payload: bytes) -> list[str]:
    """Names or permissions, each with its NUL; raises `XenstoreGarbled`."""
    try:
        names = payload.decode("ascii").split("\0")
    except UnicodeDecodeError:
        raise XenstoreGarbled("a list of names that is not ASCII") from None
    if names.pop():
        raise XenstoreGarbled("a list of names that does not end with a NUL")
    return names
