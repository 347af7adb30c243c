"""Plays a scenario under one policy, from its beginning to its end, as fast as it can."""

from functools import lru_cache

from dom0_arbiter.policy import MARGIN_KIB, Settings
from dom0_arbiter.simulator.curve import Constant, Steps
from dom0_arbiter.simulator.guests.guest import GuestSpec
from dom0_arbiter.simulator.playing.judge import Judge
from dom0_arbiter.simulator.playing.metrics import Fairness, compute_metrics
from dom0_arbiter.simulator.playing.outcome import Outcome
from dom0_arbiter.simulator.playing.petitions import Held, Petition
from dom0_arbiter.simulator.playing.recorder import Recorder
from dom0_arbiter.simulator.rivals import RIVALS
from dom0_arbiter.simulator.scenarios.scenario import Appearance, Safeguard, Scenario
from dom0_arbiter.simulator.world import LIBXL_EXTRA_KIB, World

GIB = 1024 * 1024
OURS = "aerostat"
TRIES_AGAIN_S = 10.0
HANDOVER_AT_S, HANDOVER_WITHIN_S, HANDOVER_STEP_S = 60.0, 300.0, 0.02


class Play:
    """One scenario under way. Mutable; `run` plays it to its end."""

    def __init__(self, scenario: Scenario, policy: str, *, seed: int | None = None, record: bool = False) -> None:
        self._scenario = scenario
        self._policy = policy
        seed = scenario.seed if seed is None else seed
        self.world = World(total_kib=scenario.memory_kib, settings=scenario.settings, seed=seed)
        self._fairness = Fairness()
        self._judges = [Judge(index, expected) for index, expected in enumerate(scenario.expectations)]
        self._recorder = Recorder(scenario.duration_s) if record else None
        self._requests = [Held(request) for request in scenario.requests]
        self._arrivals: list[Arrival] = []
        self._coming = sorted(scenario.guests, key=lambda appearance: appearance.from_s)
        self._domids: dict[str, int] = {}
        self._leaving = sorted((a for a in scenario.guests if a.until_s < scenario.duration_s), key=lambda a: a.until_s)

    def run(self) -> None:
        """Play to the end."""
        world, scenario = self.world, self._scenario
        self._come_and_go()
        put_in_charge(self._policy, world, scenario.without)
        self._look()
        while world.now_s < scenario.duration_s - 1e-9:
            next_s = min(scenario.duration_s, self._next_s())
            dt_s = scenario.step_s if world.is_stirring() else max(scenario.step_s, world.next_s() - world.now_s)
            if next_s > world.now_s:
                dt_s = min(dt_s, next_s - world.now_s)
            world.step(dt_s)
            self._come_and_go()
            self._look()

    def outcome(self, handover_s: float | None) -> Outcome:
        """What came of it."""
        world, scenario = self.world, self._scenario
        metrics = compute_metrics(world, self._fairness, handover_s)
        requests = [held.outcome() for held in self._requests]
        expectations = [judge.end(metrics) for judge in self._judges]
        broken = {violation.invariant for violation in world.inspector.violations}
        return Outcome(
            policy=self._policy,
            metrics=metrics,
            requests=requests,
            expectations=expectations,
            violations=world.inspector.violations,
            passed=all(each.passed for each in expectations)
            and all(each.passed is not False for each in requests)
            and (self._policy != OURS or broken == scenario.expect_violated),
            series=None if self._recorder is None else self._recorder.series(scenario.memory_kib),
        )

    def _look(self) -> None:
        self._fairness.look(self.world)
        for judge in self._judges:
            judge.look(self.world)
        if self._recorder is not None:
            self._recorder.look(self.world)

    def _next_s(self) -> float:
        """When the scenario itself has something to do or to judge."""
        now_s = self.world.now_s
        times_s = [judge.next_s for judge in self._judges] + [held.next_s for held in self._requests]
        times_s += [appearance.from_s for appearance in self._coming[:1]]
        times_s += [appearance.until_s for appearance in self._leaving[:1]]
        times_s += [arrival.again_s for arrival in self._arrivals]
        return min((time_s for time_s in times_s if time_s > now_s), default=float("inf"))

    def _come_and_go(self) -> None:
        """Start what is due once there is room; what waits for room counts as unmet."""
        world, now_s = self.world, self.world.now_s
        while self._leaving and self._leaving[0].until_s <= now_s:
            leaver = self._leaving.pop(0)
            domid = self._domids.get(leaver.spec.name)
            if domid in world.guests:
                world.destroy(domid)
            for arrival in self._arrivals:
                if arrival.appearance is leaver:
                    arrival.give_up()
            self._arrivals = [arrival for arrival in self._arrivals if arrival.appearance is not leaver]
        while self._coming and self._coming[0].from_s <= now_s:
            appearance = self._coming.pop(0)
            if now_s == 0.0:
                self._domids[appearance.spec.name] = world.start(appearance.spec, target_kib=appearance.target_kib)
            else:
                self._arrivals.append(Arrival(world, appearance))
        for arrival in list(self._arrivals):
            domid = arrival.look(world)
            if domid is not None:
                self._domids[arrival.appearance.spec.name] = domid
                self._arrivals.remove(arrival)
        for held in self._requests:
            held.look(world)
        started_kib = sum(arrival.appearance.spec.actual_kib + LIBXL_EXTRA_KIB for arrival in self._arrivals)
        world.await_memory(started_kib, held_kib=sum(held.awaited_kib for held in self._requests))


class Arrival:
    """A guest that is to start, and waits for its memory. Mutable. A refused start is tried again, as people would."""

    def __init__(self, world: World, appearance: Appearance) -> None:
        self.appearance = appearance
        self._petition = self._ask(world)
        self.again_s = float("inf")

    def look(self, world: World) -> int | None:
        """Start it if there is room; return its domid, None as long as it waits."""
        if world.now_s >= self.again_s:
            self._petition, self.again_s = self._ask(world), float("inf")
        outcome = self._petition.answer().outcome
        if outcome == "granted":
            if world.arbiter is None:
                self._petition.release()  # to the domain, in the same moment
            return world.start(self.appearance.spec, target_kib=self.appearance.target_kib)
        if outcome is not None and self.again_s == float("inf"):
            self.again_s = world.now_s + TRIES_AGAIN_S
        return None

    def give_up(self) -> None:
        """Nobody wants it any more."""
        self._petition.release()

    def _ask(self, world: World) -> Petition:
        size_kib = self.appearance.spec.actual_kib + LIBXL_EXTRA_KIB
        return Petition(world, self.appearance.spec.name, size_kib, size_kib)


def put_in_charge(policy: str, world: World, safeguards_off: frozenset[Safeguard] = frozenset()) -> None:
    """Let a policy balance a world from now on; safeguards are ours alone."""
    if policy == OURS:
        world.start_arbiter(safeguards_off)
    else:
        world.rival = RIVALS[policy](world)


def play(scenario: Scenario, policy: str, *, seed: int | None = None, record: bool = False) -> Outcome:
    """Play a scenario; `policy` is one of scenario.POLICIES. The same arguments give the same outcome."""
    played = Play(scenario, policy, seed=seed, record=record)
    played.run()
    return played.outcome(handover_s(policy))


@lru_cache
def handover_s(policy: str) -> float | None:
    """How long it takes a policy to bring 1 GiB from an idle guest, full of cache, to one that needs it at once.

    Two guests share 4 GiB evenly and need 0.5 GiB each, so that nobody has had a reason to move anything, when the
    need of one, which can swap to a disk meanwhile, rises to 3 GiB. From then until it has as much; None: not within
    HANDOVER_WITHIN_S.
    """
    settings = Settings()
    world = World(total_kib=4 * GIB, settings=settings)
    needs_kib = 3 * GIB
    size_kib = (4 * GIB - settings.slack_kib) // 2 - MARGIN_KIB
    rising = Steps(times_s=[0.0, HANDOVER_AT_S], amounts_kib=[GIB // 2, needs_kib])
    _, needy = (
        world.start(
            GuestSpec(
                name=name,
                static_max_kib=4 * GIB,
                actual_kib=size_kib,
                need=need,
                cache=Constant(kib=cache_kib),
                swap="disk",
                swap_total_kib=4 * GIB,
            )
        )
        for name, need, cache_kib in (("idle", Constant(kib=GIB // 2), size_kib - GIB // 2), ("needy", rising, 0))
    )
    put_in_charge(policy, world)
    world.run(HANDOVER_AT_S, moving_dt_s=HANDOVER_STEP_S)
    while world.host.domains[needy].actual_kib < needs_kib:
        if world.now_s >= HANDOVER_AT_S + HANDOVER_WITHIN_S:
            return None
        world.run(HANDOVER_STEP_S, moving_dt_s=HANDOVER_STEP_S)
    return world.now_s - HANDOVER_AT_S
