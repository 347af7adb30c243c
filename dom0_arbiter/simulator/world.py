"""A host in virtual time: Xen, its guests and its toolstack; the production engine balances it, or a peer's policy.

Deterministic: the same specs, seed and calls give the same world. Nothing here reads a clock.
"""

from random import Random

from dom0_arbiter.engine import Action, ActionFailed, SendGrant, SendWelcome, SetMaxmem, WriteTarget
from dom0_arbiter.policy import DOM0, DOM0_NAME, Settings
from dom0_arbiter.simulator.arbiter import Arbiter, Turn
from dom0_arbiter.simulator.directory import Directory, Entry
from dom0_arbiter.simulator.dom0_cache import cache_in_dom0
from dom0_arbiter.simulator.guests.agent import measure, overstate
from dom0_arbiter.simulator.guests.guest import Guest, GuestSpec
from dom0_arbiter.simulator.host import Allotment, Host
from dom0_arbiter.simulator.inspector import Inspector
from dom0_arbiter.simulator.invariants import Scene
from dom0_arbiter.simulator.rivals.rival import Rival
from dom0_arbiter.simulator.scenarios.scenario import Safeguard
from guest_agent import Sample
from protocol import encode_grant, encode_welcome

PAGE_KIB = 4
LIBXL_EXTRA_KIB = 1024  # maxmem above memory/target, as libxl and `xl mem-set` leave it
TURNS = 4  # of the arbiter in one moment: hear, look, hear what came of it
SUSPEND_TAKES_S = 0.3
DOM0_EVERY_S = 1.0


class World:
    """Advance it with `step` or `run`; the other methods are the toolstack's, and of fate."""

    def __init__(self, *, total_kib: int, settings: Settings, seed: int = 0) -> None:
        self.now_s = 0.0
        self.host = Host(total_kib=total_kib)
        self.directory = Directory()
        self.guests: dict[int, Guest] = {}
        self.settings = settings
        self.arbiter: Arbiter | None = None
        self.rival: Rival | None = None
        self.arbiter_every_s = 0.0  # it gets a turn no oftener: dom0 is busy
        self._arbiter_at_s = 0.0
        self.inspector = Inspector()
        self.departed: list[Guest] = []
        self.oom_kills_total = 0
        self.awaited_kib = 0  # memory that is asked for and not there yet; a peer may look at it
        self.awaited_kib_s = 0.0  # of guests that are to start
        self._starting_kib = 0
        self.failing: set[int] = set()  # domains for which the next action fails
        self._dom0_at_s = 0.0
        self._random = Random(seed)  # noqa: S311 - a world is no secret
        self._last_domid = 0
        self._suspending: dict[int, float] = {}

    # Time

    def step(self, dt_s: float) -> None:
        """Let time pass: guests live, then whoever balances has its turns."""
        self.now_s += dt_s
        if (self.settings.surplus.dom0 or DOM0 in self.guests) and self.now_s >= self._dom0_at_s:
            self._dom0_at_s = self.now_s + DOM0_EVERY_S
            cache_in_dom0(self)
        self.awaited_kib_s += self._starting_kib * dt_s
        for domid, suspends_s in self._suspending.items():
            if suspends_s < self.now_s:
                self.guests[domid].stir(self.now_s)
        for domid, guest in list(self.guests.items()):
            if guest.wake_s <= self.now_s:
                self._advance(domid, guest)
        if self.rival is not None:
            self.rival.act()
        if self.arbiter is None or self.now_s < self._arbiter_at_s:
            self.inspector.down_s = self.now_s
            return
        self._arbiter_at_s = self.now_s + self.arbiter_every_s
        planned = False
        for _ in range(TURNS):
            turn = self.arbiter.turn(self.now_s)
            if turn is None:
                break
            self._carry_out(turn)
            planned = turn.looked
        else:
            planned = False
        self.inspector.look(self.scene(), planned=planned)

    def run(self, for_s: float, *, moving_dt_s: float = 0.05, settled_dt_s: float = 0.25) -> None:
        """Let time pass in small steps while anything moves, in leaps of at most `settled_dt_s` while nothing does."""
        until_s = self.now_s + for_s
        while self.now_s < until_s - 1e-9:
            dt_s = (
                moving_dt_s if self.is_stirring() else min(settled_dt_s, max(moving_dt_s, self.next_s() - self.now_s))
            )
            self.step(min(dt_s, until_s - self.now_s))

    def is_stirring(self) -> bool:
        """Whether anything moves."""
        return any(guest.wake_s <= self.now_s for guest in self.guests.values())

    def next_s(self) -> float:
        """When anything will happen next, if nothing moves now."""
        next_s = min((guest.wake_s for guest in self.guests.values()), default=float("inf"))
        if self._suspending:
            next_s = min(next_s, *self._suspending.values())
        if self.arbiter is not None:
            next_s = min(next_s, self.arbiter.look_at_s)
        if self.rival is not None:
            next_s = min(next_s, self.rival.due_s)
        return next_s

    # The arbiter's life

    def start_arbiter(self, safeguards_off: frozenset[Safeguard] = frozenset()) -> None:
        """A new process, which knows nothing but what it finds; the old one, if there is one, is killed."""
        self.arbiter = Arbiter(self.settings, self.directory, self.host, self.now_s, safeguards_off)

    def kill_arbiter(self) -> None:
        """SIGKILL."""
        self.arbiter = None
        self.inspector.down_s = self.now_s

    # The toolstack

    def start(self, spec: GuestSpec, *, target_kib: int | None = None) -> int:
        """Make a domain, as `xl create` does; return its domid. Raises IllegalAllocationError without free memory.

        One that is called Domain-0 is dom0, whose agent the arbiter itself would be.
        target_kib: what stands in memory/target, Xen's view; None: what it has.
        """
        self._last_domid += spec.name != DOM0_NAME
        domid = DOM0 if spec.name == DOM0_NAME else self._last_domid
        maxmem_kib = spec.actual_kib + LIBXL_EXTRA_KIB if spec.maxmem_kib is None else spec.maxmem_kib
        self.host.build(domid, Allotment(actual_kib=spec.actual_kib, maxmem_kib=maxmem_kib, is_hvm=spec.is_hvm))
        target_kib = (spec.actual_kib if target_kib is None else target_kib) - spec.target_offset_kib
        self.guests[domid] = Guest(domid, spec, target_kib=target_kib, now_s=self.now_s)
        self.directory.introduce(
            domid,
            Entry(
                uuid=f"{spec.name}-{domid}",
                name=spec.name,
                static_max_kib=spec.static_max_kib,
                target_kib=target_kib,
            ),
        )
        self._outsiders_acted()
        return domid

    def destroy(self, domid: int) -> None:
        """A domain ends."""
        guest = self.guests.pop(domid)
        guest.score.stands(0, 0, self.now_s)
        self.departed.append(guest)
        self.host.destroy(domid)
        self.directory.release(domid)
        self._suspending.pop(domid, None)
        self._outsiders_acted()

    def mem_set(self, domid: int, target_kib: int) -> None:
        """`xl mem-set`: target and maxmem, by hand. target_kib as the operator says it, libxl's view."""
        offset_kib = self.guests[domid].spec.target_offset_kib
        self.host.domains[domid].maxmem_kib = target_kib + offset_kib + LIBXL_EXTRA_KIB
        self._write_target(domid, target_kib)
        self._outsiders_acted()

    def set_maxmem(self, domid: int, maxmem_kib: int) -> None:
        """Somebody else sets maxmem."""
        self.host.domains[domid].maxmem_kib = maxmem_kib
        self._outsiders_acted()

    def save(self, domid: int) -> None:
        """Ask a domain to suspend; it obeys a little later, and is resumed by `resume`."""
        self.directory.write_shutdown(domid, "suspend")
        self._suspending[domid] = self.now_s + SUSPEND_TAKES_S
        self._outsiders_acted()

    def resume(self, domid: int) -> None:
        """A suspended domain goes on where it was."""
        self._suspending.pop(domid, None)
        self.host.domains[domid].is_shut_down = False
        self.directory.write_shutdown(domid, "")
        self.guests[domid].wake(self.now_s)
        self.guests[domid].restore(self.now_s)
        self._outsiders_acted()

    def pause(self, domid: int, *, is_paused: bool) -> None:
        """`xl pause`, `xl unpause`."""
        if is_paused:
            self.guests[domid].stir(self.now_s)
        else:
            self.guests[domid].wake(self.now_s)
        self.host.domains[domid].is_paused = is_paused
        self._outsiders_acted()

    def await_memory(self, starting_kib: int, *, held_kib: int) -> None:
        """Guests of so much memory in all are to start as soon as it is free; so much more is asked for otherwise."""
        self.awaited_kib = starting_kib + held_kib
        self._starting_kib = starting_kib

    # What a peer's policy sees and does

    def ceiling_kib(self, domid: int) -> int:
        """min(dynamic-max, static-max)."""
        spec = self.guests[domid].spec
        dynamic_max_kib = self.settings.of_domain(spec.name).dynamic_max_kib
        return spec.static_max_kib if dynamic_max_kib is None else min(spec.static_max_kib, dynamic_max_kib)

    def overhear(self, domid: int) -> Sample | None:
        """What a guest's agent would say now; None from one that is silent, paused or suspended."""
        guest, allotment = self.guests[domid], self.host.domains[domid]
        if guest.agent is None or allotment.is_paused or allotment.is_shut_down:
            return None
        return overstate(measure(guest.kernel, int(self.now_s * 1000)), guest.spec.character.lie_factor)

    def ask(self, domid: int, target_kib: int) -> None:
        """Set maxmem and memory/target as `xl mem-set` does, Xen's view."""
        target_kib -= target_kib % PAGE_KIB
        self.host.domains[domid].maxmem_kib = target_kib + LIBXL_EXTRA_KIB
        self._write_target(domid, target_kib - self.guests[domid].spec.target_offset_kib)

    def open(self, domid: int) -> None:
        """Let a guest grow by itself as far as it can."""
        self.host.domains[domid].maxmem_kib = self.guests[domid].spec.static_max_kib + LIBXL_EXTRA_KIB

    def aim(self, domid: int, kib: int) -> None:
        """The guest's own root sets what its balloon is after, Xen's view."""
        self.guests[domid].aim(min(kib - kib % PAGE_KIB, self.guests[domid].spec.static_max_kib), self.now_s)

    # Inside

    def scene(self) -> Scene:
        """This moment, for the invariants."""
        if self.arbiter is None:
            raise ValueError("there is no arbiter to judge")
        return Scene(
            now_s=self.now_s,
            host=self.host,
            guests=self.guests,
            read_target_kib=self._read_target_kib,
            state=self.arbiter.state,
        )

    def _read_target_kib(self, domid: int) -> int:
        return self.directory.entries[domid].target_kib

    def _advance(self, domid: int, guest: Guest) -> None:
        allotment = self.host.domains[domid]
        pauses = guest.spec.character.paused_s
        if pauses and allotment.is_paused != guest.spec.character.is_paused(self.now_s):
            self.pause(domid, is_paused=not allotment.is_paused)
        if allotment.is_paused or allotment.is_shut_down:
            guest.skip(self.now_s)
            return
        kills, has_kib = guest.kernel.oom_kills_total, allotment.actual_kib
        guest.advance(self.host, self.directory, self.now_s)
        self.oom_kills_total += guest.kernel.oom_kills_total - kills
        if allotment.actual_kib > has_kib and not self._is_managed(domid):
            self._outsiders_acted()
        if guest.is_dead:
            self.destroy(domid)
        elif self._suspending.get(domid, self.now_s) < self.now_s:
            del self._suspending[domid]
            allotment.is_shut_down = True
            if self.arbiter is not None:
                self.inspector.saved(self.scene(), domid)

    def _is_managed(self, domid: int) -> bool:
        domain = self.arbiter.state.domains.get(domid) if self.arbiter else None
        return domain is not None and domain.demand is not None and not (domain.is_manual or domain.settings.excluded)

    def _carry_out(self, turn: Turn) -> None:
        """As the actuator does: a domain's actions in order, none after one that failed; domains in any order."""
        by_domain: dict[int, list[Action]] = {}
        for action in turn.plan.actions:
            by_domain.setdefault(action.domid, []).append(action)
        domids = list(by_domain)
        self._random.shuffle(domids)
        scene = self.scene()
        for domid in domids:
            for action in by_domain[domid]:
                if not self._carry_out_one(scene, action):
                    break

    def _carry_out_one(self, scene: Scene, action: Action) -> bool:
        domid = action.domid
        self.inspector.before(scene, action)
        if domid not in self.guests:
            return False  # gone; its release is on the way
        if domid in self.failing:
            self.failing.discard(domid)
            if self.arbiter is not None:
                self.arbiter.put(ActionFailed(domid=domid, reason="try again"))
            return False
        match action:
            case SetMaxmem():
                self.host.domains[domid].maxmem_kib = action.maxmem_kib & ~3  # Xen counts pages
            case WriteTarget():
                self._write_target(domid, action.target_kib)
            case SendWelcome():
                self.directory.entries[domid].welcome = encode_welcome(action.welcome)
            case SendGrant():
                self.directory.entries[domid].grant = encode_grant(action.grant)
        return True

    def _write_target(self, domid: int, target_kib: int) -> None:
        self.directory.write_target(domid, target_kib)
        self.guests[domid].hear(target_kib, self.now_s)

    def _outsiders_acted(self) -> None:
        self.inspector.outsiders_s = self.now_s
