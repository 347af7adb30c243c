"""From measurements to messages. Pure; whatever a kernel says, what comes out keeps the contract's bounds."""

from guest_agent.sample import Counters, Sample
from protocol import FINAL, URGENT, VERSION_HIGHEST, VERSION_LOWEST, VERSION_UNAGREED, Hello, Report, __version__

AGENT_NAME = "aerostat"
_PARTS = (  # in this order: a whole is cut before its parts are
    ("free_kib", "total_kib"),
    ("available_kib", "total_kib"),
    ("swap_used_kib", "swap_total_kib"),
    ("swap_ram_kib", "total_kib"),
    ("swap_packed_kib", "swap_used_kib"),
)


def build_hello(*, os_name: str, os_version: str, boot_id: str, capabilities: int) -> Hello:
    """Return the hello of this agent on that system; texts are cut to what the contract allows."""
    return Hello(
        version_lowest=VERSION_LOWEST,
        version_highest=VERSION_HIGHEST,
        agent_name=AGENT_NAME,
        agent_version=__version__,
        os_name=_printable(os_name, 32) or "unknown",
        os_version=_printable(os_version, 64),
        capabilities=capabilities,
        boot_id=_printable(boot_id, 64) or "unknown",
    )


def build_report(
    sample: Sample,
    counters: Counters,
    *,
    sequence: int,
    urgent: bool,
    final: bool = False,
    version: int = VERSION_UNAGREED,
) -> Report:
    """Return the report of a sample. `sequence` counts reports and may be any size; the wire's wraps.

    The parts of one sample are not read by the kernel at one instant, and counters are older still: parts larger than
    the whole are cut to it.
    """
    measured = vars(sample) | vars(counters)
    values = {field.name: min(measured[field.name], field.high) for field in Report.FIELDS if field.name in measured}
    for part, whole in _PARTS:
        values[part] = min(values.get(part, 0), values.get(whole, 0))
    flags = (URGENT if urgent else 0) | (FINAL if final else 0)
    return Report(version=version, sequence=sequence % 2**32, flags=flags, **values)


def _printable(text: str, length_max: int) -> str:
    """Return the text with what is not printable ASCII replaced, cut to a length."""
    return "".join(each if each.isascii() and each.isprintable() else "?" for each in text[:length_max])
