"""The arbiter at work: collectors fill the inbox, one task owns the state, the actuator carries out its plans."""

import logging
import os
import resource
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, NoReturn

import trio

from dom0_arbiter.engine import Decision, Event, Plan, ResumeRequested, State, WriteTarget, step
from dom0_arbiter.policy import Settings
from dom0_arbiter.service.actuator import Actuator
from dom0_arbiter.service.admin import AdminError, serve_admin
from dom0_arbiter.service.collector import Collector
from dom0_arbiter.service.dom0 import Dom0Source, OwnProc, represent_dom0
from dom0_arbiter.service.inbox import Inbox
from dom0_arbiter.service.notify import notify
from dom0_arbiter.service.pulse import beat
from dom0_arbiter.service.status import describe
from dom0_arbiter.xen import Hypervisor, HypervisorError, Xenstore, sample_dom0

log = logging.getLogger("aerostat.arbiter")

# After a look at the hypervisor, rest for a multiple of the CPU time that it and its consequences took, so that dom0
# has time for others: where a look is dear (on an emulated host), watching balloons move takes a seventh of its time.
# CPU time, because an arbiter that had to wait for its turn on a starved host is needed the more.
PAUSE_RATIO = 1.0  # at least, even where news calls for a look at once
WATCHING_PAUSE_RATIO = 6.0
HYPERVISOR_RETRY_S = 1.0
NOTIFY_S = 5.0
RECENT_DECISIONS = 100


class Arbiter:
    """Everything between xenstore and the hypervisor on one side and the engine on the other."""

    def __init__(
        self, settings: Settings, xenstore: Xenstore, hypervisor: Hypervisor, dom0_source: Dom0Source | None = None
    ) -> None:
        """dom0_source: what a managed dom0 is measured by; None: this machine's /proc."""
        self.state = State(settings=settings)
        self._xenstore = xenstore
        self._dom0_source = dom0_source
        self.inbox = Inbox()
        self._collector = Collector(xenstore, self.inbox)
        self._actuator = Actuator(xenstore, hypervisor)
        self._hypervisor = hypervisor
        self._started_s = trio.current_time()
        self.target_writes_total = self._looks_total = 0
        self.recent: deque[Decision] = deque(maxlen=RECENT_DECISIONS)

    async def run(self, listener: trio.SocketListener) -> None:
        """Serve until cancelled, answering people on the admin socket."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve_admin, listener, self.handle)
            nursery.start_soon(self._collector.run)
            nursery.start_soon(self._represent_dom0)
            nursery.start_soon(self._decide)
            nursery.start_soon(self._tell_service_manager)
            nursery.start_soon(beat, self._xenstore, lambda: self._looks_total)

    def handle(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer a request of the admin socket."""
        match request:
            case {"command": "status"}:
                return self.status()
            case {"command": "resume", "domain": str(name)}:
                self.inbox.put(ResumeRequested(domid=self._domid_of(name)))
                return {"format": 1, "kind": "resume", "domain": name}
            case _:
                raise AdminError("commands are status, and resume with a domain")

    @property
    def now_s(self) -> float:
        """The clock of the state."""
        return trio.current_time()

    def status(self) -> dict[str, Any]:
        """The JSON of kind `status`."""
        return describe(
            self.state,
            now_s=self.now_s,
            started_s=self._started_s,
            dom0=sample_dom0(),
            hypervisor=self._hypervisor.name,
        )

    def _domid_of(self, name: str) -> int:
        for domain in self.state.domains.values():
            if name in (domain.name, domain.uuid, str(domain.domid)):
                return domain.domid
        raise AdminError(f"no domain has the name, uuid or id {name!r}")

    async def _represent_dom0(self) -> None:
        settings = self.state.settings.dom0
        if settings is not None and settings.dynamic_max_kib is not None:
            source = self._dom0_source or OwnProc()
            await represent_dom0(self._xenstore, self.inbox, source, most_kib=settings.dynamic_max_kib)

    async def _decide(self) -> NoReturn:
        """Own the state: take events, look at the hypervisor when it is time, step, act."""
        look_at_s = rested_at_s = trio.current_time()
        while True:
            with trio.move_on_at(max(look_at_s, rested_at_s)):
                await self.inbox.wait()
            if trio.current_time() >= max(look_at_s, rested_at_s):
                before_s = _cpu_s()
                looked = await self._look()
                plan = await self._step([*self.inbox.take(), *looked])  # with what came while we looked
                used_s, ended_s = _cpu_s() - before_s, trio.current_time()
                rested_at_s = ended_s + PAUSE_RATIO * used_s
                look_at_s = ended_s + max(plan.look_again_s, WATCHING_PAUSE_RATIO * used_s)
            elif (await self._step(self.inbox.take())).look_again_s == 0:
                look_at_s = trio.current_time()

    async def _look(self) -> Sequence[Event]:
        try:
            sample = await self._hypervisor.sample()
        except HypervisorError as error:
            log.warning("%s", error)
            await trio.sleep(HYPERVISOR_RETRY_S)
            return []
        self._looks_total += 1
        return [sample]

    async def _step(self, events: Sequence[Event]) -> Plan:
        self.state, plan, decisions = step(self.state, events, trio.current_time())
        self.recent.extend(decisions)
        self.target_writes_total += sum(isinstance(action, WriteTarget) for action in plan.actions)
        for decision in decisions:
            log.info("domain %d: %d to %d KiB: %s", decision.domid, decision.from_kib, decision.to_kib, decision.reason)
        if plan.actions:
            for failure in await self._actuator.apply(plan.actions):
                self.inbox.put(failure)
        return plan

    async def _tell_service_manager(self) -> NoReturn:
        notify("READY=1", f"MAINPID={os.getpid()}")
        while True:
            notify("WATCHDOG=1", f"STATUS=managing {len(self.state.domains)} domains")
            await trio.sleep(NOTIFY_S)


def _cpu_s() -> float:
    """CPU time that we have used, and the programs that we have run (xl, where there is no binding)."""
    programs = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.thread_time() + programs.ru_utime + programs.ru_stime
