"""Dom0 as a domain among the others: the arbiter introduces it, and measures it itself in place of an agent."""

import logging
import time
from typing import Protocol

import trio

from dom0_arbiter.engine import DomainIntroduced, HelloReceived, ReportReceived, TargetObserved
from dom0_arbiter.policy import DOM0, DOM0_NAME
from dom0_arbiter.service.inbox import Inbox
from dom0_arbiter.xen import Xenstore, XenstoreError
from guest_agent.report import build_hello, build_report
from guest_agent.sources import SourceError, open_source
from protocol import Hello, Report, domain_path

log = logging.getLogger("aerostat.dom0")

UUID = "00000000-0000-0000-0000-000000000000"  # as xl shows it
EVERY_S = 1.0
_TARGET = f"{domain_path(DOM0)}/memory/target"
_RETRY_S = 0.5


class Dom0Source(Protocol):
    """What dom0 says of itself."""

    def hello(self) -> Hello:
        """Who speaks."""

    def report(self) -> Report:
        """How it is now; raises SourceError."""


class OwnProc:
    """The agent's own measuring, of the kernel that this process runs on; raises SourceError where it has no procfs."""

    def __init__(self, procfs: str = "/proc") -> None:
        self._source = open_source("procfs", procfs)
        self._reports_total = 0

    def hello(self) -> Hello:
        """See Dom0Source."""
        source = self._source
        return build_hello(
            os_name=source.os_name,
            os_version=source.os_version,
            boot_id=source.boot_id,
            capabilities=source.capabilities,
        )

    def report(self) -> Report:
        """See Dom0Source."""
        sample = self._source.read_sample(time.monotonic_ns() // 1_000_000)
        self._reports_total += 1
        return build_report(sample, self._source.read_counters(), sequence=self._reports_total, urgent=False)


async def represent_dom0(xenstore: Xenstore, inbox: Inbox, source: Dom0Source, *, most_kib: int) -> None:
    """Introduce dom0, then tell of its target whenever somebody writes it, and of its memory once a second.

    most_kib: its dynamic-max, which is all the static-max that it has. Runs until cancelled.
    """
    async with xenstore.watch() as watches:
        introduced, said, due_s = False, "", trio.current_time()
        while True:
            try:
                await watches.add(_TARGET)
                target_kib = await _read_target_kib(xenstore)
                if not introduced:
                    report = source.report()
                    # A host on which nobody has sized dom0 yet has no target for it: it is what it has.
                    _introduce(inbox, source, most_kib, report.total_kib if target_kib is None else target_kib)
                    introduced = True
                elif target_kib is not None:
                    inbox.put(TargetObserved(domid=DOM0, target_kib=target_kib))
                said = ""
                while True:
                    with trio.move_on_at(due_s) as waiting:
                        await watches.take()
                    if not waiting.cancelled_caught:
                        break
                    due_s = trio.current_time() + EVERY_S
                    inbox.put(ReportReceived(domid=DOM0, report=source.report()))
            except (XenstoreError, SourceError) as error:
                if str(error) != said:
                    said = str(error)
                    log.warning("dom0: %s", error)
                await trio.sleep(_RETRY_S)


def _introduce(inbox: Inbox, source: Dom0Source, most_kib: int, target_kib: int) -> None:
    inbox.put(DomainIntroduced(domid=DOM0, uuid=UUID, name=DOM0_NAME, static_max_kib=most_kib, target_kib=target_kib))
    inbox.put(HelloReceived(domid=DOM0, hello=source.hello()))


async def _read_target_kib(xenstore: Xenstore) -> int | None:
    value = (await xenstore.read_many([_TARGET])).get(_TARGET, b"")
    return int(value) if value.isdigit() else None
