"""The one place that opens files: where measurements come from, behind one interface.

`procfs` is the default and all that a Linux guest loads; `psutil_source` serves systems without procfs, and imports
psutil when it is asked for. A source says honestly in its capabilities what it cannot measure. Anything foreign that
goes wrong here leaves as `SourceError`.
"""

from guest_agent.sample import Counters, Sample

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Source(Protocol):
        """Where measurements come from."""

        os_name: str
        os_version: str
        boot_id: str
        capabilities: int
        """What this source measures here, as bits of protocol's Hello."""

        def read_sample(self, uptime_ms: int) -> Sample:
            """Return the levels now, or raise SourceError."""

        def read_counters(self) -> Counters:
            """Return the counters now, or raise SourceError; what is not measured is 0. Follows a sample."""

        @property
        def can_free(self) -> bool:
            """Whether `free_memory` can do anything, for a balloon that there is."""

        def read_balloon_gap_kib(self) -> int:
            """Return how much the balloon driver has yet to take, or raise SourceError; only with HAS_BALLOON."""

        def free_memory(self, kib: int) -> bool:
            """Free so much, the least painful first; return whether that was to be had, or raise SourceError."""

        def open_stalls(self) -> int:
            """Return a descriptor to poll for POLLPRI: programs stall for memory; -1: there is none here."""

        def read_balloon_kib(self) -> int:
            """Return what the balloon driver aims at, or raise SourceError; only with HAS_BALLOON."""

        def write_balloon_kib(self, kib: int) -> None:
            """Have it aim at that, or raise SourceError; only with TAKES_GRANTS."""


class SourceError(Exception):
    """A measurement that could not be had this time."""


def open_source(name: str, procfs: str) -> "Source":
    """Return the source of that name ("procfs" or "psutil"); raise SourceError if it cannot work here."""
    if name == "psutil":
        try:
            from guest_agent.sources.psutil_source import PsutilSource  # noqa: PLC0415 - 2.7 MB, for who asks for it
        except ImportError as error:
            raise SourceError(f"--source psutil: {error}") from error
        return PsutilSource()
    from guest_agent.sources.procfs import ProcfsSource  # noqa: PLC0415 - POSIX only

    return ProcfsSource(procfs)


__all__ = ["SourceError", "open_source"]
