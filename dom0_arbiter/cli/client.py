"""Talks to the arbiter's admin socket: a line out, a line in."""

import json
import socket
from pathlib import Path
from typing import Any

from dom0_arbiter.service import SOCKET_PATH

EXIT_UNREACHABLE = 3
_TIMEOUT_S = 10.0


class UnreachableError(Exception):
    """No arbiter answers."""


class RefusedError(Exception):
    """The arbiter said no; the text is its own."""


def ask(request: dict[str, Any], *, path: Path = SOCKET_PATH) -> dict[str, Any]:
    """Send one request and return the answer. Raises UnreachableError and RefusedError."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_TIMEOUT_S)
            connection.connect(str(path))
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as lines:
                answer = json.loads(lines.readline())
    except (OSError, ValueError) as error:
        raise UnreachableError(f"{path}: {error or 'no answer'}") from error
    if "error" in answer:
        raise RefusedError(str(answer["error"]))
    return dict(answer)
