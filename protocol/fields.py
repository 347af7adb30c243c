"""What a message is made of: one table of fields per message drives bounds, defaults, encoding and the specification.

A message is an immutable tuple in wire order, so encoding it is packing it. It is neither a dataclass nor a
`typing.NamedTuple`: either module costs each guest between 1 and 2.7 MB of resident memory (CPython 3.11, measured),
more than all of the agent's own code.
"""

from _operator import itemgetter  # resident in every interpreter; operator is not

from protocol.errors import LocalProtocolError, ProtocolError, RemoteProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar, Self, dataclass_transform
else:

    def dataclass_transform(**_options):
        """Let type checkers see the fields as keyword arguments, without importing typing at run time."""
        return lambda cls: cls


U16 = 2**16 - 1
U32 = 2**32 - 1
SAFE_INTEGER = 2**53 - 1  # the largest that every language's numbers carry exactly
KIB_MAX = 2**40  # 1 PiB: more than any domain Xen can build
REQUIRED = object()


class Field:
    """One position of a message. `default` is what a reader takes when a shorter (older) message ends before it."""

    __slots__ = ("default", "high", "index", "low", "name", "text")

    def __init__(self, text: bool, low: int, high: int, default: object) -> None:
        self.text, self.low, self.high, self.default = text, low, high, default
        self.index, self.name = -1, ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @property
    def required(self) -> bool:
        """Whether every message, however old its sender, has this field."""
        return self.default is REQUIRED

    def check(self, value: object, error: type[ProtocolError]) -> None:
        """Raise `error` unless `value` has this field's type and lies in its inclusive range."""
        if self.text:
            if type(value) is not str:
                raise error("type", f"{self.name}: text expected, got {type(value).__name__}")
            if not self.low <= len(value) <= self.high or not (value.isascii() and value.isprintable()):
                raise error("range", f"{self.name}: {self.low} to {self.high} printable ASCII characters expected")
        elif type(value) is not int:  # bool is a subclass, and no number
            raise error("type", f"{self.name}: integer expected, got {type(value).__name__}")
        elif not self.low <= value <= self.high:
            raise error("range", f"{self.name}: {self.low} to {self.high} expected")


def whole(*, low: int = 0, high: int = SAFE_INTEGER, default: object = REQUIRED) -> "Any":
    """An integer, inclusive range."""
    return Field(text=False, low=low, high=high, default=default)


def kib(*, default: object = REQUIRED) -> "Any":
    """An amount of memory: 0 to 2^40 KiB."""
    return Field(text=False, low=0, high=KIB_MAX, default=default)


def text(*, low: int = 0, high: int, default: object = REQUIRED) -> "Any":
    """Printable ASCII, U+0020 to U+007E; the inclusive range counts its characters."""
    return Field(text=True, low=low, high=high, default=default)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(whole, kib, text))
class Message(tuple):  # type: ignore[type-arg]
    """The base of all messages: keyword arguments in, LocalProtocolError where one is out of its bounds."""

    __slots__ = ()
    FIELDS: "ClassVar[tuple[Field, ...]]" = ()

    def __init_subclass__(cls) -> None:
        cls.FIELDS = tuple(field for field in vars(cls).values() if isinstance(field, Field))
        for index, field in enumerate(cls.FIELDS):
            field.index = index
            setattr(cls, field.name, property(itemgetter(index)))

    def __new__(cls, **values: object) -> "Self":
        """Check every field and what holds between them."""
        items = [values.pop(field.name, field.default) for field in cls.FIELDS]
        if values:
            raise TypeError(f"{cls.__name__} has no field {', '.join(values)}")
        for field, item in zip(cls.FIELDS, items, strict=True):
            field.check(item, LocalProtocolError)
        message = tuple.__new__(cls, items)
        message.validate(LocalProtocolError)
        return message

    @classmethod
    def from_wire(cls, untrusted_items: "list[object]") -> "Self":
        """Build a message from what a peer sent: missing tail fields get their defaults, surplus ones are ignored."""
        items = untrusted_items[: len(cls.FIELDS)]
        for field in cls.FIELDS[len(items) :]:
            if field.required:
                raise RemoteProtocolError("shape", f"{field.name}: missing")
            items.append(field.default)
        for field, item in zip(cls.FIELDS, items, strict=True):
            field.check(item, RemoteProtocolError)
        message = tuple.__new__(cls, items)
        message.validate(RemoteProtocolError)
        return message

    def validate(self, error: type[ProtocolError]) -> None:
        """Check what holds between fields; messages that have such rules override this."""

    def __repr__(self) -> str:
        items = ", ".join(f"{field.name}={self[field.index]!r}" for field in self.FIELDS)
        return f"{type(self).__name__}({items})"
