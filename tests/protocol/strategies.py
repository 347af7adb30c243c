"""Hypothesis strategies that are read off the tables of fields, so that a new field is tested the day it is added."""

from typing import TypeVar

from hypothesis import strategies as st

from protocol import Grant, Hello, LocalProtocolError, Report, Welcome
from protocol.fields import Field, Message

M = TypeVar("M", bound=Message)
KINDS: tuple[type[Message], ...] = (Hello, Report, Welcome, Grant)


def values_of(field: Field) -> st.SearchStrategy[object]:
    """Everything the field allows, its bounds included."""
    if field.text:
        alphabet = st.characters(min_codepoint=0x20, max_codepoint=0x7E)
        return st.text(alphabet, min_size=field.low, max_size=field.high)
    return st.integers(field.low, field.high) | st.sampled_from([field.low, field.high])


def messages(kind: type[M]) -> st.SearchStrategy[M]:
    """Messages of one kind that obey the rules between fields as well."""

    def build(values: dict[str, object]) -> M | None:
        try:
            return kind(**values)
        except LocalProtocolError:
            return None

    if kind is Report:
        # half of memory at random would hardly ever obey "the parts are not larger than the whole"
        def obey(values: dict[str, object]) -> dict[str, object]:
            total = values["total_kib"] = max(1, int(str(values["total_kib"])))
            for name in ("free_kib", "available_kib", "swap_ram_kib"):
                values[name] = int(str(values[name])) % (total + 1)
            for part, whole in (("swap_used_kib", "swap_total_kib"), ("swap_packed_kib", "swap_used_kib")):
                values[part] = int(str(values[part])) % (int(str(values[whole])) + 1)
            return values
    else:

        def obey(values: dict[str, object]) -> dict[str, object]:
            return values

    fields = st.fixed_dictionaries({field.name: values_of(field) for field in kind.FIELDS})
    return fields.map(obey).map(build).filter(lambda m: m is not None).map(lambda m: m)  # type: ignore[arg-type, return-value]


json_like: st.SearchStrategy[object] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=20),
    lambda children: (
        st.lists(children, max_size=30) | st.dictionaries(st.text(max_size=5) | st.integers(0, 9), children, max_size=5)
    ),
    max_leaves=40,
)
