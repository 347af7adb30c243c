"""Memory for a start: granted, waited for or refused; kept until it is used; and nobody is shrunk for it twice."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dom0_arbiter.engine import Reservation, ReservationReleased, ReservationRequested
from dom0_arbiter.engine.reservation import DONOR_KEEPS_KIB
from dom0_arbiter.policy import EVEN_S, SURPLUS, Settings, Surplus
from dom0_arbiter.simulator import Allotment, Character, GuestSpec, Steps, World
from dom0_arbiter.simulator.world import LIBXL_EXTRA_KIB

MIB = 1024
SLACK_KIB = 64 * MIB
STEP_S = 0.05
ROUNDING_KIB = 2 * MIB  # what MemAvailable and the truth may be apart, for each guest


def spec(name: str, *, size: int = 256, need: int | Sequence[tuple[float, int]] = 150, **more: object) -> GuestSpec:
    """A guest of so many MiB, which needs so many; static-max 1024 MiB."""
    points = [(0.0, need)] if isinstance(need, int) else need
    curve = Steps(times_s=[at_s for at_s, _ in points], amounts_kib=[mib * MIB for _, mib in points])
    return GuestSpec(name=name, static_max_kib=1024 * MIB, actual_kib=size * MIB, need=curve, **more)  # type: ignore[arg-type]


def world_of(*specs: GuestSpec, free: int = 0, surplus: Surplus = SURPLUS["spread"]) -> World:
    """A host of these guests, the slack, a margin each, and so many free MiB; agents and arbiter have met."""
    taken_kib = sum(each.actual_kib + MIB for each in specs)
    policy = Settings(free_pool_kib=0, surplus=surplus)
    world = World(total_kib=taken_kib + SLACK_KIB + free * MIB, settings=policy)
    for each in specs:
        world.start(each)
    world.start_arbiter()
    world.run(3)
    return world


def request(world: World, size: int, *, least: int | None = None, name: str = "new") -> None:
    """MiB."""
    assert world.arbiter is not None
    least_kib = (size if least is None else least) * MIB
    world.arbiter.put(ReservationRequested(name=name, size_kib=size * MIB, min_kib=least_kib))


def found(world: World, name: str = "new") -> Reservation:
    assert world.arbiter is not None
    reservation: Reservation = world.arbiter.state.reservations[name]
    return reservation


def watch(world: World, for_s: float, holds: Callable[[], bool]) -> None:
    """Let time pass, and look at every moment of it."""
    until_s = world.now_s + for_s
    while world.now_s < until_s:
        world.step(STEP_S)
        assert holds(), f"at {world.now_s:.2f} s"


def sizes_kib(world: World) -> dict[int, int]:
    return {domid: allotment.actual_kib for domid, allotment in world.host.domains.items()}


def is_within_needs(world: World) -> bool:
    """Nobody has less than its working set, but for what the kernel's own estimate of that leaves out."""
    return all(
        world.host.domains[domid].actual_kib + ROUNDING_KIB >= guest.working_set_kib
        for domid, guest in world.guests.items()
    )


def test_what_is_free_is_granted_at_once() -> None:
    world = world_of(spec("a"), spec("b"), free=400, surplus=SURPLUS["keep-free"])
    request(world, 200)
    world.run(0.2)
    assert (found(world).outcome, found(world).kib) == ("granted", 200 * MIB)
    assert found(world).decided_s is not None


def test_what_obedient_guests_have_to_give_is_waited_for_and_granted() -> None:
    world = world_of(spec("a", size=500), spec("b", size=500))
    request(world, 300)
    world.step(STEP_S)
    assert (found(world).outcome, found(world).decided_s) == ("waiting", None)
    watch(world, 5, lambda: is_within_needs(world))
    assert (found(world).outcome, found(world).kib) == ("granted", 300 * MIB)
    assert world.host.free_kib >= SLACK_KIB + 300 * MIB
    assert world.inspector.violations == []


def test_a_lack_is_refused_and_what_is_missing_is_named() -> None:
    world = world_of(spec("a", size=450, need=400), spec("b", size=450, need=400))
    request(world, 600)
    world.run(1)
    assert found(world).outcome == "refused-lack"
    assert (found(world).kib, list(found(world).blame)) == (0, [])
    spare_kib = sum(sizes_kib(world).values()) - 2 * 400 * MIB + world.host.free_kib - SLACK_KIB - 2 * MIB
    spare_kib -= 2 * DONOR_KEEPS_KIB
    assert found(world).missing_kib == pytest.approx(600 * MIB - spare_kib, abs=2 * ROUNDING_KIB)


def test_a_refusal_moves_nothing() -> None:
    world = world_of(spec("a", size=450, need=400), spec("b", size=450, need=400))
    before = sizes_kib(world)
    request(world, 600)
    world.run(10)
    assert sizes_kib(world) == before


def test_a_balloon_that_does_not_move_is_named_and_it_alone() -> None:
    world = world_of(
        spec("a", size=400, need=300), spec("dead", size=700, character=Character(dead=True)), spec("c", need=240)
    )
    request(world, 400)
    watch(world, 60, lambda: is_within_needs(world))
    assert found(world).outcome == "refused-stuck"
    assert list(found(world).blame) == ["dead"]
    assert 0 < found(world).missing_kib <= 400 * MIB


def test_a_request_that_the_others_can_meet_does_not_fail_for_a_dead_balloon() -> None:
    world = world_of(spec("a", size=700), spec("dead", size=700, character=Character(dead=True)))
    request(world, 300)
    world.run(60)
    assert found(world).outcome == "granted"


def test_what_the_stuck_could_not_mend_is_a_lack() -> None:
    world = world_of(spec("a", size=400, need=380), spec("dead", size=300, character=Character(dead=True)))
    request(world, 800)
    world.run(60)
    assert found(world).outcome == "refused-lack"


def test_every_request_is_decided_in_the_end() -> None:
    for size in range(50, 1000, 150):
        world = world_of(spec("a", size=400), spec("slow", size=500, character=Character(moving_s=1.0, stuck_s=20.0)))
        request(world, size)
        world.run(90)
        assert found(world).outcome != "waiting"


def test_what_was_granted_stays_there_though_others_burst() -> None:
    burst = [(0.0, 150), (12.0, 900), (25.0, 150), (30.0, 900)]
    world = world_of(spec("a", size=500, need=burst), spec("b", size=500, need=burst))
    request(world, 300)
    world.run(7)
    assert found(world).outcome == "granted"
    watch(world, 40, lambda: world.host.free_kib >= SLACK_KIB + 300 * MIB)
    assert found(world).kib == 300 * MIB
    assert [v for v in world.inspector.violations if v.invariant in ("A", "C", "H")] == []


def test_a_granted_reservation_is_not_given_to_the_next_one() -> None:
    world = world_of(spec("a", size=500), spec("b", size=500))
    request(world, 300, name="first")
    world.run(5)
    request(world, 300, name="second")
    watch(world, 20, lambda: world.host.free_kib >= SLACK_KIB + 300 * MIB)
    outcomes = (found(world, "first").outcome, found(world, "second").outcome)
    assert outcomes == ("granted", "granted")
    assert world.host.free_kib >= SLACK_KIB + 600 * MIB


def test_a_domain_of_its_name_takes_it_over_and_nobody_is_shrunk_again() -> None:
    world = world_of(spec("a", size=600), spec("b", size=600))
    size_kib = 300 * MIB
    assert world.arbiter is not None
    asked_kib = size_kib + LIBXL_EXTRA_KIB
    world.arbiter.put(ReservationRequested(name="new", size_kib=asked_kib, min_kib=asked_kib))
    world.run(10)
    assert found(world).outcome == "granted"
    before = sizes_kib(world)
    world.start(spec("new", size=300, need=120))
    watch(world, EVEN_S - 1, lambda: all(sizes_kib(world)[domid] >= kib for domid, kib in before.items()))
    assert "new" not in world.arbiter.state.reservations
    assert world.inspector.violations == []


def test_a_domain_of_another_name_does_not_take_it_over() -> None:
    world = world_of(spec("a", size=600), spec("b", size=600), free=300, surplus=SURPLUS["keep-free"])
    request(world, 250)
    world.run(10)
    world.start(spec("other", size=100))
    world.run(10)
    assert (found(world).outcome, found(world).kib) == ("granted", 250 * MIB)
    assert world.host.free_kib >= SLACK_KIB + 250 * MIB


@pytest.mark.parametrize("is_granted", [True, False])
def test_what_is_released_is_given_out_again(is_granted: bool) -> None:
    world = world_of(spec("a", size=500), spec("b", size=500))
    before_kib = sum(sizes_kib(world).values())
    request(world, 300)
    world.run(10 if is_granted else 0.1)
    assert found(world).outcome == ("granted" if is_granted else "waiting")
    assert world.arbiter is not None
    world.arbiter.put(ReservationReleased(name="new"))
    world.run(20)
    assert not world.arbiter.state.reservations
    assert sum(sizes_kib(world).values()) >= before_kib - 18 * MIB, "what is not worth moving stays free"
    assert world.inspector.violations == []


def test_a_request_asked_again_replaces_the_one_before() -> None:
    world = world_of(spec("a", size=500), spec("b", size=500))
    request(world, 300)
    world.run(5)
    request(world, 100)
    world.run(20)
    assert (found(world).outcome, found(world).kib) == ("granted", 100 * MIB)
    assert world.host.free_kib < SLACK_KIB + 200 * MIB


guests = st.lists(st.tuples(st.integers(150, 600), st.floats(0.2, 1.0)), min_size=1, max_size=4)


@settings(deadline=None, max_examples=40)
@given(guests, st.integers(20, 1500), st.floats(0.1, 1.0), st.integers(0, 300))
def test_a_start_never_takes_anybody_below_its_working_set(
    sizes: list[tuple[int, float]], size: int, least_ratio: float, free: int
) -> None:
    specs = [spec(f"g{n}", size=mib, need=max(96, int(mib * ratio * 0.9))) for n, (mib, ratio) in enumerate(sizes)]
    world = world_of(*specs, free=free)
    request(world, size, least=max(1, int(size * least_ratio)))
    watch(world, 15, lambda: is_within_needs(world))
    reservation = found(world)
    if reservation.outcome == "granted":
        assert reservation.min_kib <= reservation.kib <= reservation.size_kib
        assert world.host.free_kib >= SLACK_KIB + reservation.kib
    assert sum(guest.kernel.psi_some_us_total for guest in world.guests.values()) == 0
    assert [violation for violation in world.inspector.violations if violation.invariant != "J"] == []


def test_as_much_as_there_is_will_do_for_who_says_so() -> None:
    world = world_of(spec("a", size=400, need=300), spec("b", size=400, need=300))
    request(world, 600, least=100)
    watch(world, 30, lambda: is_within_needs(world))
    assert found(world).outcome == "granted"
    assert 100 * MIB <= found(world).kib <= 200 * MIB


def test_what_a_refusal_says_is_missing_would_have_sufficed() -> None:
    world = world_of(spec("a", size=450, need=400), spec("b", size=450, need=400))
    request(world, 600)
    world.run(1)
    fits_mib = 600 - -(-found(world).missing_kib // MIB)
    request(world, fits_mib, name="smaller")
    world.run(10)
    assert found(world, "smaller").outcome == "granted"


def test_where_all_obey_nobody_is_stuck() -> None:
    world = world_of(spec("a", size=150, need=135))
    request(world, 20, least=10)
    world.run(30)
    assert found(world).outcome in ("granted", "refused-lack")


def test_what_is_populated_before_its_directory_is_complete_is_not_taken_from_others_again() -> None:
    world = world_of(spec("a", size=600), spec("b", size=600))
    request(world, 301)
    world.run(10)
    before = sizes_kib(world)
    world.host.build(99, Allotment(actual_kib=300 * MIB, maxmem_kib=301 * MIB))  # libxl writes memory/target last
    watch(world, 10, lambda: all(sizes_kib(world)[domid] >= kib for domid, kib in before.items()))


def test_a_domain_on_its_way_out_takes_nothing_of_what_was_set_aside() -> None:
    """libxl forgets a domain before Xen has freed its memory."""
    world = world_of(spec("a", size=600, need=200), spec("b", size=600, need=590), free=400)
    request(world, 300)
    world.run(5)
    assert found(world).outcome == "granted"
    del world.guests[2]
    world.directory.release(2)
    world.host.domains[2].is_shut_down = True
    watch(world, 10, lambda: world.host.free_kib >= SLACK_KIB + 300 * MIB)


def test_a_domain_that_arrives_by_migration_takes_over_what_was_set_aside_for_it() -> None:
    world = world_of(spec("a", size=600), free=400)
    request(world, 301, name="vm")
    world.run(5)
    assert found(world, "vm").outcome == "granted"
    world.start(spec("vm--incoming", size=300))
    world.run(1)
    assert world.arbiter is not None and not world.arbiter.state.reservations


def test_a_donor_that_gives_a_page_at_a_time_keeps_nobody_waiting() -> None:
    world = world_of(spec("a", size=1200, need=200, character=Character(down_kib_s=100)))
    request(world, 700)
    world.run(60)
    assert found(world).outcome == "refused-stuck"


def test_a_donor_that_is_asked_to_suspend_while_paused_is_saved_with_what_it_has() -> None:
    world = world_of(spec("a", size=900, need=200, character=Character(down_kib_s=20_000)))
    request(world, 500)
    world.run(2)
    world.pause(1, is_paused=True)
    world.save(1)
    world.run(1)
    world.pause(1, is_paused=False)
    world.run(0.2)
    assert world.host.domains[1].is_shut_down
    assert [violation for violation in world.inspector.violations if violation.invariant == "K"] == []
