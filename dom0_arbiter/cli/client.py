"""Talks to the arbiter's admin socket: a line out, a line in. Needs nothing beyond the standard library."""

import json
import socket
from pathlib import Path
from typing import Any

SOCKET_PATH = Path("/run/aerostat/aerostatd.sock")  # as in service.admin, which cannot be imported without trio
EXIT_UNREACHABLE = 3
_TIMEOUT_S = 10.0


class UnreachableError(Exception):
    """No arbiter answers. The text says where it was looked for, and what to do about it."""


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
    except PermissionError as error:
        raise UnreachableError(f"{path}: {error.strerror}; run this as root") from error
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise UnreachableError(f"{path}: {error.strerror}; is aerostatd running?") from error
    except (OSError, ValueError) as error:
        raise UnreachableError(f"{path}: {error or 'no answer'}") from error
    if "error" in answer:
        raise RefusedError(str(answer["error"]))
    return dict(answer)
