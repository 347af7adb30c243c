"""Whether what a scenario expects of its domains and its host came true."""

from dom0_arbiter.simulator.playing.outcome import ExpectationOutcome, Number
from dom0_arbiter.simulator.scenarios.scenario import Expectation
from dom0_arbiter.simulator.world import World

EPSILON_S = 1e-9


class Judge:
    """Mutable; looks at every moment of an expectation's time, or once at the first moment not before `at_s`."""

    def __init__(self, index: int, expectation: Expectation) -> None:
        self._index = index
        self._expected = expectation
        self._found: Number | str = None
        self._passed: bool | None = None
        self._is_once = expectation.from_s == expectation.until_s

    @property
    def next_s(self) -> float:
        """When its time begins or ends."""
        return self._expected.from_s if self._passed is None else self._expected.until_s

    def look(self, world: World) -> None:
        """Judge this moment, if it is one that is spoken of."""
        expected, now_s = self._expected, world.now_s
        if now_s < expected.from_s - EPSILON_S or self._passed is False:
            return
        if self._passed and (self._is_once or now_s > expected.until_s + EPSILON_S):
            return
        value = _value(world, expected)
        if value is None and expected.subject not in ("actual_kib", "target_kib", "state", "free_kib"):
            return  # a metric: judged at the end
        self._take(value)

    def end(self, metrics: dict[str, Number]) -> ExpectationOutcome:
        """What came of it, now that everything is over."""
        if self._passed is None and self._expected.subject in metrics:
            self._take(metrics[self._expected.subject])
        return ExpectationOutcome(index=self._index, passed=bool(self._passed), found=self._found)

    def _take(self, value: Number | str) -> None:
        expected = self._expected
        if value is None:
            self._passed = False
        elif isinstance(value, str):
            self._found, self._passed = value, value == expected.state
        else:
            low = float("-inf") if expected.low is None else expected.low
            high = float("inf") if expected.high is None else expected.high
            self._passed = low <= value <= high
            if self._found is None or not self._passed:
                self._found = value


def _value(world: World, expected: Expectation) -> Number | str:
    """The amount or the state that is spoken of; None where the domain does not exist."""
    if expected.subject == "free_kib":
        return world.host.free_kib
    for domid, guest in world.guests.items():
        if guest.spec.name == expected.domain:
            if expected.subject == "actual_kib":
                return world.host.domains[domid].actual_kib
            if expected.subject == "target_kib":
                return world.directory.entries[domid].target_kib + guest.spec.target_offset_kib
            if expected.subject == "state" and world.arbiter is not None:
                domain = world.arbiter.state.domains.get(domid)
                return None if domain is None else domain.state(world.now_s)
    return None
