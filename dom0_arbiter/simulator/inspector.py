"""Watches a host over time, and keeps a record of the rules that were broken. Works beside any arbiter."""

from dom0_arbiter.engine import Action, SetMaxmem
from dom0_arbiter.simulator.invariants import (
    Scene,
    Violation,
    check_action,
    check_liveness,
    check_names,
    check_rest,
    promised_kib,
    set_aside_kib,
    unbacked_kib,
    uncovered,
)

LIVELY_S = 10.0  # J
COVERED_S = 1.0  # K: within 1 s of the growth; and A, for what others do to it
IDLE_S = 3.0  # J, of memory that nobody has
JUDGE_S = 1.0  # between two judgements of I and J,
UNCHANGED_S = 4.0  # and so much more where the arbiter saw nothing new
GLANCE_S = 0.1  # between two of what must not last for a second
CLOSELY_DOMAINS = 40  # a judgement costs as much as a plan: of more domains both are rarer, in proportion
LOOK_S = 1.1  # between two looks of an arbiter at a quiet host, and a little


class Inspector:
    """Told of every action and every moment. `outsiders_s`: when anything happened that no guest's arbiter did."""

    def __init__(self) -> None:
        self.violations: list[Violation] = []
        self.outsiders_s = 0.0
        self.down_s = float("-inf")  # when there was no arbiter last
        self._settled: set[int] = set()
        self._joined_s = float("-inf")
        self._unbacked_s: float | None = None
        self._uncovered_s: dict[int, float] = {}
        self.settled_total = 0  # how often a settled host was judged
        self._judge_at_s = self._glance_at_s = 0.0
        self._idle_s: float | None = None

    def before(self, scene: Scene, action: Action) -> None:
        """An action is about to be carried out; the host may have changed since the arbiter looked at it."""
        self.violations.extend(check_action(scene, action))
        if isinstance(action, SetMaxmem) and action.domid in scene.host.domains and scene.now_s > self.outsiders_s:
            allotment = scene.host.domains[action.domid]
            more_kib = max(0, action.maxmem_kib - allotment.actual_kib)
            more_kib -= max(0, allotment.maxmem_kib - allotment.actual_kib)
            if more_kib > 0 and (lacking_kib := unbacked_kib(scene) + more_kib) > 0:
                self._broken(scene, "A", action.domid, f"{action} promises {lacking_kib} KiB that are not free")

    def saved(self, scene: Scene, domid: int) -> None:
        """A domain is suspended now, and what stands in memory/target is what it will be restored with."""
        domain = scene.state.domains.get(domid)
        if domain is not None and domain.demand is not None and not (domain.is_manual or domain.settings.excluded):
            has_kib, restores_kib = scene.host.domains[domid].actual_kib, scene.restores_kib(domid)
            if has_kib > restores_kib:
                self._broken(scene, "K", domid, f"saved with {has_kib}, a restore allows {restores_kib}")

    def look(self, scene: Scene, *, planned: bool) -> None:
        """Time has passed, and the arbiter has done what there was to do. planned: it knows this very moment."""
        if scene.host.refusals:
            self._check_refusals(scene)
        if scene.now_s >= self._glance_at_s:
            self._glance_at_s = scene.now_s + GLANCE_S * rarer(len(scene.guests))
            self._check_backing(scene)
            self._check_cover(scene)
        if scene.now_s >= self._judge_at_s and (planned or scene.now_s - self._judge_at_s > UNCHANGED_S):
            self._judge_at_s = scene.now_s + JUDGE_S * rarer(len(scene.guests))
            self.violations.extend(check_names(scene))
            if planned:
                self.violations.extend(check_rest(scene))
            self._note_settled(scene)
            if scene.now_s - self._stirred_s(scene) > LIVELY_S:
                self.settled_total += 1
                self._judge_liveness(scene)
            else:
                self._idle_s = None

    def _judge_liveness(self, scene: Scene) -> None:
        """What slow shrinks set free takes a while to be handed out, in pieces worth their writes."""
        found = list(check_liveness(scene))
        idle = [violation for violation in found if violation.domain is None]
        self.violations.extend(violation for violation in found if violation.domain is not None)
        if not idle:
            self._idle_s = None
        elif self._idle_s is None:
            self._idle_s = scene.now_s
        elif scene.now_s - self._idle_s > IDLE_S:
            self.violations.extend(idle)

    def _check_refusals(self, scene: Scene) -> None:
        managed = {domain.domid for domain in scene.managed if not domain.is_frozen(scene.now_s)}
        for refusal in scene.host.refusals:
            if refusal.domid in managed and scene.now_s - max(self.outsiders_s, self.down_s) > LOOK_S:
                self._broken(scene, "C", refusal.domid, f"given {refusal.lacking_kib} KiB that were not there")
        scene.host.refusals.clear()

    def _check_backing(self, scene: Scene) -> None:
        if unbacked_kib(scene) <= 0 or promised_kib(scene) + set_aside_kib(scene) == 0:
            self._unbacked_s = None
            return
        since_s = self._unbacked_s = self._unbacked_s if self._unbacked_s is not None else scene.now_s
        if scene.now_s - max(since_s, self.down_s) > LOOK_S:
            invariant = "H" if set_aside_kib(scene) else "A"
            self._broken(scene, invariant, None, f"{unbacked_kib(scene)} KiB promised, not free, for {LOOK_S} s")
            self._unbacked_s = None

    def _check_cover(self, scene: Scene) -> None:
        before_s, self._uncovered_s = self._uncovered_s, {}
        for domain in uncovered(scene):
            since_s = before_s.get(domain.domid, scene.now_s)
            if scene.now_s - max(since_s, self.down_s) > COVERED_S + LOOK_S:
                has_kib = scene.host.domains[domain.domid].actual_kib
                restores_kib = scene.restores_kib(domain.domid)
                self._broken(scene, "K", domain.domid, f"has {has_kib}, a restore allows {restores_kib}")
                since_s = scene.now_s
            self._uncovered_s[domain.domid] = since_s

    def _note_settled(self, scene: Scene) -> None:
        """Before populate-on-demand is over, no target of an HVM guest may be written."""
        settled = {domain.domid for domain in scene.managed if domain.is_settled or not domain.is_hvm}
        if settled - self._settled:
            self._joined_s = scene.now_s
        self._settled = settled

    def _stirred_s(self, scene: Scene) -> float:
        """When anything last happened that the arbiter has to find a new balance for."""
        stirred_s = max(self.outsiders_s, self.down_s, self._joined_s)
        for guest in scene.guests.values():
            moved_s = 0.0 if guest.spec.character.is_obedient else guest.moved_s
            stirred_s = max(stirred_s, guest.want_changed_s, moved_s)
        return stirred_s

    def _broken(self, scene: Scene, invariant: str, domid: int | None, detail: str) -> None:
        self.violations.append(scene.violation(invariant, domid, detail))


def rarer(domains: int) -> float:
    """How much more rarely a host of so many domains is looked at."""
    return max(1.0, domains / CLOSELY_DOMAINS)
