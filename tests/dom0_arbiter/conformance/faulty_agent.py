"""Our agent with a fault in it, named on the command line: what the kit must find. The name begins with the rule."""

import sys
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

from guest_agent import agent, main, session, xenstore, xenstore_link
from guest_agent.cadence import Cadence
from guest_agent.session import Session
from protocol import RemoteProtocolError, Report, Welcome, decode_welcome, encode_report, encode_welcome

EVERYTHING_KIB = 2**40


def patched(place: Any, name: str, fault: Callable[..., Any]) -> None:
    """Put a fault in place of what is there, which it gets as its first argument; for good."""
    kept = getattr(place, name)
    patch.object(place, name, lambda *arguments, **named: fault(kept, *arguments, **named)).start()


def altered(report: Report, **values: int) -> Report:
    """A report with other items, valid or not."""
    items = {field.name: report[field.index] for field in Report.FIELDS}
    return tuple.__new__(Report, (items | values).values())


def reports(**values: int) -> None:
    """Every report gets these items, valid or not."""
    patched(agent, "build_report", lambda kept, *a, **named: altered(kept(*a, **named), **values))


def never_hello() -> None:
    def fault(kept: Any, self: Session) -> None:
        kept(self)
        self.hello_due = False

    patched(Session, "__init__", fault)


def backwards() -> None:
    def fault(kept: Any, *arguments: Any, **named: Any) -> Report:
        report: Report = kept(*arguments, **named)
        return altered(report, uptime_ms=10**9 - report.sequence)

    patched(agent, "build_report", fault)


def elsewhere() -> None:
    patched(
        xenstore.Xenstore,
        "write",
        lambda kept, self, key, value: (kept(self, "data/mine", b"x"), kept(self, key, value))[0],
    )


def with_line_break() -> None:
    patched(xenstore_link, "encode_report", lambda _kept, report: encode_report(report) + b"\n")


def mute() -> None:
    patched(Cadence, "_news", lambda kept, self, sample: news if (news := kept(self, sample)) == "first" else "")
    patched(Cadence, "observe_counters", lambda _kept, *_: "")


def hasty() -> None:
    patched(Cadence, "_news", lambda _kept, *_: "used")
    patched(Cadence, "sleep_ms", lambda _kept, *_: 20)

    def step(kept: Callable[..., int], self: agent.Agent, *arguments: int, **named: bool) -> int:
        self._not_before_ms = 0
        return kept(self, *arguments, **named)

    patched(agent.Agent, "step", step)


def never_looks() -> None:
    patched(Session, "look_due", lambda _kept, *_, **__: False)


def strict() -> None:
    def fault(_kept: Any, untrusted: bytes) -> Welcome:
        welcome = decode_welcome(untrusted)
        if encode_welcome(welcome) != untrusted:
            raise RemoteProtocolError("shape", "too many positions")
        return welcome

    patched(session, "decode_welcome", fault)


def on_invalid(answer: Callable[[], Welcome]) -> None:
    def fault(_kept: Any, untrusted: bytes) -> Welcome:
        try:
            return decode_welcome(untrusted)
        except RemoteProtocolError:
            return answer()

    patched(session, "decode_welcome", fault)


def talkative() -> None:
    def fault(kept: Any, self: Session, settings: Welcome, *, welcomed: bool, quiet: bool = False) -> None:
        if not quiet:
            kept(self, settings, welcomed=welcomed)

    patched(Session, "_set", fault)


def faint_hearted() -> None:
    patched(xenstore.Xenstore, "close", lambda _kept, *_: sys.exit(1))


def rude() -> None:
    patched(agent.Agent, "farewell", lambda _kept, *_: None)


def immodest() -> None:
    patched(main, "build_hello", lambda kept, **named: kept(**(named | {"capabilities": 0})))


FAULTS: dict[str, Callable[[], None]] = {
    "A1-never-hello": never_hello,
    "A2-elsewhere": elsewhere,
    "A3-with-line-break": with_line_break,
    "A4-another-version": lambda: reports(version=2),
    "A5-sequence-stands": lambda: reports(sequence=7),
    "A5-backwards": backwards,
    "A6-mute": mute,
    "A7-hasty": hasty,
    "A8-always-urgent": lambda: reports(flags=1),
    "A9-never-urgent": lambda: reports(flags=0),
    "A10-never-looks": never_looks,
    "A11-strict": strict,
    "A12-credulous": lambda: on_invalid(
        lambda: Welcome(version=1, reason="", heartbeat_ms=1000, urgent_kib=EVERYTHING_KIB)
    ),
    "A12-fragile": lambda: on_invalid(lambda: sys.exit(1)),
    "A13-talkative": talkative,
    "A14-faint-hearted": faint_hearted,
    "A15-rude": rude,
    "A16-immodest": immodest,
}

if __name__ == "__main__":
    FAULTS[sys.argv[1]]()
    sys.argv[1:] = ["--socket", sys.argv[2]]
    sys.exit(main.main())
