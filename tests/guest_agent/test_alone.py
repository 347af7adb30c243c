"""A guest on its own: when it is, how large it makes itself, and that it gives that up when an arbiter lives."""

from collections.abc import Callable
from pathlib import Path

import pytest

from guest_agent import Sample
from guest_agent.alone import Alone, floor_of_kib
from guest_agent.options import UsageError
from guest_agent.tunables import ALONE, NUMBERS, Tunables, read_tunables

MIB = 1024
URGENT_KIB = 16 * MIB
OFFSET_KIB = 60 * MIB  # Xen counts what the kernel took before it counted
AFTER_MS = 40_000  # the pulse that a dead arbiter left is felt once, after 10 s


def tunables(text: str = "") -> Tunables:
    return Tunables("alone = committed-as\nalone_after_s = 30\n" + text)


class Guest:
    """A guest whose balloon obeys at once; `used` and `committed` are functions of time."""

    def __init__(self, rule: Tunables, *, used_kib: Callable[[int], int], committed_kib: Callable[[int], int]) -> None:
        self.alone = Alone(rule, 0)
        self.balloon_kib = 512 * MIB
        self.swap_kib = 256 * MIB
        self.gap_kib = self.writes_fail = 0
        self.welcomed = True
        self.sizes_kib: list[int] = []
        self._used_kib, self._committed_kib = used_kib, committed_kib

    def run(self, from_ms: int, until_ms: int, *, step_ms: int = 1000, pulse: Callable[[int], bytes | None]) -> None:
        for now_ms in range(from_ms, until_ms, step_ms):
            if self.alone.pulse_due(now_ms):
                self.alone.on_pulse(pulse(now_ms), now_ms, welcomed=self.welcomed)
            total_kib = self.balloon_kib - OFFSET_KIB
            sample = Sample(
                uptime_ms=now_ms,
                total_kib=total_kib,
                free_kib=0,
                available_kib=max(0, total_kib - self._used_kib(now_ms)),
                committed_kib=self._committed_kib(now_ms),
                swap_total_kib=self.swap_kib,
            )
            target_kib = self.alone.target_kib(
                sample, balloon_kib=self.balloon_kib, gap_kib=self.gap_kib, urgent_kib=URGENT_KIB
            )
            if target_kib and self.writes_fail:
                self.writes_fail -= 1
            elif target_kib:
                self.balloon_kib = target_kib
                self.alone.aimed(target_kib)
            self.sizes_kib.append(self.balloon_kib)


def idle(rule: Tunables, *, used_mib: int = 100, committed_mib: int = 150) -> Guest:
    return Guest(rule, used_kib=lambda _: used_mib * MIB, committed_kib=lambda _: committed_mib * MIB)


def living(now_ms: int) -> bytes:
    return b"%d" % (now_ms // 10_000)


def dead(_: int) -> bytes:
    return b"57"


def test_while_an_arbiter_lives_nothing_is_touched() -> None:
    guest = idle(tunables())
    guest.run(0, 600_000, pulse=living)
    assert set(guest.sizes_kib) == {512 * MIB}


def test_whoever_wants_to_stay_put_stays_put() -> None:
    guest = idle(Tunables("alone_after_s = 30"))
    guest.run(0, 600_000, pulse=dead)
    assert set(guest.sizes_kib) == {512 * MIB}


def test_a_pulse_that_stands_still_is_none() -> None:
    guest = idle(tunables())
    guest.run(0, 40_000, pulse=dead)
    assert guest.balloon_kib == 512 * MIB, "it was new at first"
    guest.run(40_000, 80_000, pulse=dead)
    assert guest.balloon_kib < 512 * MIB


def test_without_a_pulse_it_goes_down_by_an_eighth_of_the_way_each_5_s_to_what_is_committed() -> None:
    guest = idle(tunables())
    guest.run(0, AFTER_MS, pulse=dead)
    assert set(guest.sizes_kib) == {512 * MIB}
    guest.run(AFTER_MS, AFTER_MS + 12_000, pulse=dead)
    gap_kib = 512 * MIB - OFFSET_KIB - 150 * MIB
    first_kib = 512 * MIB - gap_kib // 8
    second_kib = first_kib - (gap_kib - gap_kib // 8) // 8
    third_kib = second_kib - (second_kib - OFFSET_KIB - 150 * MIB) // 8
    assert sorted(set(guest.sizes_kib), reverse=True)[:4] == [512 * MIB, first_kib, second_kib, third_kib]
    guest.run(AFTER_MS + 12_000, AFTER_MS + 600_000, pulse=dead)
    assert guest.balloon_kib - OFFSET_KIB == pytest.approx(150 * MIB, abs=8)


def test_no_welcome_is_no_arbiter_whatever_pulse_was_left() -> None:
    guest = idle(tunables())
    guest.run(0, 20_000, pulse=living)
    guest.welcomed = False
    guest.run(20_000, 70_000, pulse=living)
    assert guest.balloon_kib < 512 * MIB


def test_a_pulse_that_was_known_before_a_welcome_was_lost_is_not_a_new_one() -> None:
    """An arbiter that is dead leaves both; xenstored was away for a while, and nobody lives the more for that."""
    guest = idle(tunables())
    guest.run(0, 60_000, pulse=dead)
    guest.welcomed = False
    guest.run(60_000, 75_000, pulse=dead)
    guest.welcomed = True
    low_kib = guest.balloon_kib
    guest.run(75_000, 100_000, pulse=dead)
    assert guest.balloon_kib < low_kib < 512 * MIB


def test_an_arbiter_that_answers_and_writes_no_pulse_is_an_older_one() -> None:
    guest = idle(tunables())
    guest.run(0, 600_000, pulse=lambda _: None)
    assert set(guest.sizes_kib) == {512 * MIB}


def test_it_never_goes_below_the_floor_of_its_size_nor_its_owners() -> None:
    for text, least_kib in (("", floor_of_kib(512 * MIB - OFFSET_KIB)), ("least_kib = 204800", 200 * MIB)):
        guest = idle(tunables(text), used_mib=10, committed_mib=1)
        guest.run(0, 900_000, pulse=dead)
        assert guest.balloon_kib - OFFSET_KIB == pytest.approx(least_kib, abs=8)


def test_it_goes_up_at_once_and_never_beyond_what_it_was_given() -> None:
    committed_mib = 120
    guest = Guest(tunables(), used_kib=lambda _: 100 * MIB, committed_kib=lambda _: committed_mib * MIB)
    guest.run(0, 600_000, pulse=dead)
    committed_mib = 400
    guest.run(600_000, 605_000, pulse=dead)
    assert guest.balloon_kib == 400 * MIB + OFFSET_KIB
    committed_mib = 9000
    guest.run(605_000, 615_000, pulse=dead)
    assert guest.balloon_kib == 512 * MIB


def test_a_working_set_is_what_is_not_available_with_room_to_grow() -> None:
    used_mib = 100
    rule = Tunables("alone = working-set\nalone_after_s = 30\nreserve_kib = 1024")
    guest = Guest(rule, used_kib=lambda _: used_mib * MIB, committed_kib=lambda _: 9000 * MIB)
    guest.run(0, 900_000, pulse=dead)
    assert guest.balloon_kib - OFFSET_KIB == pytest.approx(101 * MIB + 2 * URGENT_KIB, abs=8)
    used_mib = 400
    guest.run(900_000, 920_000, pulse=dead)
    assert guest.balloon_kib - OFFSET_KIB == 433 * MIB


def test_without_swap_the_kernels_rule_leaves_what_is_used_and_room_to_grow() -> None:
    guest = idle(tunables(), used_mib=200, committed_mib=50)
    guest.swap_kib = 0
    guest.run(0, 900_000, pulse=dead)
    assert guest.balloon_kib - OFFSET_KIB == pytest.approx(200 * MIB + 2 * URGENT_KIB, abs=8)


def test_an_urgent_need_does_not_wait_for_the_next_interval() -> None:
    rule = Tunables("alone = working-set\nalone_after_s = 30\ninterval_s = 3600\ndown_hysteresis = 1")
    guest = Guest(rule, used_kib=lambda ms: (100 if ms < 60_000 else 125) * MIB, committed_kib=lambda _: 0)
    guest.run(0, 60_000, pulse=dead)
    low_kib = guest.balloon_kib
    guest.run(60_000, 61_000, pulse=dead)
    assert guest.balloon_kib == low_kib + 25 * MIB


def test_it_hands_back_what_it_had_the_moment_an_arbiter_lives() -> None:
    guest = idle(tunables())
    guest.run(0, 120_000, pulse=dead)
    assert guest.balloon_kib < 400 * MIB
    guest.run(120_000, 131_000, pulse=living)
    assert guest.balloon_kib == 512 * MIB
    guest.run(131_000, 400_000, pulse=living)
    assert set(guest.sizes_kib[-200:]) == {512 * MIB}


def test_nothing_is_taken_for_settled_while_the_balloon_has_more_to_take() -> None:
    """A balloon that found no page stands still for seconds: taken for settled, that cost a guest what it used."""
    guest = idle(tunables())
    guest.gap_kib = 100 * MIB
    guest.run(0, 300_000, pulse=dead)
    assert guest.balloon_kib == 512 * MIB
    guest.gap_kib = 0
    guest.run(300_000, 301_000, pulse=dead)
    low_kib = guest.balloon_kib
    assert low_kib < 512 * MIB
    guest.gap_kib = 10 * MIB
    guest.run(301_000, 400_000, pulse=dead)
    assert guest.balloon_kib == low_kib, "one step after the other"


def test_an_urgent_guest_is_not_shrunk_the_faster() -> None:
    guest = Guest(tunables(), used_kib=lambda _: 440 * MIB, committed_kib=lambda _: 100 * MIB)
    guest.run(0, AFTER_MS + 4000, step_ms=100, pulse=dead)
    assert len(set(guest.sizes_kib)) == 2


def test_whoever_else_sets_its_target_is_right() -> None:
    guest = idle(tunables())
    guest.run(0, 120_000, pulse=dead)
    guest.balloon_kib = 700 * MIB  # xl mem-set
    guest.run(120_000, 121_000, pulse=dead)
    assert guest.balloon_kib > 600 * MIB, "it begins anew from there"
    guest.run(121_000, 200_000, pulse=dead)
    guest.balloon_kib = 300 * MIB  # an arbiter that is back, and whose pulse was not felt yet
    guest.run(200_000, 240_000, pulse=living)
    assert guest.balloon_kib <= 300 * MIB
    guest.run(240_000, 400_000, pulse=living)
    assert guest.balloon_kib <= 300 * MIB


def test_a_write_that_failed_is_tried_again() -> None:
    guest = idle(tunables())
    guest.run(0, 120_000, pulse=dead)
    guest.writes_fail = 3
    guest.run(120_000, 140_000, pulse=living)
    assert guest.balloon_kib == 512 * MIB
    assert not guest.alone.is_concerned(140_000)


def test_on_another_host_nothing_of_this_one_counts() -> None:
    guest = idle(tunables())
    guest.run(0, 120_000, pulse=dead)
    low_kib = guest.balloon_kib
    guest.alone.start_over(120_000)
    guest.run(120_000, 145_000, pulse=dead)
    assert guest.balloon_kib == low_kib


def test_its_rules_may_change_while_it_is_alone() -> None:
    guest = idle(tunables())
    guest.run(0, 120_000, pulse=dead)
    guest.alone.tunables = Tunables("")
    guest.run(120_000, 122_000, pulse=dead)
    assert guest.balloon_kib == 512 * MIB, "to stay put is to keep what dom0 gave"


def test_floors_are_the_kernels() -> None:
    assert [floor_of_kib(mib * MIB) for mib in (8, 16, 64, 512, 1024)] == [
        8 * MIB,
        16 * MIB,
        40 * MIB,
        99 * MIB,
        99 * MIB + 16 * MIB,
    ]


def test_what_is_shown_is_what_would_be_read() -> None:
    shown = Tunables("# of mine\n alone = working-set # why not\n\ninterval_s=7\n").show()
    assert Tunables(shown).show() == shown
    assert "alone = working-set\n" in shown and "interval_s = 7\n" in shown and "down_hysteresis = 8\n" in shown


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("alone = yes", f"2: alone = yes: {', '.join(ALONE)} expected"),
        ("interval_s = 0", "2: interval_s = 0: a whole number of 1 to 3600 expected"),
        ("interval_s = ٣", "a whole number"),
        ("interval_s = " + "9" * 5000, "a whole number"),
        ("alone_after_s = 2.5", "alone_after_s = 2.5: a whole number of 30 to 86400 expected"),
        ("nonsense = 1", "nonsense is not known: alone, " + ", ".join(NUMBERS)),
        ("= 1", "a name is not known"),
        ("interval_s 5", "name = value expected"),
        ("interval_s = 5\ninterval_s = 6", "3: interval_s is set twice"),
    ],
)
def test_a_bad_line_is_named_with_what_was_allowed(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "agent.conf"
    path.write_text("# first\n" + text)
    with pytest.raises(UsageError) as error:
        read_tunables(str(path))
    assert str(error.value).startswith(f"{path}:")
    assert said in str(error.value)


def test_a_file_that_need_not_be_there_says_nothing(tmp_path: Path) -> None:
    path = str(tmp_path / "none")
    assert read_tunables(path).show() == Tunables().show()
    with pytest.raises(UsageError, match="no such file"):
        read_tunables(path, must_exist=True)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for name in ("binary", "."):
        with pytest.raises(UsageError, match=str(tmp_path)):
            read_tunables(str(tmp_path / name))
