"""Watch events on their way to whoever reads them.

A slow reader must not stall replies, nor may its unread events grow without bound, whatever guests write. An event only
says "look again", so events for the same path are one while unread, and a watch with more than 64 unread paths has one
event left, for the watched path itself. Watches take turns: one that a guest floods does not delay the others.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Self

import trio

from .payloads import encode_watch_path

UNREAD_PATHS_MAX: Final = 64
"""Distinct paths that one watch keeps unread: more than any watch of ours has a use for."""


@dataclass(frozen=True, slots=True)
class Change:
    """What the daemon said: `path`, at or below the watched path `watch`, may have changed. Read it to know.

    Spurious changes are allowed: each watch starts with one, for its own path, and so does each reconnection.
    """

    watch: str
    path: str


@dataclass(slots=True, kw_only=True)
class Watch:
    """One registration: its path, its token, and the paths of its unread events in the order they first came."""

    path: str
    token: str
    payload: bytes  # of the requests WATCH and UNWATCH
    reader: "Watches"
    unread: dict[str, None]

    def add(self, path: str) -> None:
        """Keep an event for the reader."""
        if path in self.unread:
            return
        if len(self.unread) >= UNREAD_PATHS_MAX:
            self.unread.clear()
            path = self.path
        self.unread[path] = None
        self.reader.wake(self)


class WatchTable:
    """Every watch there should be, by token: what is routed by, and what is restored after a reconnection."""

    def __init__(self) -> None:
        self._watches: dict[str, Watch] = {}
        self._tokens_total = 0

    def add(self, path: str, reader: "Watches") -> Watch:
        """A new watch under a token that was never used before."""
        self._tokens_total += 1
        token = str(self._tokens_total)
        payload = encode_watch_path(path) + token.encode() + b"\0"
        watch = self._watches[token] = Watch(path=path, token=token, payload=payload, reader=reader, unread={})
        return watch

    def remove(self, watch: Watch) -> None:
        """Events under its token are void from now on."""
        del self._watches[watch.token]

    def all(self) -> list[Watch]:
        """In the order they were added."""
        return list(self._watches.values())

    def route(self, token: str, path: str) -> None:
        """Hand an event to its watch. An unknown token is that of a watch just removed: its last events are void."""
        watch = self._watches.get(token)
        if watch is not None:
            watch.add(path)


class Watches:
    """Watches with one reader: `async for change in watches`, or `take` for all that is unread."""

    def __init__(
        self,
        table: WatchTable,
        register: Callable[[Sequence[Watch]], Awaitable[None]],
        unregister: Callable[[Sequence[Watch]], None],
    ) -> None:
        self._table = table
        self._register = register
        self._unregister = unregister
        self._by_path: dict[str, Watch] = {}
        self._ready: dict[str, Watch] = {}  # watches with unread events, by token: the next to be read first
        self._readers = trio.lowlevel.ParkingLot()

    @property
    def paths(self) -> list[str]:
        """The watched paths."""
        return list(self._by_path)

    async def add(self, *paths: str) -> None:
        """Watch more paths; those already watched stay as they are. All are asked for at once.

        When it returns the daemon has them; each comes up as a change at once. If it raises (`XenstoreTimeout`,
        `XenstoreLocalError`), or is cancelled, none of them is watched. They outlive reconnections.
        """
        for path in paths:
            encode_watch_path(path)  # refuses a bad one before any is added
        new = [self._table.add(path, self) for path in dict.fromkeys(paths) if path not in self._by_path]
        self._by_path |= {watch.path: watch for watch in new}
        try:
            await self._register(new)
        except BaseException:
            self.remove(*(watch.path for watch in new))
            raise

    def remove(self, *paths: str) -> None:
        """Stop watching: what is unread of these paths is dropped, and nothing more comes. Unknown ones are ignored."""
        gone = [watch for path in paths if (watch := self._by_path.pop(path, None)) is not None]
        for watch in gone:
            self._table.remove(watch)
            self._ready.pop(watch.token, None)
        self._unregister(gone)

    async def take(self) -> list[Change]:
        """Every unread change; waits for one if there is none. With `read_many`, a burst then costs one round."""
        await self._wait()
        changes = [Change(watch.path, path) for watch in self._ready.values() for path in watch.unread]
        for watch in self._ready.values():
            watch.unread.clear()
        self._ready.clear()
        return changes

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Change:
        await self._wait()
        token, watch = next(iter(self._ready.items()))
        path = next(iter(watch.unread))
        del watch.unread[path], self._ready[token]
        if watch.unread:  # to the end of the queue: the others are next
            self._ready[token] = watch
        return Change(watch.path, path)

    def wake(self, watch: Watch) -> None:
        """A watch of ours has something to read."""
        self._ready[watch.token] = watch
        self._readers.unpark()

    async def _wait(self) -> None:
        if self._ready:  # no need to yield to others: nothing is added while this task runs, so it parks soon enough
            await trio.lowlevel.checkpoint_if_cancelled()
        while not self._ready:
            await self._readers.park()
