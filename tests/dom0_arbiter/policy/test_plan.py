"""Only moves that are safe now and worth making."""

from dom0_arbiter.policy import EVEN_S, SURPLUS, Party, Room, plan_moves
from tests.dom0_arbiter.policy.parties import MIB, party


def room(free: int, *, promised: int = 0, pool: int = 0) -> Room:
    return Room(free_kib=(free + 64) * MIB, promised_kib=promised * MIB, slack_kib=64 * MIB, pool_kib=pool * MIB)


def moves_mib(parties: list[Party], at: Room, *, coming: int = 0, calm_s: float = 5.0) -> dict[int, int]:
    planned = plan_moves(parties, at, coming_kib=coming * MIB, surplus=SURPLUS["spread"], calm_s=calm_s)
    return {move.domid: (move.to_kib - move.from_kib) // MIB for move in planned.moves}


def test_a_settled_host_is_left_alone() -> None:
    parties = [party(n, target=256, working_set=130, least=200) for n in (1, 2, 3)]
    assert moves_mib(parties, room(0)) == {}
    assert moves_mib(parties, room(15), coming=5) == {}


def test_what_shrinks_left_over_goes_out_in_one_piece() -> None:
    parties = [party(n, target=256, working_set=130, least=200) for n in (1, 2, 3)]
    assert list(moves_mib(parties, room(7)).values()) == [2]  # its share of the seven: the others' wait for a step


def test_a_short_domain_gets_what_is_free_at_once() -> None:
    parties = [party(1, target=256, working_set=300), party(2, target=256, working_set=100)]
    assert moves_mib(parties, room(200))[1] == 108  # comfort: its working set and two headrooms


def test_nothing_is_promised_that_is_not_free() -> None:
    parties = [party(1, target=256, working_set=400), party(2, target=256, working_set=100, least=180)]
    planned = moves_mib(parties, room(0))
    assert 1 not in planned
    assert planned[2] == -76


def test_a_shrink_goes_no_further_than_the_report_licenses() -> None:
    parties = [party(1, target=256, working_set=400), party(2, target=256, working_set=100, least=230)]
    assert moves_mib(parties, room(0))[2] == -26


def test_memory_that_is_coming_is_not_asked_for_twice() -> None:
    parties = [party(1, target=256, working_set=300), party(2, target=256, working_set=100, least=180)]
    assert moves_mib(parties, room(0), coming=120) == {}


def test_a_domain_that_becomes_short_keeps_what_it_was_about_to_give() -> None:
    giving = party(1, target=150, actual=256, working_set=200)
    assert moves_mib([giving], room(0), coming=106) == {1: 105}  # but for the margin


def test_the_pool_is_for_the_short_alone() -> None:
    idle = [party(1, target=256, working_set=100), party(2, target=256, working_set=100)]
    assert moves_mib(idle, room(40, pool=40)) == {}
    short = [party(1, target=256, working_set=250), party(2, target=256, working_set=100)]
    assert moves_mib(short, room(40, pool=40))[1] == 40


def test_free_memory_that_others_took_is_taken_back_from_the_surplus() -> None:
    parties = [party(n, target=256, working_set=130, least=200) for n in (1, 2)]
    assert moves_mib(parties, room(-20)) == {1: -10, 2: -10}


def test_nobody_is_taken_below_a_floor_that_counts() -> None:
    parties = [
        party(1, target=200, working_set=900, floor=190),
        party(2, target=200, working_set=190, floor=190, least=0),
    ]
    assert moves_mib(parties, room(0)).get(2, 0) >= -10


def test_a_domain_at_its_limit_is_not_given_more() -> None:
    parties = [party(1, target=256, working_set=300, may_grow=False), party(2, target=256, working_set=100)]
    assert 1 not in moves_mib(parties, room(100))


def test_memory_that_nobody_lacks_waits_for_a_quiet_moment() -> None:
    parties = [party(1, target=412, working_set=100), party(2, target=100, working_set=36)]
    assert moves_mib(parties, room(0), calm_s=0.5) == {}
    assert moves_mib(parties, room(0)) == {1: -156}


def test_surplus_goes_back_at_leisure_unless_a_quarter_of_all_is_misplaced() -> None:
    parties = [party(1, target=356, working_set=100), party(2, target=156, working_set=92)]
    assert moves_mib(parties, room(0)) == {}
    assert moves_mib(parties, room(0), calm_s=EVEN_S) == {1: -100}


def test_comfort_is_worth_moving_surplus_for_when_it_lacks_an_eighth_of_all() -> None:
    parties = [party(1, target=356, working_set=100), party(2, target=156, working_set=124, surge=66)]
    assert moves_mib(parties, room(0)) == {1: -100}


def test_headroom_is_filled_up_once_half_of_it_is_gone_or_nothing_else_moves() -> None:
    """Where there is swap: one without is served as soon as it is short (its `pressing` is its need)."""
    short = [party(1, target=256, working_set=236), party(2, target=256, working_set=100)]
    assert moves_mib(short, room(0), calm_s=EVEN_S - 1) == {}
    assert moves_mib(short, room(0), calm_s=EVEN_S)[2] < 0
    strained = [party(1, target=256, working_set=242), party(2, target=256, working_set=100)]
    assert moves_mib(strained, room(0), calm_s=0.0)[2] < 0


def test_a_reserved_burst_is_never_left_lacking() -> None:
    reserved = [party(1, target=256, working_set=216, reserved=48), party(2, target=256, working_set=100)]
    assert moves_mib(reserved, room(0), calm_s=0.0)[2] < 0


def test_those_with_most_to_spare_give_first() -> None:
    """Taken by size, a large guest was drained to its working set while an idle small one kept 180 MiB to spare."""
    large, idle = party(1, target=1400, working_set=1368), party(2, target=500, working_set=100)
    moves = moves_mib([large, idle, party(3, target=500, working_set=532)], room(0))
    assert moves[2] < 0 and 1 not in moves


def test_growth_waits_for_half_of_what_is_wanted_if_more_is_coming_and_nothing_is_lacking() -> None:
    comfortable = [party(1, target=256, working_set=240), party(2, target=256, working_set=100)]
    assert moves_mib(comfortable, room(16), coming=32) == {}
    assert moves_mib(comfortable, room(25), coming=23)[1] == 25
    lacking = [party(1, target=256, working_set=300), party(2, target=256, working_set=100)]
    assert moves_mib(lacking, room(16), coming=92)[1] == 16


def test_a_domain_that_has_used_half_its_headroom_does_not_wait_for_more() -> None:
    """It was killed so in the lab: 9 MiB above its working set, 35 MiB free, and half of what it wanted awaited."""
    strained = [party(1, target=256, working_set=247), party(2, target=256, working_set=100)]
    assert moves_mib(strained, room(16), coming=60)[1] == 16
