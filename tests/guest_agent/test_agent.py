"""The loop over a played source and a played link."""

import pytest

from guest_agent import Counters, Sample
from guest_agent import agent as module
from guest_agent.agent import Agent
from guest_agent.alone import Alone, floor_of_kib
from guest_agent.link import Link
from guest_agent.notices import Notices
from guest_agent.shrinking import Shrinking
from guest_agent.sources import SourceError
from guest_agent.tunables import Tunables
from protocol import Report, Welcome


class Source:
    os_name, os_version, boot_id, capabilities = "Linux", "6.1", "b", 0

    def __init__(self) -> None:
        self.available_kib, self.swap_kib = 100_000, 0
        self.fails = False
        self.counters_read = 0
        self.balloon_kib = 262_144
        self.balloon_fails = False
        self.balloon_written = 0
        self.gap_kib = 0
        self.frees = True
        self.freed_kib: list[int] = []

    def read_sample(self, uptime_ms: int) -> Sample:
        if self.fails:
            raise SourceError("gone")
        return Sample(
            uptime_ms=uptime_ms,
            total_kib=200_000,
            free_kib=0,
            available_kib=self.available_kib,
            swap_total_kib=self.swap_kib,
        )

    def read_counters(self) -> Counters:
        self.counters_read += 1
        return Counters(min_free_kib=7)

    can_free = True

    def open_stalls(self) -> int:
        return -1

    def read_balloon_gap_kib(self) -> int:
        return self.gap_kib

    def free_memory(self, kib: int) -> bool:
        self.freed_kib.append(kib)
        return self.frees

    def read_balloon_kib(self) -> int:
        return self.balloon_kib

    def write_balloon_kib(self, kib: int) -> None:
        if self.balloon_fails:
            raise SourceError("read-only")
        self.balloon_kib = kib
        self.balloon_written += 1


class Recorder(Link):
    def __init__(self) -> None:
        self.said: list[Report | None] = []
        self.up = True
        self.resting_ms = 0
        self.moved = 0
        self.is_new = False
        self.grown_kib = 0

    def is_granted(self, now_ms: int) -> bool:
        return self.grown_kib > 0

    def grown_target_kib(self, sample: Sample, target_kib: int) -> int:
        return self.grown_kib if target_kib < self.grown_kib else 0

    @property
    def hello_due(self) -> bool:
        return self.is_new

    def rest_ms(self, now_ms: int) -> int:
        return self.resting_ms

    def start_over(self, now_ms: int) -> None:
        self.moved += 1

    def exchange(self, report: Report | None, reason: str, now_ms: int) -> bool:
        if self.up:
            self.said.append(report)
        return self.up


def make() -> tuple[Source, Recorder, Agent]:
    source, link = Source(), Recorder()
    return source, link, Agent(source, link, Notices())


def test_what_did_not_arrive_is_said_again_with_a_new_number() -> None:
    source, link, agent = make()
    link.up = False
    agent.step(0)
    link.up = True
    source.available_kib = 90_000
    agent.step(10)
    assert [(report.sequence, report.available_kib) for report in link.said if report] == [(1, 90_000)]


def test_while_nothing_can_be_said_nothing_is_measured() -> None:
    source, link, agent = make()
    link.resting_ms = 500
    source.fails = True
    assert agent.step(0) == 500
    assert link.said == []


def test_a_suspend_means_a_new_start(monkeypatch: pytest.MonkeyPatch) -> None:
    _, link, agent = make()
    agent.step(0)
    assert link.moved == 0
    slept_ms = module._suspended_ms() + 3000
    monkeypatch.setattr(module, "_suspended_ms", lambda: slept_ms)
    agent.step(10)
    agent.step(20)
    assert link.moved == 1


def test_whoever_gets_a_hello_gets_a_report_with_it() -> None:
    _, link, agent = make()
    agent.step(0)
    agent.step(10)
    assert len(link.said) == 1
    link.is_new = True
    agent.step(20)
    assert [report is not None for report in link.said] == [True, True]


def test_counters_serve_the_reports_of_a_tenth_of_a_second() -> None:
    source, link, agent = make()
    began_ms = module.now_ms()
    for now_ms in range(began_ms, began_ms + 100, 10):
        source.available_kib -= 8000
        agent.step(now_ms)
    assert len(link.said) >= 9
    assert source.counters_read == 1


def test_memory_that_cannot_be_read_is_no_report(capfd: pytest.CaptureFixture[str]) -> None:
    source, link, agent = make()
    source.fails = True
    for now_ms in range(0, 100, 10):
        assert agent.step(now_ms) > 0
    assert link.said == []
    assert capfd.readouterr().err == "aerostat-agent: gone\n"


def test_an_urgent_guest_grows_before_it_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    source, link, agent = make()
    link.grown_kib = 300_000
    agent.step(0)
    assert source.balloon_kib == 262_144, "it has headroom"
    source.available_kib = 10_000
    source.balloon_fails = True
    agent.step(10)
    assert source.balloon_kib == 262_144
    assert "read-only" in capfd.readouterr().err
    source.balloon_fails = False
    source.available_kib = 9_000
    agent.step(300)
    assert source.balloon_kib == 300_000
    (*_, last) = [report for report in link.said if report]
    assert (last.balloon_target_kib, last.available_kib) == (300_000, 9_000)
    said = len(link.said)
    agent.step(310)
    assert len(link.said) == said, "told once"


def test_a_stall_calls_for_the_counters_at_once() -> None:
    source, _, agent = make()
    agent.step(1000)
    read = source.counters_read
    agent.step(1200)
    assert source.counters_read == read
    agent.step(1400, stalled=True)
    assert source.counters_read == read + 1


def test_alone_it_sizes_its_guest_though_nothing_can_be_said_and_hands_that_back_in_the_end(
    capfd: pytest.CaptureFixture[str],
) -> None:
    source, link, agent = make()
    source.swap_kib = 1
    agent.alone = Alone(Tunables("alone = committed-as\nalone_after_s = 30\ndown_hysteresis = 1"), 0)
    agent.step(0)
    said = len(link.said)
    link.resting_ms = 60_000
    assert agent.step(20_000) == 60_000
    for now_ms in (30_000, 31_000):
        assert agent.step(now_ms) <= 1000
    assert source.balloon_kib == 262_144 - 200_000 + floor_of_kib(200_000)
    assert len(link.said) == said
    link.resting_ms = 0
    agent.alone.on_pulse(b"1", 32_000, welcomed=True)
    agent.step(32_000)
    assert source.balloon_kib == 262_144
    assert len(link.said) == said + 1, "which is news"
    for now_ms in (62_000, 63_000):
        agent.step(now_ms)
    assert source.balloon_kib < 262_144
    agent.farewell(NoStore())  # type: ignore[arg-type]
    assert source.balloon_kib == 262_144
    assert capfd.readouterr().err == ""


def test_what_it_took_of_a_grant_while_alone_is_its_own_doing(capfd: pytest.CaptureFixture[str]) -> None:
    source, link, agent = make()
    source.swap_kib = 1
    agent.alone = Alone(Tunables("alone = committed-as\nalone_after_s = 30\ninterval_s = 3600"), 0)
    for now_ms in (0, 31_000, 32_000):
        agent.step(now_ms)
    link.grown_kib, source.available_kib = source.balloon_kib + 10_000, 100
    agent.step(33_000)
    assert source.balloon_kib >= link.grown_kib
    link.grown_kib = 300_000
    agent.step(33_100)
    agent.farewell(NoStore())  # type: ignore[arg-type]
    assert source.balloon_kib == 300_000, "what was taken of a grant is not given back"
    assert capfd.readouterr().err == ""


class NoStore:
    """A xenstore that is not there any more."""

    quiet = True


def test_memory_is_freed_for_a_balloon_that_wants_it_and_the_balloon_is_woken() -> None:
    source, _, agent = make()
    agent.step(0)
    source.gap_kib = 100_000
    agent.step(100)
    assert source.freed_kib == [], "its owner did not ask for that"
    agent.shrinking = Shrinking(2**20)
    began = source.balloon_written
    assert agent.step(200) <= 40
    assert agent.step(300) <= 40
    assert len(source.freed_kib) == 2
    assert source.balloon_written == began + 2
    source.frees = False
    agent.step(400)
    agent.step(500)
    assert len(source.freed_kib) == 3, "there is no more to be had"


def test_a_nudged_balloon_never_aims_above_what_dom0_asked_for_and_not_below_in_the_end() -> None:
    source, _, agent = make()
    agent.shrinking = Shrinking(2**20)
    source.gap_kib = 100_000
    aims_kib = []
    for now_ms in range(0, 2100, 100):
        agent.step(now_ms)
        aims_kib.append(source.balloon_kib)
    assert set(aims_kib) == {262_144 - 4, 262_144}
    source.gap_kib = 0
    for now_ms in range(2100, 2400, 100):
        agent.step(now_ms)
    assert source.balloon_kib == 262_144


def nudged() -> tuple[Source, Recorder, Agent]:
    source, link, agent = make()
    agent.shrinking = Shrinking(2**20)
    source.gap_kib = 100_000
    agent.step(0)
    assert source.balloon_kib == 262_144 - 4
    return source, link, agent


def test_a_nudge_ends_with_the_agent() -> None:
    source, _, agent = nudged()
    agent.farewell(NoStore())  # type: ignore[arg-type]
    assert source.balloon_kib == 262_144


def test_a_nudge_ends_where_nothing_can_be_said_and_with_the_setting() -> None:
    source, link, agent = nudged()
    link.resting_ms = 1000
    agent.step(100)
    assert source.balloon_kib == 262_144
    source, _, agent = nudged()
    agent.shrinking = None
    agent.step(100)
    assert source.balloon_kib == 262_144


def test_a_last_report_is_later_than_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "now_ms", lambda: 1000)
    _, link, agent = make()
    agent.step(1000)
    last = Last()
    agent.farewell(last)  # type: ignore[arg-type]
    assert link.said[-1] is not None and last.said is not None
    assert last.said.uptime_ms > link.said[-1].uptime_ms


class Last:
    """Takes a last report."""

    quiet = False
    said: Report | None = None

    def say_farewell(self, report: Report, _deadline_s: float) -> None:
        self.said = report


def test_who_was_set_by_somebody_else_since_hands_nothing_back() -> None:
    source, _, agent = make()
    source.swap_kib = 1
    agent.alone = Alone(Tunables("alone = committed-as\nalone_after_s = 30"), 0)
    for now_ms in (0, 31_000, 32_000):
        agent.step(now_ms)
    assert source.balloon_kib < 262_144
    source.balloon_kib = 150_000  # xl mem-set
    agent.farewell(NoStore())  # type: ignore[arg-type]
    assert source.balloon_kib == 150_000


def test_whoever_wakes_it_it_looks_no_oftener_than_the_welcome_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    source, _, agent = make()
    rare = Welcome(version=1, reason="", interval_min_ms=5000, interval_max_ms=5000)
    monkeypatch.setattr(Recorder, "settings", rare)
    agent.step(1000)
    read = source.counters_read
    for now_ms in (1500, 2000, 5999):
        assert agent.step(now_ms, stalled=True) == 6000 - now_ms
    assert source.counters_read == read
    agent.step(6000)
    assert source.counters_read == read + 1, "and has not forgotten that programs stalled"


def test_an_agent_that_nobody_hears_does_not_make_haste_for_that() -> None:
    source, link, agent = make()
    source.swap_kib = 1
    agent.alone = Alone(Tunables("alone = committed-as\nalone_after_s = 30"), 0)
    agent.step(0)
    link.resting_ms = 60_000
    assert agent.step(100_000) >= 100, "its heartbeat is long overdue"


def test_freeing_that_fails_is_not_tried_again_at_once_and_hides_no_news() -> None:
    source, link, agent = make()
    agent.step(0)
    agent.shrinking = Shrinking(2**20)
    source.gap_kib, source.balloon_fails = 100_000, True
    for now_ms in range(100, 2000, 100):
        agent.step(now_ms)
    assert len(source.freed_kib) == 1
    assert any(report and report.min_free_kib for report in link.said)
