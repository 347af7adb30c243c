"""A scenario under way, with somebody who looks at its world once a second."""

from collections.abc import Callable

from dom0_arbiter.simulator import World
from dom0_arbiter.simulator.playing.play import Play
from dom0_arbiter.simulator.scenarios.scenario import Scenario

LOOK_S = 1.0


class Watched(Play):
    """Calls `watch` with the world at most once a second of its time."""

    def __init__(self, scenario: Scenario, policy: str, watch: Callable[[World], None]) -> None:
        super().__init__(scenario, policy)
        self._watch = watch
        self._watch_at_s = 0.0

    def _look(self) -> None:
        super()._look()
        if self.world.now_s >= self._watch_at_s:
            self._watch_at_s = self.world.now_s + LOOK_S
            self._watch(self.world)
