"""Our arbiter with a fault in it, which the kit must find: the first argument, named after the rule it breaks."""

import os
import sys
import time
from binascii import a2b_base64
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import msgpack

from dom0_arbiter.engine import domain
from dom0_arbiter.service import actuator, collector, daemon, pulse
from protocol import RemoteProtocolError, Report, Welcome, encode_welcome
from protocol.codec import decode
from tests.dom0_arbiter.conformance.our_arbiter import run

Fault = Callable[[], None]


def patched(place: Any, name: str, value: Any) -> None:
    """For good."""
    patch.object(place, name, value).start()


def welcomes(**values: object) -> None:
    """Every welcome says this."""

    def fault(welcome: Welcome) -> bytes:
        items = {field.name: welcome[field.index] for field in Welcome.FIELDS}
        return encode_welcome(Welcome(**{**items, **values}))

    patched(actuator, "encode_welcome", fault)


def refuses_reports(is_refused: Callable[[int], bool]) -> None:
    """By how many positions they have."""

    def fault(untrusted: bytes) -> Report:
        report = decode(Report, untrusted)
        if is_refused(len(msgpack.unpackb(a2b_base64(untrusted)))):
            raise RemoteProtocolError("shape", "not as I like it")
        return report

    patched(collector, "decode_report", fault)


def on_invalid_report(act: Callable[[], object]) -> None:
    """Do something else than count it."""

    def fault(untrusted: bytes) -> Report:
        try:
            return decode(Report, untrusted)
        except RemoteProtocolError:
            act()
            raise

    patched(collector, "decode_report", fault)


def everybodys_welcome() -> None:
    patched(actuator, "_write_where_alive", _writable(actuator._write_where_alive))


def _writable(kept: Any) -> Any:
    async def fault(values: Any, transaction: Any) -> None:
        await kept(values, transaction)
        for domid, paths in values.items():
            for path in paths:
                if path.endswith("welcome"):
                    await transaction.set_perms(path, ["n0", f"b{domid}"])

    return fault


def trusts_the_silent() -> None:
    patched(domain, "SILENT_HEARTBEATS", 1e9)
    welcomes(heartbeat_ms=1000)


FAULTS: dict[str, Fault] = {
    "D1-no-reason": lambda: welcomes(reason=""),
    "D1-always-1": lambda: welcomes(version=1),
    "D2-writable": everybodys_welcome,
    "D3-surplus": lambda: refuses_reports(lambda positions: positions > len(Report.FIELDS)),
    "D3-short": lambda: refuses_reports(lambda positions: positions < len(Report.FIELDS)),
    "D4-any-version": lambda: patched(collector, "VERSION_HIGHEST", 65_535),
    "D4-dies": lambda: on_invalid_report(lambda: os._exit(3)),
    "D5-trusts-the-silent": trusts_the_silent,
    "D6-slow": lambda: on_invalid_report(lambda: time.sleep(0.3)),
    "D7-stands-still": lambda: patched(daemon, "beat", lambda store, _count: pulse.beat(store, lambda: 1)),
    "D7-hidden": lambda: patched(pulse, "EVERYBODY", "n0"),
}


if __name__ == "__main__":
    name, *arguments = sys.argv[1:]
    FAULTS[name]()
    sys.exit(run(*arguments))
