"""The loop: look at memory, say what is news, sleep. Everything it decides is decided by the pure parts."""

import time

from guest_agent.cadence import PAGE_KIB, Cadence
from guest_agent.notices import Notices
from guest_agent.report import build_report
from guest_agent.sample import Counters, Sample
from guest_agent.sources import SourceError
from guest_agent.waiting import Stopped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from guest_agent.alone import Alone
    from guest_agent.link import Link
    from guest_agent.shrinking import Shrinking
    from guest_agent.sources import Source
    from guest_agent.waiting import Waiter
    from guest_agent.xenstore_link import XenstoreLink
    from protocol import Report

COUNTERS_FRESH_MS = 100
"""Counters this young serve another report: they are cumulative, and dear to read."""
SUSPENDED_MS = 50
"""The clock that counts suspends ran ahead of the one that does not by this: the guest was suspended, or moved."""
FAREWELL_S = 0.5
UNHEARD_MS = 100
"""Between two looks while nothing can be said: what is overdue does not make haste."""
FREED_MS = 40
"""Between two steps of freeing: what others need of the processor, and a balloon to take what is there."""
_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", None)


def now_ms() -> int:
    """CLOCK_MONOTONIC."""
    return time.monotonic_ns() // 1_000_000


class Agent:
    """One guest's agent: a source of measurements, a cadence, and a link to who wants to know."""

    __slots__ = (
        "_cadence",
        "_counters",
        "_counters_ms",
        "_link",
        "_not_before_ms",
        "_notices",
        "_nudged_kib",
        "_sequence",
        "_source",
        "_stalled",
        "_suspended_ms",
        "_told",
        "alone",
        "shrinking",
    )

    def __init__(self, source: "Source", link: "Link", notices: Notices) -> None:
        self._source = source
        self.alone: Alone | None = None  # what sizes the guest while no arbiter lives
        self.shrinking: Shrinking | None = None  # what frees memory for its balloon
        self._link = link
        self._notices = notices
        self._cadence = Cadence(link.settings)
        self._counters = Counters()
        self._counters_ms = -COUNTERS_FRESH_MS
        self._sequence = 0
        self._told = False
        self._suspended_ms = _suspended_ms()
        self._not_before_ms = 0
        self._stalled = False
        self._nudged_kib = 0

    def run(self, waiter: "Waiter", reload: "Callable[[], None]") -> None:
        """Go on until a signal says to stop; `reload` is called where one says that settings have changed."""
        try:
            stalled = False
            while not waiter.stopping:
                if waiter.hung_up:
                    waiter.hung_up = False
                    reload()
                stalled = waiter.sleep(self.step(now_ms(), stalled=stalled))
        except Stopped:
            pass  # in mid-call: the same as between calls

    def step(self, at_ms: int, *, stalled: bool = False) -> int:
        """Do what is due, or what a stall of programs calls for; return how many milliseconds may be slept."""
        self._stalled = self._stalled or stalled
        if at_ms < self._not_before_ms:
            return self._not_before_ms - at_ms  # whoever woke us: the welcome says how often we may look
        rest_ms = self._link.rest_ms(at_ms)
        governs = self.alone is not None and self.alone.is_concerned(at_ms)
        if rest_ms and not governs:
            self._end_nudge()
            return rest_ms
        suspended_ms = _suspended_ms()
        if suspended_ms - self._suspended_ms >= SUSPENDED_MS:
            self._link.start_over(at_ms)
        self._suspended_ms = suspended_ms
        sample, reason = None, ""
        if governs or not self._link.quiet:
            sample = self._look(at_ms)
            reason = self._cadence.observe(sample) if sample else ""
            if sample and (reason or self._stalled or self._cadence.counters_due(at_ms)):
                reason = self._read_counters(at_ms) or reason
            self._stalled = False
            if sample and self._cadence.is_urgent(sample) and self._link.is_granted(at_ms):
                reason = self._grow(sample) or reason
            if sample and self.alone:
                reason = self._govern(self.alone, sample) or reason
            if sample and self._link.hello_due:
                reason = reason or "hello"
        if not rest_ms and (reason or self._link.errand_due(at_ms)):
            has_news = reason and not self._link.quiet
            self._say(sample if has_news else None, reason, at_ms)
        self._not_before_ms = at_ms + self._cadence.settings.interval_min_ms
        sleep_ms = self._cadence.sleep_ms(now_ms())
        is_heard = not (rest_ms or self._link.quiet)
        if sample and is_heard and self.shrinking and self._free_for_balloon(self.shrinking, sample):
            return min(sleep_ms, FREED_MS)
        self._end_nudge()
        return sleep_ms if is_heard else max(sleep_ms, UNHEARD_MS)

    def say_once(self) -> bool:
        """Report once; return whether it arrived."""
        at_ms = now_ms()
        sample = self._look(at_ms)
        if sample is None:
            return False
        self._read_counters(at_ms)
        return self._say(sample, "once", at_ms)

    def farewell(self, link: "XenstoreLink") -> None:
        """Tell dom0 that silence from here on is no fault, if it has been told anything before.

        What the guest gave up on its own it takes back first: nobody would see to it any more.
        """
        if self.alone:
            self._aim(self.alone.hand_back, "sized")
        self._end_nudge()
        sample = self._look(now_ms() + 1)  # later than any other, whatever was interrupted
        if sample is not None and self._told and not link.quiet:
            link.say_farewell(self._report(sample, final=True), FAREWELL_S)

    def _look(self, at_ms: int) -> Sample | None:
        try:
            sample = self._source.read_sample(at_ms)
        except SourceError as error:
            self._notices.trouble("memory", str(error))
            return None
        self._notices.over("memory")
        return sample

    def _read_counters(self, at_ms: int) -> str:
        """Read the counters unless they are fresh; return the news in them."""
        if at_ms - self._counters_ms < COUNTERS_FRESH_MS:
            return ""
        try:
            self._counters = self._source.read_counters()
        except SourceError as error:
            self._notices.trouble("counters", str(error))  # those of before are still true, if old
        else:
            self._notices.over("counters")
        self._counters_ms = at_ms
        return self._cadence.observe_counters(self._counters, at_ms)

    def _grow(self, sample: Sample) -> str:
        """Take of what is granted as much as is lacking, at once; return that as news."""
        said = self._aim(lambda balloon_kib: self._link.grown_target_kib(sample, balloon_kib), "grown")
        if said and self.alone:
            self.alone.grew(self._counters.balloon_target_kib)
        return said

    def _govern(self, alone: "Alone", sample: Sample) -> str:
        """While no arbiter lives, do its work for this guest; and hand that back when one does. Return it as news."""
        urgent_kib = self._cadence.settings.urgent_kib

        def target_kib(balloon_kib: int) -> int:
            gap_kib = self._source.read_balloon_gap_kib()
            return alone.target_kib(sample, balloon_kib=balloon_kib, gap_kib=gap_kib, urgent_kib=urgent_kib)

        said = self._aim(target_kib, "sized")
        if said:
            alone.aimed(self._counters.balloon_target_kib)
        return said

    def _free_for_balloon(self, shrinking: "Shrinking", sample: Sample) -> bool:
        """Free some of what the balloon has yet to take, and wake it; return whether that should go on."""
        source = self._source
        try:
            gap_kib = source.read_balloon_gap_kib()
            if not shrinking.may_free(sample, gap_kib):
                return False
            step_kib = shrinking.step_kib(sample, source.read_counters(), gap_kib=gap_kib)
            if step_kib:
                shrinking.freed(step_kib if source.free_memory(step_kib) else 0)
                self._nudge()
        except SourceError as error:
            shrinking.freed(0)
            self._notices.trouble("freeing", str(error))
            return False
        self._notices.over("freeing")
        return True

    def _nudge(self) -> None:
        """Have the balloon look again now: it sleeps on, for seconds, unless its target becomes another by a page.

        A page less, and the next time what dom0 asked for again: never more.
        """
        balloon_kib, nudged_kib = self._source.read_balloon_kib(), self._nudged_kib
        if not nudged_kib:
            self._source.write_balloon_kib(balloon_kib - PAGE_KIB)
            self._nudged_kib = balloon_kib - PAGE_KIB
            return
        if balloon_kib == nudged_kib:  # else somebody else has set it
            self._source.write_balloon_kib(balloon_kib + PAGE_KIB)
        self._nudged_kib = 0

    def _end_nudge(self) -> None:
        """Have the balloon aim at what dom0 asked for."""
        if self._nudged_kib:
            try:
                self._nudge()
            except SourceError as error:
                self._notices.trouble("freeing", str(error))

    def _aim(self, target_kib_of: "Callable[[int], int]", news: str) -> str:
        """Have the balloon aim at what a rule makes of its present aim, unless that is 0; return that as news."""
        try:
            target_kib = target_kib_of(self._source.read_balloon_kib())
            if not target_kib:
                return ""
            self._source.write_balloon_kib(target_kib)
        except SourceError as error:
            self._notices.trouble("balloon", str(error))
            return ""
        self._notices.over("balloon")
        self._counters.balloon_target_kib = target_kib
        return news

    def _report(self, sample: Sample, *, final: bool = False) -> "Report":
        report = build_report(
            sample,
            self._counters,
            sequence=self._sequence,
            urgent=self._cadence.is_urgent(sample),
            final=final,
            version=self._cadence.settings.version,
        )
        self._sequence += 1
        return report

    def _say(self, sample: Sample | None, reason: str, at_ms: int) -> bool:
        report = self._report(sample) if sample else None
        started_ms = now_ms()
        arrived = self._link.exchange(report, reason, at_ms)
        ended_ms = now_ms()
        if arrived and sample:
            self._told = True
            self._cadence.reported(sample, self._counters, now_ms=ended_ms, took_ms=ended_ms - started_ms)
        self._cadence.settings = self._link.settings
        return arrived


def _suspended_ms() -> int:
    """How long this system has been suspended since boot; 0 where no clock says."""
    if _BOOT_CLOCK is None:
        return 0
    return (time.clock_gettime_ns(_BOOT_CLOCK) - time.monotonic_ns()) // 1_000_000
