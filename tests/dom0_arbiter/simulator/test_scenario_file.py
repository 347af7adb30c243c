"""Every key of a scenario file is heard, and what is left out has its documented default."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from dom0_arbiter.policy import SURPLUS, DomainSettings
from dom0_arbiter.simulator import Character, Constant, Spikes, Steps
from dom0_arbiter.simulator.curve import Curve, linear, sine
from dom0_arbiter.simulator.scenarios.scenario import (
    METRICS,
    Appearance,
    Expectation,
    Request,
)
from dom0_arbiter.simulator.scenarios.scenario_file import read_scenario
from dom0_arbiter.simulator.scenarios.scenario_tables import ExpectTable
from tests.dom0_arbiter.simulator.scenario_texts import GUEST, LEAST, parse

SHIPPED = Path(__file__).parents[3] / "docs" / "scenarios"


def the_guest(more: str) -> Any:
    (guest,) = parse(LEAST + GUEST + more).guests
    return guest


def test_what_is_left_out_has_its_documented_default() -> None:
    scenario = parse(LEAST + GUEST)
    assert (scenario.name, scenario.duration_s, scenario.memory_kib) == ("s", 100.0, 4_194_304)
    assert (scenario.seed, scenario.step_s, scenario.policies) == (0, 0.01, ("aerostat",))
    assert (scenario.settings.slack_kib, scenario.settings.surplus, scenario.settings.free_pool_kib) == (
        0,
        SURPLUS["spread"],
        None,
    )
    assert not (scenario.requests or scenario.expectations or scenario.without or scenario.expect_violated)
    (guest,) = scenario.guests
    assert (guest.target_kib, guest.spec.actual_kib) == (2_097_152, 2_097_152)
    assert (guest.from_s, guest.until_s) == (0.0, float("inf"))
    assert (guest.spec.need, guest.spec.cache) == (Constant(kib=0), Constant(kib=0))
    assert (guest.spec.swap, guest.spec.swap_total_kib, guest.spec.character) == ("none", 0, Character())
    assert scenario.settings.of_domain("a") == DomainSettings(weight=256, dynamic_min_kib=262_144)


def test_defaults_of_sizes_follow_each_other() -> None:
    guest = the_guest("dynamic_max_kib = 1_000_000\n")
    assert (guest.target_kib, guest.spec.actual_kib) == (1_000_000, 1_000_000)
    guest = the_guest("dynamic_max_kib = 1_000_000\ntarget_kib = 900_000\n")
    assert (guest.target_kib, guest.spec.actual_kib) == (900_000, 900_000)
    guest = the_guest("target_kib = 900_000\nactual_kib = 800_000\n")
    assert (guest.target_kib, guest.spec.actual_kib) == (900_000, 800_000)


def test_every_key_of_the_whole_file_is_heard() -> None:
    scenario = parse(
        """
        format = 1
        seed = 7
        duration_s = 120
        step_s = 0.05
        policies = ["static", "oracle"]
        [host]
        memory_kib = 6_291_456
        slack_kib = 51_200
        [policy]
        surplus = "keep-free"
        free_pool_kib = 1000
        without = ["shrink-before-grow", "inaccuracy"]
        [invariants]
        expect_violated = ["A", "C"]
        """
    )
    assert (scenario.seed, scenario.duration_s, scenario.step_s) == (7, 120.0, 0.05)
    assert scenario.policies == ("static", "oracle")
    assert (scenario.memory_kib, scenario.settings.slack_kib) == (6_291_456, 51_200)
    assert (scenario.settings.surplus, scenario.settings.free_pool_kib) == (SURPLUS["keep-free"], 1000)
    assert scenario.without == {"shrink-before-grow", "inaccuracy"}
    assert scenario.expect_violated == {"A", "C"}


def test_every_key_of_a_domain_is_heard() -> None:
    guest = the_guest(
        """
        weight = 512
        swap = "disk"
        from_s = 5
        until_s = 50.5
        need_kib = { base_kib = 200_000, peak_kib = 900_000, every_s = 30, for_s = 5 }
        cache_kib = 1000
        [domain.character]
        speed_kib_s = 102_400
        moving_s = 1.5
        stuck_s = 3.0
        never_below_kib = 300_000
        never_above_kib = 2_500_000
        inaccuracy_kib = 4_096
        dead = true
        silent_from_s = 0
        lie_factor = 0.5
        paused_s = [[90, 95]]
        crash_at_s = 99.0
        """
    )
    assert (guest.from_s, guest.until_s) == (5.0, 50.5)
    assert guest.spec.need == Spikes(base_kib=200_000, peak_kib=900_000, every_s=30.0, for_s=5.0)
    assert guest.spec.cache == Constant(kib=1000)
    assert (guest.spec.swap, guest.spec.swap_total_kib) == ("disk", 2_097_152)
    assert guest.spec.character == Character(
        up_kib_s=102_400,
        down_kib_s=102_400,
        moving_s=1.5,
        stuck_s=3.0,
        never_below_kib=300_000,
        never_above_kib=2_500_000,
        inaccuracy_kib=4_096,
        dead=True,
        silent_from_s=0.0,
        lie_factor=0.5,
        paused_s=[(90.0, 95.0)],
        crash_at_s=99.0,
    )


def test_zram_is_half_of_the_guest() -> None:
    assert the_guest('swap = "zram"\n').spec.swap_total_kib == 1_048_576


def test_requests_have_defaults_and_every_key_is_heard() -> None:
    least, most = parse(
        LEAST
        + GUEST
        + """
        [[request]]
        name = "r1"
        at_s = 20
        size_kib = 1000
        [[request]]
        name = "r2"
        at_s = 20.0
        size_kib = 1_048_576
        min_kib = 500
        hold_s = 30.0
        within_s = 10.0
        expect = "refused-stuck"
        blame = ["a"]
        """
    ).requests
    assert least == Request(name="r1", at_s=20.0, size_kib=1000, min_kib=1000, hold_s=float("inf"), within_s=80.0)
    assert most == Request(
        name="r2",
        at_s=20.0,
        size_kib=1_048_576,
        min_kib=500,
        hold_s=30.0,
        within_s=10.0,
        expect="refused-stuck",
        blame=["a"],
    )


def test_expectations_are_of_a_domain_the_host_or_a_metric() -> None:
    found = parse(
        LEAST
        + GUEST
        + """
        [[expect]]
        from_s = 15
        until_s = 60.0
        domain = "a"
        actual_kib = [1, 4_194_304]
        [[expect]]
        at_s = 15.0
        domain = "a"
        state = "stuck"
        [[expect]]
        at_s = 15.0
        free_kib = [0, 10]
        [[expect]]
        oom_kills = [0, 0]
        """
    ).expectations
    assert found == [
        Expectation(from_s=15.0, until_s=60.0, domain="a", subject="actual_kib", low=1, high=4_194_304),
        Expectation(from_s=15.0, until_s=15.0, domain="a", subject="state", state="stuck"),
        Expectation(from_s=15.0, until_s=15.0, domain=None, subject="free_kib", low=0, high=10),
        Expectation(from_s=0.0, until_s=100.0, domain=None, subject="oom_kills", low=0, high=0),
    ]
    assert set(METRICS) <= set(ExpectTable.__struct_fields__)


def test_settings_go_to_the_domain_of_that_very_name() -> None:
    odd = GUEST.replace('"a"', '"web-[1]*"').replace("dynamic_min_kib = 262_144", "dynamic_min_kib = 300_000")
    scenario = parse(LEAST + odd + GUEST)
    assert scenario.settings.of_domain("web-[1]*").dynamic_min_kib == 300_000


def test_room_for_bursts_and_for_starts_is_set_as_in_the_configuration() -> None:
    scenario = parse(LEAST + GUEST + "reserved_burst_kib = 100_000\nboot_min_kib = 400_000")
    assert scenario.settings.of_domain("a").reserved_burst_kib == 100_000
    assert scenario.settings.of_domain("a").boot_min_kib == 400_000
    assert scenario.settings.of_domain("web-1-and-more") == DomainSettings()


def test_needs_come_in_every_form(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("time_s,domain,demand_kib,cache_kib\n0,vm07,10,1\n0,b,7,7\n5.5,vm07,20,2\n")
    csv = '{ csv = "t.csv", domain = "vm07" }'
    (guest,) = parse(LEAST + GUEST + f"need_kib = {csv}\ncache_kib = {csv}\n", tmp_path).guests
    assert guest.spec.need == Steps(times_s=[0.0, 5.5], amounts_kib=[10, 20])
    assert guest.spec.cache == Steps(times_s=[0.0, 5.5], amounts_kib=[1, 2])
    assert the_guest("need_kib = 5").spec.need == Constant(kib=5)
    points = "need_kib = [[0, 400_000], [10, 1_900_000], [60, 400_000]]\n"
    need = the_guest(points).spec.need
    assert [need.at(s) for s in (0, 9.9, 10, 59.9, 60, 99)] == [400_000, 400_000, 1_900_000, 1_900_000] + 2 * [400_000]
    need = the_guest(points + 'need_shape = "linear"').spec.need
    assert [need.at(s) for s in (0, 10, 60, 99)] == [400_000, 1_900_000, 400_000, 400_000]
    assert need.at(5) == pytest.approx(1_150_000, abs=7500)
    need = the_guest("need_kib = { sine_kib = [100_000, 500_000], period_s = 40 }").spec.need
    assert [need.at(s) for s in (0, 10, 20, 30, 50)] == [300_000, 500_000, 300_000, 100_000, 500_000]


@pytest.mark.parametrize(
    "curve", [linear([0.0, 10.0, 11.0, 60.0], [0, 3_000_000, 500, 500]), sine(1000, 3_000_000, 12.5)]
)
def test_a_slope_is_steps_between_which_time_can_leap(curve: Curve) -> None:
    now_s, leaps = 0.0, 0
    while now_s < 60 and leaps < 10_000:
        until_s = curve.steady_until_s(now_s)
        assert until_s > now_s
        before_s = min(until_s, 1e9)
        assert curve.at(now_s + (before_s - now_s) * 0.999) == curve.at(now_s)
        assert abs(curve.at(min(until_s, 1e9) + 1e-9) - curve.at(now_s)) <= 3_000_000 / 256 + 1
        now_s, leaps = until_s, leaps + 1
    assert 256 < leaps < 6000


def test_the_steps_of_a_slope_ascend_in_time() -> None:
    steps = linear([0.0, 1e-3, 2.0], [0, 10_000_000, 0])
    assert all(before < after for before, after in pairwise(steps.times_s))


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda path: path.stem)
def test_the_shipped_scenarios_overbook_their_hosts_sensibly(path: Path) -> None:
    scenario = read_scenario(path)
    assert path.read_text().startswith("# ")
    most_kib = sum(guest.spec.static_max_kib for guest in scenario.guests)
    assert 1.9 <= most_kib / scenario.memory_kib <= 2.2
    instants_s = [scenario.duration_s * step / 600 for step in range(600)]
    needs_kib = [
        sum(
            max(guest.spec.need.at(now_s), held_kib(guest))
            for guest in scenario.guests
            if guest.from_s <= now_s < guest.until_s
        )
        for now_s in instants_s
    ]
    assert 0.85 <= max(needs_kib) / scenario.memory_kib <= 1.05


def held_kib(guest: Appearance) -> int:
    character = guest.spec.character
    return guest.spec.actual_kib if character.dead else character.never_below_kib
