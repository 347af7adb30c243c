"""What can be asked of xenstore, alike outside and inside a transaction."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from . import wire
from .errors import Conflict, NoSuchPath, QuotaExceeded, XenstoreGarbled, refusal
from .payloads import decode_names, encode_path, encode_perms
from .wire import Refusal, Reply, Request

LISTING_TRIES_MAX: Final = 16
"""How often a long directory is begun again because it changed while it was listed, before that is a `Conflict`."""


class Operations(ABC):
    """The requests. Paths are ASCII text, absolute as a rule; values are any bytes, empty ones and NULs included.

    Every request waits at most for the deadline that the store was opened with, connecting included. All of them may
    raise `XenstoreTimeout`, `XenstoreDisconnected`, `XenstoreLocalError` (a bad path; path, NUL and value over 4096
    bytes) and `XenstoreRefused`, of which `NoSuchPath`, `PermissionRefused`, `QuotaExceeded` and `Conflict` are kinds.
    After a cancellation, a timeout or a disconnection it is unknown whether a write was done.
    """

    @abstractmethod
    async def _exchange(self, requests: Sequence[Request]) -> list[Reply | Refusal]:
        """Send requests together and return their answers in order."""

    async def _ask(self, operation: int, payload: bytes) -> bytes:
        request = (operation, payload)
        (answer,) = await self._exchange((request,))
        if isinstance(answer, Refusal):
            raise refusal(answer.name, wire.describe(request))
        return answer.payload

    async def read(self, path: str) -> bytes:
        """The value at `path`, exactly as it was written; `NoSuchPath` if there is no node."""
        return await self._ask(wire.READ, encode_path(path))

    async def read_many(self, paths: Iterable[str]) -> dict[str, bytes]:
        """The values of those of `paths` that exist, all asked for at once. Another refusal than ENOENT is raised."""
        unique = tuple(dict.fromkeys(paths))
        requests = [(wire.READ, encode_path(path)) for path in unique]
        values = {}
        for path, request, answer in zip(unique, requests, await self._exchange(requests), strict=True):
            if isinstance(answer, Reply):
                values[path] = answer.payload
            elif answer.name != "ENOENT":
                raise refusal(answer.name, wire.describe(request))
        return values

    async def exists(self, path: str) -> bool:
        """Whether there is a node that may be read."""
        try:
            await self.read(path)
        except NoSuchPath:
            return False
        return True

    async def write(self, path: str, value: bytes) -> None:
        """Set a value. Missing nodes on the way are made, with the permissions of what is above them."""
        await self._ask(wire.WRITE, encode_path(path) + value)

    async def write_many(self, values: Mapping[str, bytes]) -> None:
        """Set values, all sent at once and done in order. If one is refused that is raised; the others are done."""
        requests = [(wire.WRITE, encode_path(path) + value) for path, value in values.items()]
        for request, answer in zip(requests, await self._exchange(requests), strict=True):
            if isinstance(answer, Refusal):
                raise refusal(answer.name, wire.describe(request))

    async def mkdir(self, path: str) -> None:
        """Make a node without a value, and those above it, if they are missing."""
        await self._ask(wire.MKDIR, encode_path(path))

    async def remove(self, path: str) -> None:
        """Remove a node and all below it. Nothing there is no error; nothing above it is `NoSuchPath`."""
        await self._ask(wire.REMOVE, encode_path(path))

    async def directory(self, path: str) -> list[str]:
        """The names of the nodes directly below `path`, however many, in no order."""
        try:
            return decode_names(await self._ask(wire.DIRECTORY, encode_path(path)))
        except QuotaExceeded:  # E2BIG: the names don't fit in one message
            return await self._long_directory(path)

    async def _long_directory(self, path: str) -> list[str]:
        for _ in range(LISTING_TRIES_MAX):
            generation, payload = None, b""
            while True:
                part = await self._ask(wire.DIRECTORY_PART, encode_path(path) + b"%d\0" % len(payload))
                now, found, names = part.partition(b"\0")
                if not found or not names:
                    raise XenstoreGarbled(f"{part[:40]!r} is not a part of a directory")
                if now != (generation or now):
                    break
                generation = now
                if names.endswith(b"\0\0") or names == b"\0":  # an empty name ends the list
                    return decode_names(payload + names[:-1])
                payload += names
        raise Conflict("EAGAIN", f"{path} changed each of {LISTING_TRIES_MAX} times it was listed")

    async def get_perms(self, path: str) -> list[str]:
        """A node's permissions, as ["n0", "r7"]: the owner's domid with what all others may do, then exceptions."""
        return decode_names(await self._ask(wire.GET_PERMS, encode_path(path)))

    async def set_perms(self, path: str, perms: Sequence[str]) -> None:
        """Replace a node's permissions: a letter (r read, w write, b both, n none) and a domid each; owner first."""
        await self._ask(wire.SET_PERMS, encode_path(path) + encode_perms(perms))
