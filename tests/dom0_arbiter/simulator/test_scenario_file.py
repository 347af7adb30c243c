"""A scenario file is a scenario, or one line says what is wrong with it and what would be right."""

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dom0_arbiter.policy import DomainSettings
from dom0_arbiter.simulator import Character, Constant, Spikes, Steps
from dom0_arbiter.simulator.curve import Curve, linear, sine
from dom0_arbiter.simulator.scenarios.scenario import (
    METRICS,
    POLICIES,
    Appearance,
    Expectation,
    Request,
    Scenario,
    ScenarioError,
)
from dom0_arbiter.simulator.scenarios.scenario_file import parse_scenario, read_scenario
from dom0_arbiter.simulator.scenarios.scenario_tables import ExpectTable

SHIPPED = Path(__file__).parents[3] / "docs" / "scenarios"
HOST = "[host]\nmemory_kib = 4_194_304\n"
TOP = "format = 1\nduration_s = 100.0\n"
LEAST = TOP + HOST
GUEST = '[[domain]]\nname = "a"\nstatic_max_kib = 2_097_152\ndynamic_min_kib = 262_144\n'


def parse(text: str, folder: Path = Path()) -> Scenario:
    return parse_scenario(text.encode(), path=folder / "s.toml")


def the_guest(more: str) -> Any:
    (guest,) = parse(LEAST + GUEST + more).guests
    return guest


def test_what_is_left_out_has_its_documented_default() -> None:
    scenario = parse(LEAST + GUEST)
    assert (scenario.name, scenario.duration_s, scenario.memory_kib) == ("s", 100.0, 4_194_304)
    assert (scenario.seed, scenario.step_s, scenario.policies) == (0, 0.01, ("aerostat",))
    assert (scenario.settings.slack_kib, scenario.settings.surplus, scenario.settings.free_pool_kib) == (
        0,
        "spread",
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
    assert (scenario.settings.surplus, scenario.settings.free_pool_kib) == ("keep-free", 1000)
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


WRONG = [
    ("duration_s = 1\n" + HOST, "top level: .*missing required field `format`; allowed: the keys format"),
    ("format = 2\nduration_s = 1\n" + HOST, "format: .*allowed: 1$"),
    ("format = 1\n" + HOST, "missing required field `duration_s`"),
    (TOP, "missing required field `host`"),
    ("typo = 1\n" + LEAST, "top level: .*unknown field `typo`"),
    ("format = 1\nduration_s = 0\n" + HOST, "duration_s: .*allowed: a number above 0"),
    ("format = 1\nduration_s = nan\n" + HOST, "duration_s: nan; allowed: finite numbers"),
    ("format = 1\nduration_s = 1e999\n" + HOST, "duration_s: inf; allowed: finite"),
    ("seed = -1\n" + LEAST, "seed: .*allowed: an integer from 0"),
    ("step_s = 0\n" + LEAST, "step_s: .*allowed: a number from 0.001 to 1"),
    ("policies = []\n" + LEAST, "policies: .*allowed: a list of "),
    ('policies = ["best"]\n' + LEAST, r'policies\[0\]: .*allowed: .*"qmemman"'),
    ('policies = ["mom", "mom"]\n' + LEAST, "policies = 'mom': given twice"),
    (TOP + "[host]\nmemory_kib = 10\nslack_kib = 11\n", r"host.slack_kib = 11: at most memory_kib \(10\) allowed"),
    (LEAST + "swap = 1", "host: .*unknown field `swap`; allowed: the keys memory_kib, slack_kib"),
    (LEAST + '[policy]\nsurplus = "all"', 'policy.surplus: .*allowed: "dom0", "keep-free", "spread"'),
    (LEAST + '[policy]\nwithout = ["sense"]', 'policy.without.*allowed: "inaccuracy", "shrink-before-grow"'),
    (LEAST + '[invariants]\nexpect_violated = ["Z"]', 'invariants.expect_violated.*allowed: "A", "B"'),
    (LEAST + GUEST + GUEST, "domain.name = 'a': given twice"),
    (LEAST + GUEST.replace('"a"', r'"\u001b[2J"'), "domain.name = .*printable characters allowed"),
    (LEAST + GUEST.replace('"a"', '""'), r"domain\[0\].name: .*text of 1 to 256"),
    (LEAST + GUEST + "static_min_kib = 5", r"domain\[0\]: .*unknown field `static_min_kib`"),
    (LEAST + GUEST + "weight = 0", "weight: .*an integer from 1 to 65535"),
    (LEAST + GUEST + 'swap = "tape"', 'swap: .*allowed: "disk", "none", "zram"'),
    (LEAST + GUEST + "dynamic_max_kib = 3_000_000", r"dynamic_max_kib = 3000000: at most static_max_kib \(2097152\)"),
    (LEAST + GUEST + "dynamic_max_kib = 200_000", r"dynamic_min_kib = 262144: at most dynamic_max_kib \(200000\)"),
    (LEAST + GUEST + "target_kib = 3_000_000", "target_kib = 3000000: at most static_max_kib"),
    (LEAST + GUEST + "actual_kib = 3_000_000", "actual_kib = 3000000: at most static_max_kib"),
    (LEAST + GUEST + "actual_kib = 50_000", "actual_kib = 50000: at least .* what a kernel needs for itself"),
    (LEAST + GUEST + "until_s = 101", r"until_s = 101: at most duration_s \(100\)"),
    (LEAST + GUEST + "from_s = 50\nuntil_s = 50", r"from_s = 50: less than until_s \(50\)"),
    (
        LEAST + "slack_kib = 2_097_153\n" + GUEST,
        "sum of actual_kib = 2097152: at most host.memory_kib - host.slack_kib",
    ),
    (LEAST + GUEST + 'need_kib = "much"', "need_kib: .*allowed: an integer from 0 .*, a.* or the keys base_kib"),
    (LEAST + GUEST + "need_kib = []", "need_kib: "),
    (LEAST + GUEST + "need_kib = [[0, 1], [5]]", r"need_kib\[1\]: "),
    (LEAST + GUEST + "need_kib = [[0, 1], [-5, 1]]", r"need_kib\[1\]\[0\]: .*allowed: a number from 0"),
    (LEAST + GUEST + "need_kib = [[0, 1], [0, 2]]", r"need_kib\[1\]: time 0: more than 0, the time before, allowed"),
    (
        LEAST + GUEST + "need_kib = { base_kib = 1 }",
        "the keys base_kib; allowed: { base_kib, peak_kib, every_s, for_s }",
    ),
    (LEAST + GUEST + "need_kib = {}", r"the keys \(none\); allowed: "),
    (LEAST + GUEST + "need_kib = { sine_kib = [2, 1], period_s = 3 }", "the lower first"),
    (LEAST + GUEST + "need_kib = { sine_kib = [1, 2], period_s = 3, for_s = 1 }", "the keys for_s, sine_kib, period_s"),
    (LEAST + GUEST + "need_kib = { base_kib = 1, peak_kib = 2, every_s = 3, for_s = 4 }", "for_s = 4: at most every_s"),
    (LEAST + GUEST + 'need_shape = "linear"\nneed_kib = 3', "need_shape = .linear.: only with a list or a csv allowed"),
    (LEAST + GUEST + "need_shape = 3", 'need_shape: .*allowed: "linear", "step"'),
    (LEAST + GUEST + 'need_kib = { csv = "none.csv", domain = "x" }', "none.csv: cannot be read: No such file"),
    (LEAST + GUEST + "[domain.character]\nmood = 1", r"domain\[0\].character: .*unknown field `mood`"),
    (LEAST + GUEST + "[domain.character]\ndead = 1", "character.dead: .*allowed: true or false"),
    (LEAST + GUEST + "[domain.character]\nspeed_kib_s = 0", "speed_kib_s: .*an integer from 1"),
    (
        LEAST + GUEST + "[domain.character]\npaused_s = [[5, 5]]",
        r"paused_s\[0\] = \[5.0, 5.0\]: the earlier time first",
    ),
    (LEAST + GUEST + "[domain.character]\ncrash_at_s = 200", r"crash_at_s = 200: at most duration_s \(100\) allowed"),
    (
        LEAST + GUEST + "[domain.character]\nnever_below_kib = 9\nnever_above_kib = 8",
        "never_below_kib = 9: at most never_above_kib",
    ),
    (LEAST + '[[request]]\nname = "r"\nat_s = 1', r"request\[0\]: .*missing required field `size_kib`"),
    (LEAST + '[[request]]\nname = "r"\nat_s = 101\nsize_kib = 4', r"request\[0\].at_s = 101: at most duration_s"),
    (LEAST + '[[request]]\nname = "r"\nat_s = 1\nsize_kib = 4\nmin_kib = 5', "min_kib = 5: at most size_kib"),
    (LEAST + '[[request]]\nname = "r"\nat_s = 1\nsize_kib = 4\nexpect = "luck"', 'allowed: "granted", "refused-lack"'),
    (
        LEAST + '[[request]]\nname = "r"\nat_s = 1\nsize_kib = 4\nmissing_kib = [1, 2]',
        'only with expect = "refused-lack"',
    ),
    (LEAST + '[[request]]\nname = "r"\nat_s = 1\nsize_kib = 4\nblame = ["a"]', 'only with expect = "refused-stuck"'),
    (
        LEAST + '[[request]]\nname = "r"\nat_s = 1\nsize_kib = 4\nexpect = "refused-stuck"\nblame = ["b"]',
        r"blame = 'b': a domain of this scenario \(it has none\) allowed",
    ),
    (
        LEAST + '[[request]]\nname = "r"\nat_s = 1\nsize_kib = 4\nexpect = "refused-lack"\nmissing_kib = [2, 1]',
        "the lower first",
    ),
    (LEAST + 2 * '[[request]]\nname = "r"\nat_s = 1\nsize_kib = 4\n', "request.name = 'r': given twice"),
    (LEAST + "[[expect]]\nat_s = 1", r"expect\[0\] = nothing expected: without a domain one of free_kib, unmet_kib_s"),
    (LEAST + "[[expect]]\nat_s = 1\nluck = [0, 1]", r"expect\[0\]: .*unknown field `luck`"),
    (LEAST + '[[expect]]\nat_s = 1\ndomain = "b"\nactual_kib = [0, 1]', "domain = 'b': a domain of this scenario"),
    (LEAST + GUEST + '[[expect]]\nat_s = 1\ndomain = "a"\nfree_kib = [0, 1]', "with a domain one of actual_kib"),
    (LEAST + "[[expect]]\nat_s = 1\nactual_kib = [0, 1]", "without a domain one of"),
    (
        LEAST + "[[expect]]\nat_s = 1\nfree_kib = [0, 1]\noom_kills = [0, 1]",
        "= free_kib, oom_kills: without a domain one",
    ),
    (LEAST + "[[expect]]\nat_s = 1\nfree_kib = [1, 0]", "the lower first"),
    (LEAST + "[[expect]]\nfree_kib = [0, 1]", "allowed: at_s, or from_s and until_s"),
    (
        LEAST + "[[expect]]\nat_s = 1\nfrom_s = 1\nuntil_s = 2\nfree_kib = [0, 1]",
        "allowed: at_s, or from_s and until_s",
    ),
    (LEAST + "[[expect]]\nfrom_s = 3\nuntil_s = 2\nfree_kib = [0, 1]", "from_s = 3: at most until_s"),
    (LEAST + "[[expect]]\nat_s = 101\nfree_kib = [0, 1]", "at_s = 101: at most duration_s"),
    (LEAST + GUEST + '[[expect]]\nat_s = 1\ndomain = "a"\nstate = "sad"', 'state: .*allowed: "at-limit"'),
    ("a =", "not TOML"),
    ("a = " + "1" * 5000, "not TOML"),
    ("a = " + "[" * 5000 + "]" * 5000, "not TOML"),
]


@pytest.mark.parametrize(("content", "said"), WRONG, ids=[said for _, said in WRONG])
def test_an_error_names_the_file_the_key_and_what_is_allowed(content: str, said: str) -> None:
    with pytest.raises(ScenarioError) as raised:
        parse(content)
    text = str(raised.value)
    assert re.search(said, text), text
    assert re.match(r"s\.toml: |none\.csv: ", text), text
    assert "\n" not in text


CSV_HEAD = "time_s,domain,demand_kib\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", ":1: columns ; allowed: time_s,domain,demand_kib"),
        ("time,domain,demand_kib\n", ":1: columns time,domain,demand_kib; allowed"),
        (CSV_HEAD, ": no values"),
        (CSV_HEAD + "0,b\n", ":2: 2 cells; allowed: one for each"),
        (CSV_HEAD + "0,b,nan\n", ":2: demand_kib = 'nan': a number from 0"),
        (CSV_HEAD + "0,b,1_0\n", ":2: demand_kib = '1_0'"),
        (CSV_HEAD + "0,b,-1\n", ":2: demand_kib = '-1'"),
        (CSV_HEAD + "0,b,1e30\n", ":2: demand_kib = '1e30'"),
        (CSV_HEAD + "inf,b,1\n", ":2: time_s = 'inf'"),
        (CSV_HEAD + "0,b,٣\n", ":2: demand_kib = '٣'"),
        (CSV_HEAD + "0,,1\n", ":2: domain = '': 1 to 256 printable"),
        (CSV_HEAD + "0,b,1\n1,c,1\n0,b,2\n", ":4: time_s = 0: more than 0 allowed, the time before of b"),
        (CSV_HEAD + '0,"b,1\n', ": not CSV: "),
        (CSV_HEAD + "0,c,1\n", "domain = 'b': not in t.csv; allowed: c"),
    ],
)
def test_a_trace_is_read_strictly(content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(ScenarioError) as raised:
        parse(LEAST + GUEST + 'need_kib = { csv = "t.csv", domain = "b" }', tmp_path)
    assert said in str(raised.value)
    assert "t.csv" in str(raised.value)


def test_cache_from_a_trace_needs_its_column(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(CSV_HEAD + "0,b,1\n")
    with pytest.raises(ScenarioError, match="no column cache_kib"):
        parse(LEAST + GUEST + 'cache_kib = { csv = "t.csv", domain = "b" }', tmp_path)


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="cannot be read: No such file"):
        read_scenario(tmp_path / "none.toml")
    with pytest.raises(ScenarioError, match="cannot be read: Is a directory"):
        read_scenario(tmp_path)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_scenario_or_the_one_error(content: bytes) -> None:
    either(content)


numbers = st.integers() | st.integers(min_value=0, max_value=10**7) | st.floats()
scraps: Any = st.recursive(
    numbers | st.booleans() | st.text(max_size=5) | st.sampled_from([*POLICIES, "A", "linear", "disk", "granted"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["csv", "domain", "x"]), inner),
    max_leaves=6,
)


def tables(*keys: str) -> Any:
    return st.dictionaries(st.sampled_from(keys), scraps, max_size=3)


def domains() -> Any:
    least = {"name": "a", "static_max_kib": 2_097_152, "dynamic_min_kib": 262_144}
    keys = "name target_kib actual_kib weight swap from_s until_s need_kib need_shape cache_kib character"
    return st.lists(tables(*keys.split()).map(lambda over: least | over), max_size=2)


@settings(max_examples=300)
@given(
    over=tables("format", "duration_s", "seed", "step_s", "policies", "host", "policy", "invariants", "bogus"),
    domain=domains(),
    request=st.lists(tables("name", "at_s", "size_kib", "min_kib", "hold_s", "within_s", "expect"), max_size=2),
    expect=st.lists(tables("at_s", "from_s", "until_s", "domain", "state", "free_kib", "oom_kills"), max_size=2),
)
def test_any_tables_are_a_scenario_or_the_one_error(over: Any, domain: Any, request: Any, expect: Any) -> None:
    least = {"format": 1, "duration_s": 100.0, "host": {"memory_kib": 4_194_304}}
    file = least | {"domain": domain, "request": request, "expect": expect} | over
    either("\n".join(f"{key} = {toml(value)}" for key, value in file.items()).encode())


def toml(value: Any) -> str:
    match value:
        case dict():
            return "{" + ", ".join(f"{key} = {toml(each)}" for key, each in value.items()) + "}"
        case list():
            return "[" + ", ".join(toml(each) for each in value) + "]"
        case bool() | str():
            return json.dumps(value, ensure_ascii=False)
        case _:
            return str(value)


def either(content: bytes) -> None:
    try:
        scenario = parse_scenario(content, path=Path("/nowhere/f.toml"))
    except ScenarioError as error:
        assert str(error).startswith("/nowhere/")
        return
    for guest in scenario.guests:
        for now_s in (0.0, 1.0, scenario.duration_s):
            assert guest.spec.need.at(now_s) >= 0
            assert guest.spec.need.steady_until_s(now_s) >= now_s


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
