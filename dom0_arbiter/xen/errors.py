"""What can go wrong with xenstore: one family, said in the caller's terms."""


class XenstoreError(Exception):
    """Any failure of a xenstore request."""


class XenstoreLocalError(XenstoreError, ValueError):
    """We were about to ask what xenstore can't be asked: a bad path or permission, or more than a message holds."""


class XenstoreTimeout(XenstoreError):
    """No answer within the deadline. Whether a write was done is unknown."""


class XenstoreDisconnected(XenstoreError):
    """The connection broke, or was closed, before the answer came. Whether a write was done is unknown."""


class XenstoreGarbled(XenstoreError):
    """The daemon sent what the protocol does not allow; the connection can't be trusted any more."""


class XenstoreRefused(XenstoreError):
    """The daemon said no. `name` is the errno's name as it was sent, such as "EINVAL"."""

    def __init__(self, name: str, what: str) -> None:
        super().__init__(f"{what}: {name}")
        self.name = name


class NoSuchPath(XenstoreRefused):
    """ENOENT: nothing is there, or for a removal, not even a parent."""


class PermissionRefused(XenstoreRefused):
    """EACCES or EPERM: the node's permissions do not let this domain."""


class Conflict(XenstoreRefused):
    """EAGAIN: someone else changed what the transaction had touched; nothing of it was done."""


class QuotaExceeded(XenstoreRefused):
    """ENOSPC, EDQUOT or E2BIG: too many or too large nodes, watches or transactions, or an answer over 4096 bytes."""


_BY_NAME: dict[str, type[XenstoreRefused]] = {
    "ENOENT": NoSuchPath,
    "EACCES": PermissionRefused,
    "EPERM": PermissionRefused,
    "EAGAIN": Conflict,
    "ENOSPC": QuotaExceeded,
    "EDQUOT": QuotaExceeded,
    "E2BIG": QuotaExceeded,
}


def refusal(name: str, what: str) -> XenstoreRefused:
    """The exception for an errno's name; `what` says what was asked, path included."""
    return _BY_NAME.get(name, XenstoreRefused)(name, what)
