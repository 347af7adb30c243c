"""The arbiter without its adapters: news from the directory and looks at the host in, engine's plans out."""

from collections.abc import Sequence
from dataclasses import dataclass

from dom0_arbiter.engine import (
    Decision,
    DomainIntroduced,
    DomainReleased,
    Event,
    HelloReceived,
    MessageRefused,
    Plan,
    ReportReceived,
    ShutdownObserved,
    State,
    TargetObserved,
    step,
)
from dom0_arbiter.policy import Settings
from dom0_arbiter.simulator.directory import Directory
from dom0_arbiter.simulator.host import Host
from dom0_arbiter.simulator.safeguards import without
from dom0_arbiter.simulator.scenarios.scenario import Safeguard
from protocol import RemoteProtocolError, decode_hello, decode_report


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One step of the engine: what it made of what it was told. looked: at a host that showed anything new."""

    before: State
    plan: Plan
    decisions: Sequence[Decision]
    looked: bool


class Arbiter:
    """One life of the process: it starts out knowing nothing but its settings."""

    def __init__(
        self,
        settings: Settings,
        directory: Directory,
        host: Host,
        now_s: float,
        safeguards_off: frozenset[Safeguard] = frozenset(),
    ) -> None:
        self.state = State(settings=settings)
        self._directory = directory
        self._host = host
        self._safeguards_off = safeguards_off
        self._events: list[Event] = []
        self._look_at_s = now_s
        directory.replay()

    @property
    def look_at_s(self) -> float:
        """When it looks at the host again, if nothing happens before."""
        return self._look_at_s

    def put(self, event: Event) -> None:
        """An event from elsewhere: a failed action, an operator's wish. It is heard at once."""
        self._events.append(event)
        self._look_at_s = float("-inf")

    def turn(self, now_s: float) -> Turn | None:
        """Step if there is a reason to; None if there is none."""
        events, self._events = self._events, []
        events.extend(self._news())
        looks = now_s >= self._look_at_s
        if not (events or looks):
            return None
        if looks:
            events.append(without(self._safeguards_off, self._host.sample(), self.state.domains))
        before = self.state
        self.state, plan, decisions = step(before, events, now_s)
        again_s = now_s + plan.look_again_s
        self._look_at_s = again_s if looks else min(self._look_at_s, again_s)
        was_quiet = now_s < before.quiet_until_s == self.state.quiet_until_s and not plan.actions
        return Turn(before=before, plan=plan, decisions=decisions, looked=looks and not was_quiet)

    def _news(self) -> Sequence[Event]:
        return [event for domid, key in self._directory.take_changes() if (event := self._event(domid, key))]

    def _event(self, domid: int, key: str) -> Event | None:
        if key == "release":
            return DomainReleased(domid=domid)
        entry = self._directory.entries[domid]
        try:
            if key.endswith("report"):
                is_found = key != "report"
                return ReportReceived(domid=domid, report=decode_report(entry.report or b""), found=is_found)
            if key.endswith("hello"):
                return HelloReceived(domid=domid, hello=decode_hello(entry.hello or b""))
        except RemoteProtocolError as error:
            return MessageRefused(domid=domid, reason=error.reason)
        if key == "target":
            return TargetObserved(domid=domid, target_kib=entry.target_kib)
        if key == "shutdown":
            return ShutdownObserved(domid=domid) if entry.shutdown else None
        return DomainIntroduced(
            domid=domid,
            uuid=entry.uuid,
            name=entry.name,
            static_max_kib=entry.static_max_kib,
            target_kib=entry.target_kib,
        )
