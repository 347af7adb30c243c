"""Events on their way to the engine: the newest of a kind from a domain replaces an unread older one."""

import trio

from dom0_arbiter.engine import Event, MessageRefused


class Inbox:
    """Bounded by the number of domains, whatever guests write: what repeats before it is taken replaces the older."""

    def __init__(self) -> None:
        self._events: dict[object, Event] = {}
        self._arrival = trio.Event()

    def put(self, event: Event) -> None:
        """Add an event. Refusals are not replaced, because each is counted: the collector's pace bounds them."""
        key = object() if isinstance(event, MessageRefused) else (type(event), getattr(event, "domid", None))
        self._events.pop(key, None)  # the newest comes last, in the order of arrival
        self._events[key] = event
        self._arrival.set()

    def take(self) -> list[Event]:
        """Everything unread, oldest first."""
        events = list(self._events.values())
        self._events.clear()
        self._arrival = trio.Event()
        return events

    async def wait(self) -> None:
        """Return when there is something to take."""
        await self._arrival.wait()
