"""Who is to blame when a message is wrong."""


class ProtocolError(Exception):
    """A message that the contract does not allow.

    `reason` is one of the words in `REASONS`, fit for a counter's label; the text names the field and what was allowed.
    """

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class LocalProtocolError(ProtocolError):
    """We were about to say something that the contract does not allow: a bug on this side."""


class RemoteProtocolError(ProtocolError):
    """The peer said something that the contract does not allow. Never a reason to stop."""


REASONS = ("size", "base64", "msgpack", "shape", "type", "range")
