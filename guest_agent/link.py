"""Where reports go: what all ways out of the guest have in common, and the one that people read."""

import os

from guest_agent.session import DEFAULTS
from protocol import Report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from guest_agent.sample import Sample
    from protocol import Welcome


class Link:
    """Where reports go. The base of all links knows no arbiter: the contract's defaults hold, nothing is awaited."""

    __slots__ = ()

    @property
    def settings(self) -> "Welcome":
        """The welcome in force."""
        return DEFAULTS

    @property
    def quiet(self) -> bool:
        """Whether nothing is to be reported."""
        return False

    def rest_ms(self, now_ms: int) -> int:
        """How long nothing could be said, whatever happens."""
        return 0

    @property
    def hello_due(self) -> bool:
        """Whether whoever listens may never have heard this guest: a report must go with the hello."""
        return False

    def errand_due(self, now_ms: int) -> bool:
        """Whether to call `exchange` even without a report."""
        return False

    def is_granted(self, now_ms: int) -> bool:
        """Whether the guest may grow by itself now."""
        return False

    def grown_target_kib(self, sample: "Sample", target_kib: int) -> int:
        """What to raise the balloon's target to by the guest's own right; 0: it has none, or no need."""
        return 0

    def start_over(self, now_ms: int) -> None:
        """Take note that the guest may be somewhere else now."""

    def exchange(self, report: Report | None, reason: str, now_ms: int) -> bool:
        """Say it, and why; return whether it arrived."""
        raise NotImplementedError


class StdoutLink(Link):
    """Reports as lines of `name=value`; raises OSError where standard output cannot be written to."""

    __slots__ = ()

    def exchange(self, report: Report | None, reason: str, now_ms: int) -> bool:
        """Print the report."""
        if report is not None:
            values = " ".join(f"{field.name}={report[field.index]}" for field in report.FIELDS)
            os.write(1, f"{reason}: {values}\n".encode())
        return True
