"""The admin socket: one JSON object a line, both ways.

Requests: {"command": "status"}, and {"command": "resume", "domain": NAME, UUID or ID}. An answer with `error` is a
refusal.
"""

import json
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import trio

log = logging.getLogger("aerostat.admin")

SOCKET_PATH = Path("/run/aerostat/aerostatd.sock")
_LINE_BYTES_MAX = 65_536
_IDLE_S = 60.0

Handler = Callable[[dict[str, Any]], dict[str, Any]]


class AdminError(Exception):
    """A request that cannot be met; the text is the answer."""


class SocketInUseError(Exception):
    """Another arbiter answers on the socket."""


async def listen_admin(path: Path) -> trio.SocketListener:
    """Open the socket, for root alone. Raises SocketInUseError if an arbiter answers there already."""
    await _remove_stale(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    listener = trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_STREAM)
    await listener.bind(str(path))
    path.chmod(0o600)
    listener.listen(16)
    return trio.SocketListener(listener)


async def serve_admin(listener: trio.SocketListener, handle: Handler) -> None:
    """Answer requests until cancelled."""
    await trio.serve_listeners(partial(_serve_client, handle), [listener])


async def _remove_stale(path: Path) -> None:
    """A socket file that nobody listens on is what a killed arbiter left behind."""
    if not path.exists():
        return
    try:
        stream = await trio.open_unix_socket(path)
    except OSError:
        path.unlink(missing_ok=True)
    else:
        await stream.aclose()
        raise SocketInUseError(f"{path}: an arbiter is running already")


async def _serve_client(handle: Handler, stream: trio.SocketStream) -> None:
    buffered = bytearray()
    try:
        while True:
            with trio.move_on_after(_IDLE_S) as idle:
                chunk = await stream.receive_some(4096)
            if idle.cancelled_caught or not chunk:
                return
            buffered += chunk
            while (end := buffered.find(b"\n")) >= 0:
                line = bytes(buffered[:end])
                del buffered[: end + 1]
                await stream.send_all(_answer(handle, line))
            if len(buffered) > _LINE_BYTES_MAX:
                await stream.send_all(_line({"error": f"a request is at most {_LINE_BYTES_MAX} bytes"}))
                return
    except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
        log.debug("a client left: %s", error)
    finally:
        await trio.aclose_forcefully(stream)


def _answer(handle: Handler, line: bytes) -> bytes:
    try:
        request = json.loads(line)
        if not isinstance(request, dict):
            raise AdminError("a request is a JSON object")
        return _line(handle(request))
    except (ValueError, RecursionError) as error:
        return _line({"error": f"not JSON: {error}"})
    except AdminError as error:
        return _line({"error": str(error)})


def _line(answer: dict[str, Any]) -> bytes:
    return json.dumps(answer, separators=(",", ":")).encode() + b"\n"
