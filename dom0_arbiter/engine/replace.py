"""dataclasses.replace at half its price, for what every report and every look changes."""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar

Thing = TypeVar("Thing")


def replace(thing: Thing, **changes: Any) -> Thing:
    """A copy with other values in some fields; of slotted dataclasses without __post_init__, which it would not call.

    The original asks every field what it is, each time, and then makes the copy from keywords; this copies the slots.
    """
    kind = type(thing)
    slots = _known.get(kind) or _learn(kind)
    copy = object.__new__(kind)
    for set_slot, value in zip(slots.setters, slots.read_all(thing), strict=True):
        set_slot(copy, value)
    for name, value in changes.items():
        slots.setter_of[name](copy, value)
    return copy


class _Slots(NamedTuple):
    """The slots' own setters: frozen dataclasses refuse plain assignment."""

    read_all: Callable[[Any], tuple[Any, ...]]
    setters: Sequence[Callable[[Any, Any], None]]
    setter_of: dict[str, Callable[[Any, Any], None]]


_known: dict[type, _Slots] = {}


def _learn(kind: Any) -> _Slots:
    setter_of = {name: getattr(kind, name).__set__ for name in kind.__slots__}
    _known[kind] = _Slots(attrgetter(*setter_of), list(setter_of.values()), setter_of)
    return _known[kind]
