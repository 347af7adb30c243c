"""One agent in one domain, what it was overheard to ask of xenstore, and the rules that hold at any time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import trio

from dom0_arbiter.conformance.verdicts import Judgement
from dom0_arbiter.simulator.xenstored import Operation
from protocol import (
    FINAL,
    HAS_BALLOON,
    HAS_PSI,
    HAS_VMSTAT,
    HELLO_KEY,
    REPORT_KEY,
    URGENT,
    WELCOME_KEY,
    Hello,
    RemoteProtocolError,
    Report,
    Welcome,
    decode_hello,
    decode_report,
    domain_path,
)

SEQUENCES = 2**32
EARLY = 0.9  # a report that is overheard this much of the least interval after the last is not too early: clocks differ
MEASURED_BY = {
    HAS_VMSTAT: ("swap_in_total", "swap_out_total", "refault_file_total", "refault_anon_total", "oom_kill_total"),
    HAS_PSI: ("psi_some_us_total", "psi_full_us_total"),
    HAS_BALLOON: ("balloon_target_kib",),
}


@dataclass(frozen=True, slots=True)
class Said:
    """A report that was overheard: when, and the settings that the agent had read by then."""

    at_s: float
    report: Report
    settings: Welcome | None


class Overheard:
    """What one agent did, from the start of its process. Mutable; trio's clock.

    hellos_s: when it said Hello; looks_s: when it read Welcome; reports: the valid ones.
    """

    def __init__(self, domid: int, judgement: Judgement) -> None:
        self.hellos_s: list[float] = []
        self.looks_s: list[float] = []
        self.reports: list[Said] = []
        self._hello: Hello | None = None
        self._stands: Welcome | None = None  # the valid welcome that stands in xenstore
        self._settings: Welcome | None = None  # and the last that the agent has read
        self._home = domain_path(domid) + "/"
        self.domid, self.judgement = domid, judgement
        self._has_lost = False
        self._heard = trio.lowlevel.ParkingLot()

    def stands(self, welcome: Welcome | None) -> None:
        """From here on, whoever reads Welcome gets this."""
        self._stands = welcome

    def loses(self) -> None:
        """What it says now may be lost on its way."""
        self._has_lost = True

    def hear(self, operation: int, payload: bytes) -> None:
        """Take in one request."""
        name, _, value = payload.partition(b"\0")
        key = name.decode("ascii", "replace").removeprefix(self._home)
        if operation == Operation.READ and key == WELCOME_KEY:
            self.looks_s.append(trio.current_time())
            self._settings = self._stands
        elif operation in (Operation.WRITE, Operation.MKDIR, Operation.RM, Operation.SET_PERMS):
            is_ours = operation == Operation.WRITE and key in (HELLO_KEY, REPORT_KEY)
            self.judgement.check("A2", is_ours, f"{Operation(operation).name} of {key}")
            if is_ours:
                self._read(key, value)
        self._heard.unpark_all()

    async def until(self, condition: Callable[[], bool], within_s: float) -> bool:
        """Wait for what comes of requests; return whether it came."""
        with trio.move_on_after(within_s):
            while not condition():
                await self._heard.park()
        return condition()

    def reports_since(self, at_s: float) -> Sequence[Said]:
        """Those of them."""
        return [said for said in self.reports if said.at_s >= at_s]

    def _read(self, key: str, untrusted: bytes) -> None:
        try:
            if key == HELLO_KEY:
                self._hello = decode_hello(untrusted)
                self.hellos_s.append(trio.current_time())
            else:
                self._judge(decode_report(untrusted))
        except RemoteProtocolError as error:
            self.judgement.check("A3", kept=False, fault=f"{key}: {error}")
        else:
            self.judgement.check("A3", kept=True, fault="")

    def _judge(self, report: Report) -> None:
        check, at_s = self.judgement.check, trio.current_time()
        check("A1", self._hello is not None, "a report before the first Hello")
        check("A4", report.version == 1, f"a report in version {report.version}")
        if self.reports:
            before = self.reports[-1]
            missing = (report.sequence - before.report.sequence - 1) % SEQUENCES
            most = SEQUENCES // 2 if self._has_lost else 0
            check("A5", missing <= most, f"sequence {report.sequence} after {before.report.sequence}")
            is_later = report.uptime_ms > before.report.uptime_ms
            check("A5", is_later, f"uptime {report.uptime_ms} ms after {before.report.uptime_ms} ms")
            self._judge_pace(report, before, at_s)
        if self._settings is not None:
            is_urgent = report.available_kib < self._settings.urgent_kib
            fault = f"{report.available_kib} KiB available, urgent below {self._settings.urgent_kib}: "
            check("A8", bool(report.flags & URGENT) == is_urgent, fault + f"flags {report.flags}")
        for bit, names in MEASURED_BY.items():
            claimed = [name for name in names if getattr(report, name)]
            is_measured = self._hello is not None and bool(self._hello.capabilities & bit)
            check("A16", is_measured or not claimed, f"{', '.join(claimed)} without capability bit {bit}")
        self._has_lost = False
        self.reports.append(Said(at_s, report, self._settings))

    def _judge_pace(self, report: Report, before: Said, at_s: float) -> None:
        """Not oftener than its settings allow, unless it is the last, or goes with a Hello."""
        if before.settings is None or before.settings is not self._settings or report.flags & FINAL:
            return
        if self.hellos_s[-1] > before.at_s:
            return
        least_s = before.settings.interval_min_ms / 1000
        pause_s = at_s - before.at_s
        fault = f"{pause_s * 1000:.0f} ms after the last report, interval_min_ms is {least_s * 1000:.0f}"
        self.judgement.check("A7", pause_s >= least_s * EARLY, fault)
