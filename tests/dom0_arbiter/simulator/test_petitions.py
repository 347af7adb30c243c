"""Requests for memory while a scenario is played: the arbiter answers them, beside peers what is free is taken."""

from collections.abc import Callable

from dom0_arbiter.policy import SURPLUS, Settings
from dom0_arbiter.simulator import Character, Constant, GuestSpec, World
from dom0_arbiter.simulator.playing.outcome import RequestOutcome
from dom0_arbiter.simulator.playing.petitions import Held, Petition
from dom0_arbiter.simulator.scenarios.scenario import Request, Verdict

MIB = 1024
SLACK_KIB = 64 * MIB
NEVER = float("inf")


def world_of(*specs: GuestSpec, free: int, arbiter: bool = False) -> World:
    """A host with so many free MiB beyond the slack."""
    taken_kib = sum(each.actual_kib for each in specs)
    world = World(
        total_kib=taken_kib + SLACK_KIB + free * MIB, settings=Settings(free_pool_kib=0, surplus=SURPLUS["keep-free"])
    )
    for each in specs:
        world.start(each)
    if arbiter:
        world.start_arbiter()
        world.run(3)
    return world


def spec(name: str, *, size: int, need: int, character: Character | None = None) -> GuestSpec:
    """MiB."""
    return GuestSpec(
        name=name,
        static_max_kib=1024 * MIB,
        actual_kib=size * MIB,
        need=Constant(kib=need * MIB),
        character=character or Character(),
    )


def request(
    *,
    size: int,
    least: int | None = None,
    at_s: float = 0.0,
    hold_s: float = NEVER,
    within_s: float = 20.0,
    expect: Verdict | None = None,
    missing: tuple[int, int] | None = None,
    blame: list[str] | None = None,
) -> Request:
    """MiB."""
    return Request(
        name="r",
        at_s=at_s,
        size_kib=size * MIB,
        min_kib=(size if least is None else least) * MIB,
        hold_s=hold_s,
        within_s=within_s,
        expect=expect,
        missing_kib=None if missing is None else (missing[0] * MIB, missing[1] * MIB),
        blame=blame,
    )


def play(
    world: World, asked: Request, for_s: float, *, look: Callable[[Held], None] = lambda held: None
) -> RequestOutcome:
    """Let the request run its course beside the world."""
    held, until_s = Held(asked), world.now_s + for_s
    held.look(world)
    while world.now_s < until_s:
        world.step(0.05)
        held.look(world)
        look(held)
    return held.outcome()


def test_beside_a_peer_what_is_free_beyond_the_slack_is_taken_at_once() -> None:
    world = world_of(free=300)
    petition = Petition(world, "r", 200 * MIB, 200 * MIB)
    assert (petition.answer().outcome, petition.answer().kib) == ("granted", 200 * MIB)
    assert world.host.free_kib == SLACK_KIB + 100 * MIB
    petition.release()
    assert world.host.free_kib == SLACK_KIB + 300 * MIB


def test_beside_a_peer_as_much_as_there_is_will_do_from_the_least_on() -> None:
    world = world_of(free=300)
    petition = Petition(world, "r", 500 * MIB, 200 * MIB)
    assert petition.answer().kib == 300 * MIB
    assert world.host.free_kib == SLACK_KIB
    assert Petition(world, "s", 500 * MIB, 1).answer().outcome is None


def test_beside_a_peer_nothing_is_refused_however_long_it_lasts() -> None:
    world = world_of(spec("a", size=300, need=200), free=100)
    result = play(world, request(size=200, within_s=NEVER, expect="granted"), 30)
    assert (result.outcome, result.took_s, result.passed) == (None, None, False)
    world = world_of(spec("a", size=300, need=200), free=100)
    petition = Petition(world, "r", 200 * MIB, 200 * MIB)
    assert petition.answer().outcome is None
    world.destroy(1)
    assert petition.answer().outcome == "granted"


def test_what_is_held_is_given_back_when_its_time_is_over() -> None:
    world = world_of(free=300)
    free_kib: list[int] = []
    result = play(world, request(size=200, hold_s=5.0), 10, look=lambda held: free_kib.append(world.host.free_kib))
    assert result.outcome == "granted"
    assert free_kib.count(SLACK_KIB + 100 * MIB) * 0.05 > 4.5
    assert free_kib[-1] == SLACK_KIB + 300 * MIB


def test_a_request_waits_for_its_time() -> None:
    world = world_of(free=300)
    held = Held(request(size=200, at_s=4.0))
    assert held.next_s == 4.0
    held.look(world)
    assert (held.awaited_kib, world.host.reserved_kib) == (0, 0)
    world.run(5)
    held.look(world)
    assert held.outcome().outcome == "granted"
    assert held.outcome().took_s == 1.0


def test_what_is_awaited_is_known_as_long_as_it_is() -> None:
    world = world_of(spec("a", size=300, need=200), free=100)
    held = Held(request(size=200, within_s=8.0))
    held.look(world)
    assert (held.awaited_kib, held.next_s) == (200 * MIB, 8.0)
    world.destroy(1)
    world.run(1)
    held.look(world)
    assert (held.awaited_kib, held.outcome().outcome) == (0, "granted")


def test_the_arbiter_grants_and_holds_until_released() -> None:
    world = world_of(spec("a", size=500, need=150), free=100, arbiter=True)
    result = play(world, request(size=300, hold_s=10.0, expect="granted"), 30)
    assert (result.outcome, result.granted_kib, result.missing_kib, result.passed) == ("granted", 300 * MIB, None, True)
    assert result.took_s is not None
    assert result.took_s < 5
    assert world.arbiter is not None
    assert not world.arbiter.state.reservations


def test_a_refusal_for_lack_names_the_lack_and_is_judged_by_it() -> None:
    for missing, passed in (((300, 420), True), ((0, 10), False), (None, True)):
        world = world_of(spec("a", size=500, need=450), free=10, arbiter=True)
        result = play(world, request(size=400, expect="refused-lack", missing=missing), 10)
        assert (result.outcome, result.granted_kib, result.passed) == ("refused-lack", None, passed)
        assert result.missing_kib is not None


def test_a_refusal_for_a_dead_balloon_names_it_and_is_judged_by_it() -> None:
    for blame, passed in ((["dead"], True), (["a"], False), (["a", "dead"], False), (None, True)):
        dead = spec("dead", size=700, need=150, character=Character(dead=True))
        world = world_of(spec("a", size=300, need=250), dead, free=10, arbiter=True)
        result = play(world, request(size=300, within_s=90.0, expect="refused-stuck", blame=blame), 60)
        assert (result.outcome, list(result.blame), result.passed) == ("refused-stuck", ["dead"], passed)
        assert result.missing_kib is None, "it is not memory that is missing"


def test_nothing_expected_nothing_judged() -> None:
    world = world_of(free=300)
    assert play(world, request(size=200), 1).passed is None


def test_what_is_withdrawn_is_awaited_no_more() -> None:
    world = world_of(free=100)
    held = Held(request(size=200, within_s=8.0))
    held.look(world)
    world.run(9)
    held.look(world)
    assert held.awaited_kib == 0
