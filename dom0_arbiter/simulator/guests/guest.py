"""One played guest: programs that want memory, a kernel, a balloon, an agent, and a character."""

from dataclasses import dataclass, replace

from dom0_arbiter.simulator.curve import Constant, Curve
from dom0_arbiter.simulator.directory import Directory
from dom0_arbiter.simulator.guests.agent import Agent
from dom0_arbiter.simulator.guests.character import Character
from dom0_arbiter.simulator.guests.driver import Driver
from dom0_arbiter.simulator.guests.kernel import TOUCH_KIB_S, Kernel, Swap
from dom0_arbiter.simulator.guests.score import GuestScore
from dom0_arbiter.simulator.host import Host

MEMMAP_DIVISOR = (
    64  # a struct page of 64 bytes for each of the 4096 that the guest could have (include/linux/mm_types.h)
)
IMAGE_KIB = 24_576  # kernel text, data and initrd, which MemTotal leaves out as well
AGENT_STARTS_S = 0.5
STILL_S = 2.0  # unchanged for this long, it is looked at again only when something is due
THRASHING_S = 0.25  # between two looks at a guest whose pages go in and out while no level changes
GROWS_AGAIN_S = 0.25
NO_CACHE = Constant(kib=0)
IDEAL = Character()


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestSpec:
    """What a guest is made from, KiB, Xen's view.

    swap says where its swap is, swap_total_kib how large it is; without both it has none.
    `need` and `cache` are wishes over time: `need` the size at which nothing has to be swapped, `cache` what the page
    cache would fill. target_offset_kib: Xen's figure less memory/target once settled, above 0 only for HVM and PVH.
    unsettled_kib: populate-on-demand at its start. maxmem_kib None: as libxl sets it.
    """

    name: str
    static_max_kib: int
    actual_kib: int
    need: Curve
    cache: Curve = NO_CACHE
    kernel_kib: int = 32_768
    swap: Swap = "none"
    swap_total_kib: int = 0
    is_hvm: bool = False
    target_offset_kib: int = 0
    unsettled_kib: int = 0
    maxmem_kib: int | None = None
    character: Character = IDEAL

    @property
    def memory_offset_kib(self) -> int:
        """Xen's figure less MemTotal."""
        return IMAGE_KIB + self.static_max_kib // MEMMAP_DIVISOR


class Guest:
    """Mutable; `advance` plays the time since it was last played. `agent` is None where something else plays it.

    A guest in which nothing moves need not be played before `wake_s`: until then each moment is like the one before.
    """

    __slots__ = (
        "_heard_target_kib",
        "_played_s",
        "_reached_kib",
        "_steady_until_s",
        "_stirred_s",
        "_stirring",
        "agent",
        "domid",
        "driver",
        "grown_kib",
        "grown_s",
        "is_dead",
        "kernel",
        "moved_s",
        "said_s",
        "score",
        "spec",
        "wake_s",
        "want_changed_s",
        "wants_anon_kib",
        "wants_cache_kib",
    )

    def __init__(self, domid: int, spec: GuestSpec, *, target_kib: int, now_s: float, has_agent: bool = True) -> None:
        self.domid = domid
        self.spec = spec
        self.kernel = Kernel(
            total_kib=spec.actual_kib + spec.unsettled_kib - spec.memory_offset_kib,
            kernel_kib=spec.kernel_kib,
            static_max_kib=spec.static_max_kib,
            swap=spec.swap,
            swap_total_kib=spec.swap_total_kib,
        )
        self.driver = Driver(domid, spec.character, aim_kib=self._aim_kib(target_kib), unsettled_kib=spec.unsettled_kib)
        self._heard_target_kib = target_kib
        character = spec.character
        self.agent: Agent | None = None
        if has_agent and character.silent_from_s > now_s:
            self.agent = Agent(
                boot_id=spec.name,
                starts_s=now_s + AGENT_STARTS_S,
                lie_factor=character.lie_factor,
                takes_grants=character.takes_grants,
            )
        self.score = GuestScore()
        self.is_dead = False  # its kernel has panicked, or Xen has killed it
        self.grown_s = float("-inf")  # when its own root last made it grow, and how large
        self.grown_kib = 0
        self.said_s = now_s  # when its agent last reported
        self.moved_s = now_s  # when its size last changed
        self.want_changed_s = now_s  # when what its programs hold or want last changed
        self.wants_anon_kib = self.wants_cache_kib = 0
        self._reached_kib = 0  # what its programs would hold by now, had they all the memory they want
        self._played_s = self._stirred_s = now_s
        self._stirring = True
        self.wake_s = self._steady_until_s = now_s
        self._want(now_s)

    @property
    def working_set_kib(self) -> int:
        """What it needs in truth, Xen's view."""
        return self.spec.memory_offset_kib + self.kernel.working_set_kib

    @property
    def demand_kib(self) -> int:
        """What its programs hold, or would by now had they the memory: the same whoever balances. Xen's view."""
        kernel = self.kernel
        return self.spec.memory_offset_kib + kernel.kernel_kib + self._reached_kib + kernel.reserve_kib

    @property
    def least_kib(self) -> int:
        """Below this, Xen's view, the OOM killer is certain."""
        return self.spec.memory_offset_kib + self.kernel.least_kib

    def hear(self, target_kib: int, now_s: float) -> None:
        """The watch on memory/target fired: aim at that, whatever the guest's root had wished for meanwhile."""
        self._heard_target_kib = target_kib
        self.aim(self._aim_kib(target_kib), now_s)

    def aim(self, aim_kib: int, now_s: float) -> None:
        """Set what the balloon driver is after, Xen's view: from dom0, or by the guest's own root."""
        self.stir(now_s)
        self.driver.aim_kib = aim_kib

    def become(self, character: Character, now_s: float) -> None:
        """Change its character; an agent that has fallen silent stays so."""
        self.stir(now_s)
        self.spec = replace(self.spec, character=character)
        self.driver.character = character
        if self.agent is not None:
            self.agent.lie_factor = character.lie_factor

    def restore(self, now_s: float) -> None:
        """It wakes up after a suspend: the driver reads its target anew."""
        self.hear(self._heard_target_kib, now_s)

    def skip(self, now_s: float) -> None:
        """Time passes without it: it is paused, or suspended, until somebody wakes it."""
        self._played_s = now_s
        self.wake_s = self.spec.character.pauses_s(now_s)

    def wake(self, now_s: float) -> None:
        """It goes on from where it was."""
        self._played_s = now_s
        self.wake_s = now_s

    def stir(self, now_s: float) -> None:
        """Something is about to happen to it: bring it to this moment, and play it closely from here on."""
        if not self._stirring:
            self._live(now_s)
            self._stirring = True
        self._stirred_s = now_s
        self.wake_s = now_s

    def advance(self, host: Host, directory: Directory, now_s: float) -> None:
        """Play the time until `now_s`."""
        character, kernel, was_stirring = self.spec.character, self.kernel, self._stirring
        dt_s = now_s - self._played_s
        if character.grows_kib_s:
            self._grow(host, dt_s)
        size_kib = host.domains[self.domid].actual_kib
        moved = was_stirring and self.driver.move(host, kernel, now_s, dt_s)
        if moved:
            self.moved_s = now_s
            self._note_growth(host, now_s)
            self.score.moved(host.domains[self.domid].actual_kib - size_kib, now_s)
        happened = self._live(now_s)
        self.score.stands(self.demand_kib, host.domains[self.domid].actual_kib + kernel.pooled_kib, now_s)
        if self.driver.unsettled_kib and kernel.total_kib - max(0, kernel.free_kib) > (
            host.domains[self.domid].actual_kib - self.spec.memory_offset_kib
        ):
            self.is_dead = True  # it touched a page that populate-on-demand had none for: Xen kills it
        if now_s >= character.crash_at_s:
            self.is_dead = True
        if now_s >= self._steady_until_s:
            happened = self._want(now_s) or happened
        distance_kib = self.driver.distance_kib(host.domains[self.domid].actual_kib)
        moves_s = self.driver.next_s(distance_kib, now_s)
        self._stirring = moved or happened or moves_s <= now_s
        if self._stirring:
            self._stirred_s = now_s
        if self.agent is not None:
            if now_s >= character.silent_from_s or kernel.agent_killed:
                self.agent = None
            else:
                aim_kib = max(0, self.driver.aim_kib - self.spec.target_offset_kib)
                self.agent.look(self.domid, directory, kernel, aim_kib, now_s)
                self.said_s = self.agent.reported_s
                if grown_kib := self.agent.grown_target_kib(kernel, aim_kib, now_s):
                    self.aim(self._aim_kib(grown_kib), now_s)
        self.wake_s = self._next_s(moves_s, now_s)

    def _next_s(self, moves_s: float, now_s: float) -> float:
        """When it must be played again."""
        character = self.spec.character
        next_s = min(self._steady_until_s, moves_s, character.pauses_s(now_s))
        if self._stirring:
            return now_s
        if self.agent is not None:
            is_still = now_s - self._stirred_s > STILL_S
            next_s = min(next_s, self.agent.next_s(is_still=is_still), character.silent_from_s)
        if self.kernel.swapped_kib or self.kernel.pooled_kib:
            next_s = min(next_s, now_s + THRASHING_S)
        if character.grows_kib_s:
            next_s = min(next_s, now_s + GROWS_AGAIN_S)
        return min(next_s, character.crash_at_s) if now_s < character.crash_at_s else next_s

    def _live(self, now_s: float) -> bool:
        """Its programs and its kernel, until now; return whether anything changed."""
        kernel, dt_s = self.kernel, now_s - self._played_s
        self._played_s = now_s
        held_kib, reached_kib = kernel.held_kib, self._reached_kib
        self._reached_kib = min(self.wants_anon_kib, reached_kib + int(TOUCH_KIB_S * dt_s))
        happened = kernel.advance(self.wants_anon_kib, self.wants_cache_kib, dt_s)
        if kernel.held_kib != held_kib:
            self.want_changed_s = now_s
        return happened or self._reached_kib != reached_kib

    def _want(self, now_s: float) -> bool:
        """What programs want from now on; return whether it is something else."""
        spec, kernel = self.spec, self.kernel
        need_kib = min(spec.need.at(now_s), spec.static_max_kib)
        wants_anon_kib = max(0, need_kib - spec.memory_offset_kib - spec.kernel_kib - kernel.reserve_kib)
        wants_cache_kib = spec.cache.at(now_s)
        self._steady_until_s = min(spec.need.steady_until_s(now_s), spec.cache.steady_until_s(now_s))
        if (wants_anon_kib, wants_cache_kib) == (self.wants_anon_kib, self.wants_cache_kib):
            return False
        self.wants_anon_kib, self.wants_cache_kib = wants_anon_kib, wants_cache_kib
        self.want_changed_s = now_s
        return True

    def _grow(self, host: Host, dt_s: float) -> None:
        """Its own root raises the balloon's target, up to what Xen allows."""
        allotment = host.domains[self.domid]
        rise_kib = int(self.spec.character.grows_kib_s * dt_s) & ~3
        aim_kib = min(allotment.actual_kib + rise_kib, allotment.maxmem_kib, self.spec.static_max_kib)
        if aim_kib > max(self.driver.aim_kib, allotment.actual_kib):
            self.driver.aim_kib = aim_kib
            self._stirring = True

    def _note_growth(self, host: Host, now_s: float) -> None:
        actual_kib = host.domains[self.domid].actual_kib
        if actual_kib > self._aim_kib(self._heard_target_kib) and self.driver.aim_kib >= actual_kib:
            self.grown_s, self.grown_kib = now_s, actual_kib

    def _aim_kib(self, target_kib: int) -> int:
        return min(target_kib + self.spec.target_offset_kib, self.spec.static_max_kib)
