"""What a peer's policy has to be, and what it may see and do: no more than its original could on a real host."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from dom0_arbiter.simulator.world import World


class Rival(ABC):
    """Moves a world's memory. `act` is called after every step; `due_s` is when to call it again at the latest."""

    name: ClassVar[str]

    def __init__(self, world: "World") -> None:
        self.world = world
        self.due_s = world.now_s

    @abstractmethod
    def act(self) -> None:
        """Look at the world at world.now_s, and act if it is time; keep `due_s` ahead of now."""
