"""Watches: who is told when a node changes.

A watch fires once when it is set, then for its node and all below. When a node is removed with what it contains,
watches above hear of the node removed, and those exactly on what it contained hear of that.
"""

from dataclasses import dataclass
from itertools import count

from dom0_arbiter.simulator.xenstored.paths import parent_of
from dom0_arbiter.simulator.xenstored.session import Session
from dom0_arbiter.simulator.xenstored.wire import Refusal


@dataclass(slots=True, eq=False)
class Watch:
    """One watch. Its client gets paths without their first `prefix_bytes`: relative, as it set it."""

    session: Session
    path: bytes
    token: bytes
    prefix_bytes: int
    sequence: int


class Watches:
    """All watches, found by path. A client's events of one change come in the order in which it set its watches."""

    def __init__(self) -> None:
        self._by_path: dict[bytes, list[Watch]] = {}
        self._sequence = count()

    def add(self, session: Session, path: bytes, token: bytes, prefix_bytes: int) -> Watch:
        """Set a watch that the session has not."""
        watch = Watch(session, path, token, prefix_bytes, next(self._sequence))
        session.watches[path, token] = watch
        session.domain.watches_total += 1
        self._by_path.setdefault(path, []).append(watch)
        return watch

    def remove(self, session: Session, path: bytes, token: bytes) -> None:
        """Take one back; Refusal("ENOENT")."""
        watch = session.watches.pop((path, token), None)
        if watch is None:
            raise Refusal("ENOENT")
        self._forget(watch)

    def remove_all(self, session: Session) -> None:
        """Take back all of the session's."""
        for watch in session.watches.values():
            self._forget(watch)
        session.watches.clear()

    def on(self, path: bytes, *, exact: bool) -> list[Watch]:
        """The watches that a change of the path concerns: on it, and unless `exact` on anything above."""
        found = self._by_path.get(path, [])
        if exact:
            return found
        found = [*found]
        above = path
        while above != b"/":
            above = parent_of(above)
            found += self._by_path.get(above, ())
        if len(found) > 1:
            found.sort(key=lambda watch: watch.sequence)
        return found

    def _forget(self, watch: Watch) -> None:
        watch.session.domain.watches_total -= 1
        same_path = self._by_path[watch.path]
        same_path.remove(watch)
        if not same_path:
            del self._by_path[watch.path]
