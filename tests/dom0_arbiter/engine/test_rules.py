"""The rules for moving a balloon, each beside what happens without it."""

from collections.abc import Sequence

import pytest

from dom0_arbiter.engine import DomainIntroduced, ResumeRequested, SetMaxmem, WriteTarget
from dom0_arbiter.policy import SURPLUS, DomainSettings, Settings
from dom0_arbiter.simulator import Character, GuestSpec, Steps, World
from dom0_arbiter.simulator.arbiter import Turn
from dom0_arbiter.simulator.world import SUSPEND_TAKES_S

MIB = 1024
SLACK_KIB = 64 * MIB


def spec(name: str, *, size: int = 256, need: int | Sequence[tuple[float, int]] = 150, **more: object) -> GuestSpec:
    """A guest of so many MiB, which needs so many; static-max 768 MiB."""
    steps = [(0.0, need)] if isinstance(need, int) else need
    curve = Steps(times_s=[at_s for at_s, _ in steps], amounts_kib=[mib * MIB for _, mib in steps])
    return GuestSpec(name=name, static_max_kib=768 * MIB, actual_kib=size * MIB, need=curve, **more)  # type: ignore[arg-type]


def world_of(*specs: GuestSpec, free: int = 0, arbiter: bool = True) -> World:
    """A host of these guests, the slack, a margin each, and so many free MiB."""
    taken_kib = sum(each.actual_kib + MIB for each in specs)
    world = World(total_kib=taken_kib + SLACK_KIB + free * MIB, settings=Settings(free_pool_kib=0))
    for each in specs:
        world.start(each)
    if arbiter:
        world.start_arbiter()
    return world


def still_world() -> World:
    """A host of one guest that nobody has a reason to move, and of memory that is kept free."""
    world = World(
        total_kib=(256 + 1 + 64 + 300) * MIB, settings=Settings(surplus=SURPLUS["keep-free"], free_pool_kib=0)
    )
    world.start(spec("a", need=100))
    world.start_arbiter()
    return world


def size_mib(world: World, domid: int = 1) -> int:
    return world.host.domains[domid].actual_kib // MIB


def test_maxmem_is_raised_before_a_target_that_needs_it() -> None:
    climb = [(0.0, 150), *((5.0 + n, 200 + 50 * n) for n in range(5))]
    needy = world_of(spec("a", need=climb), spec("b"), free=200)
    needy.run(15)
    assert size_mib(needy) >= 400
    assert needy.inspector.violations == []


def test_without_it_the_driver_gives_up_for_an_hour() -> None:
    alone = world_of(spec("a"), free=200, arbiter=False)
    alone._write_target(1, 400 * MIB)
    alone.run(30)
    alone.set_maxmem(1, 401 * MIB)
    alone.run(60)
    assert size_mib(alone) == 257
    alone._write_target(1, 400 * MIB)
    alone.run(10)
    assert size_mib(alone) == 257, "the same target again does not wake it"
    alone._write_target(1, 400 * MIB - 4)
    alone.run(1)
    assert size_mib(alone) == 399, "one that differs by a page does"


def test_a_driver_that_sleeps_is_woken_by_a_page() -> None:
    lazy = Character(moving_s=6.0, stuck_s=12.0)
    climb = [(0, 150), (5, 236), (15, 290), (25, 360), (45, 420)]  # what it has carries it while the driver sleeps
    world = world_of(spec("a", need=climb), spec("b", size=512, character=lazy))
    world.run(60)
    assert size_mib(world) >= 420
    assert world.inspector.violations == []


def test_a_domain_that_does_not_obey_is_named_and_left_alone() -> None:
    world = world_of(spec("a", need=[(0, 150), (5, 420)]), spec("b", size=512, character=Character(dead=True)))
    world.run(90)
    assert world.arbiter is not None
    assert world.arbiter.state.domains[2].state(world.now_s) == "stuck"
    assert world.directory.entries[2].target_kib == 512 * MIB, "memory/target covers what it has"


def test_a_shrink_leaves_the_guest_what_it_needs() -> None:
    world = world_of(spec("greedy", need=[(0, 150), (5, 700)]), spec("donor", size=400, need=300))
    world.run(30)
    assert world.guests[2].kernel.oom_kills_total == 0
    assert size_mib(world, 2) >= 300


def test_without_the_licence_of_its_report_the_guest_is_killed() -> None:
    alone = world_of(spec("donor", size=400, need=300), arbiter=False)
    alone.run(5)
    alone.mem_set(1, 150 * MIB)
    alone.run(5)
    assert alone.guests[1].kernel.oom_kills_total > 0 or alone.guests[1].kernel.agent_killed


def test_a_domain_that_never_reported_is_never_shrunk() -> None:
    world = world_of(
        spec("greedy", need=[(0, 150), (5, 700)]), spec("mute", size=400, character=Character(silent_from_s=0.0))
    )
    world.run(30)
    assert size_mib(world, 2) == 400
    assert world.arbiter is not None
    assert world.arbiter.state.domains[2].state(world.now_s) == "no-agent"


def test_a_guest_that_still_populates_on_demand_gets_no_target() -> None:
    hvm = spec("hvm", size=256, is_hvm=True, unsettled_kib=256 * MIB, target_offset_kib=64)
    world = world_of(hvm, spec("b", need=[(0, 150), (1, 300)]))
    world.run(0.4)
    assert world.directory.target_writes_total == 0
    world.run(60)
    assert not world.guests[1].is_dead
    assert world.inspector.violations == []


def test_what_a_guest_took_by_itself_is_covered_within_a_second() -> None:
    climber = spec("climber", character=Character(grows_kib_s=100_000), maxmem_kib=356 * MIB)
    world = world_of(climber, free=120, arbiter=False)
    world.run(3)
    assert size_mib(world) == 356
    world.start_arbiter()
    world.run(3)
    assert world.directory.entries[1].target_kib >= 355 * MIB


def test_without_that_the_next_write_undoes_what_it_took() -> None:
    climber = spec("climber", character=Character(grows_kib_s=100_000), maxmem_kib=356 * MIB)
    world = world_of(climber, free=120, arbiter=False)
    world.run(3)
    world.guests[1].become(Character(), world.now_s)
    world._write_target(1, 256 * MIB)
    world.run(3)
    assert size_mib(world) == 256


def test_memory_target_covers_a_guest_that_is_saved_while_it_shrinks() -> None:
    slow = Character(down_kib_s=20_000)
    world = world_of(spec("greedy", need=[(0, 150), (5, 600)]), spec("donor", size=500, character=slow))
    world.run(6)
    assert size_mib(world, 2) > world.directory.entries[2].target_kib // MIB, "it is on its way down"
    world.save(2)
    world.run(1)
    assert world.host.domains[2].actual_kib <= world.scene().restores_kib(2)
    assert not [violation for violation in world.inspector.violations if violation.invariant == "K"]


def test_a_suspend_of_half_a_second_is_seen_so_that_the_next_is_covered_too() -> None:
    """It was missed, and the next request within a minute taken for the guest's own game."""
    slow = Character(down_kib_s=20_000)
    world = world_of(spec("greedy", need=[(0, 150), (30, 600)]), spec("donor", size=500, character=slow))
    world.run(15)
    world.save(2)
    world.run(SUSPEND_TAKES_S + 0.3)
    world.resume(2)
    world.run(15.5)
    assert size_mib(world, 2) > world.directory.entries[2].target_kib // MIB, "it is on its way down"
    world.save(2)
    world.run(0.5)
    assert world.host.domains[2].is_shut_down
    assert world.inspector.violations == []


def test_without_it_the_guest_could_not_be_restored() -> None:
    slow = Character(down_kib_s=20_000)
    world = world_of(spec("donor", size=500, character=slow), arbiter=False)
    world.run(2)
    world.mem_set(1, 300 * MIB)
    world.save(1)
    world.run(1)
    world.start_arbiter()
    assert world.host.domains[1].actual_kib > world.scene().restores_kib(1)


def test_somebody_elses_write_is_not_fought() -> None:
    world = world_of(spec("a"), spec("b"))
    world.run(5)
    world.mem_set(1, 300 * MIB - 8)
    world.run(20)
    assert world.arbiter is not None
    assert world.arbiter.state.domains[1].state(world.now_s) == "manual"
    assert world.directory.entries[1].target_kib == 300 * MIB - 8


def test_growth_that_somebody_else_allows_is_not_fought_either() -> None:
    """In the lab `xl mem-set` of a guest never moved before was undone: its growth was seen before its target."""
    world = still_world()
    world.run(5)
    written_total = world.directory.target_writes_total
    world.set_maxmem(1, 400 * MIB)
    world.guests[1].become(Character(grows_kib_s=100_000), world.now_s)
    world.run(3)
    assert size_mib(world) == 400
    assert world.arbiter is not None
    assert world.arbiter.state.domains[1].state(world.now_s) == "manual"
    assert world.directory.target_writes_total == written_total


def test_a_limit_that_somebody_sets_is_left_before_an_hvm_guest_has_settled() -> None:
    world = world_of(spec("hvm", is_hvm=True, unsettled_kib=256 * MIB, target_offset_kib=64))
    world.run(2)
    assert world.arbiter is not None and not world.arbiter.state.domains[1].is_settled
    world.set_maxmem(1, 700 * MIB)
    world.run(3)
    assert world.arbiter.state.domains[1].state(world.now_s) == "manual"
    assert world.host.domains[1].maxmem_kib == 700 * MIB


def test_a_shrink_that_somebody_began_before_the_arbiter_started_goes_on() -> None:
    """It was taken for growth that nobody had covered, though no maxmem had allowed that."""
    world = world_of(spec("halting", size=500, character=Character(down_kib_s=0)), arbiter=False)
    world.run(2)
    world.mem_set(1, 300 * MIB)
    world.start_arbiter()
    world.run(3)
    assert world.directory.entries[1].target_kib == 300 * MIB


def test_a_domain_handed_back_at_an_odd_size_stays_in_hand() -> None:
    """Xen rounds maxmem to pages: what we had set in between looked like somebody else's."""
    world = still_world()
    world.run(5)
    world.mem_set(1, 300 * MIB + 1)
    world.set_maxmem(1, 500 * MIB)
    world.run(5)
    assert world.arbiter is not None and world.arbiter.state.domains[1].state(world.now_s) == "manual"
    world.arbiter.put(ResumeRequested(domid=1))
    world.run(5)
    assert world.arbiter.state.domains[1].state(world.now_s) == "ok"


def test_a_growth_raises_maxmem_first_and_a_shrink_lowers_both(monkeypatch: pytest.MonkeyPatch) -> None:
    world = world_of(spec("a", need=[(0, 150), (5, 400)]), spec("b", size=400))
    order: dict[int, list[str]] = {1: [], 2: []}
    carry_out = world._carry_out

    def noting(turn: Turn) -> None:
        for action in turn.plan.actions:
            if isinstance(action, SetMaxmem | WriteTarget):
                order[action.domid].append(type(action).__name__)
        carry_out(turn)

    world.run(4)
    monkeypatch.setattr(world, "_carry_out", noting)
    world.run(8)
    assert order[1][:2] == ["SetMaxmem", "WriteTarget"]
    assert order[2][:2] == ["WriteTarget", "SetMaxmem"]


def test_memory_that_others_might_take_is_no_reason_to_shrink_anybody() -> None:
    mute = spec("mute", maxmem_kib=768 * MIB, character=Character(silent_from_s=0.0))
    world = world_of(mute, spec("b", size=400, need=300), free=40)
    world.run(20)
    assert size_mib(world, 2) >= 399


def test_a_guest_that_keeps_asking_to_be_shut_down_is_not_left_alone_for_it() -> None:
    world = world_of(spec("other", need=[(0, 150), (12, 220), (16, 290), (20, 360)]), spec("dodger", size=500))
    frozen = 0
    for _ in range(30):
        world.directory.write_shutdown(2, "suspend")
        world.run(1.0)
        assert world.arbiter is not None
        frozen += world.arbiter.state.domains[2].state(world.now_s) == "frozen"
    assert frozen <= 11
    assert size_mib(world, 2) < 400, "it gives like everybody else"


def test_a_domain_that_got_another_name_gets_the_settings_of_that_name() -> None:
    world = World(total_kib=1024 * MIB, settings=Settings(by_glob=[("db", DomainSettings(excluded=True, weight=700))]))
    domid = world.start(spec("db--incoming"))
    world.start_arbiter()
    world.run(2)
    assert world.arbiter is not None
    assert world.arbiter.state.domains[domid].settings.weight == 700, "it migrates here, and will be called db"
    described = DomainIntroduced(domid=domid, uuid=f"db--incoming-{domid}", name="web", static_max_kib=4, target_kib=4)
    world.arbiter.put(described)
    world.run(2)
    assert world.arbiter.state.domains[domid].settings == Settings().default
    assert world.arbiter.state.domains[domid].static_max_kib == 4
