"""A scenario file is a scenario, or one line says what is wrong with it and what would be right."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dom0_arbiter.service.config import SIZE_MAX_BYTES
from dom0_arbiter.simulator.scenarios.scenario import (
    POLICIES,
    ScenarioError,
)
from dom0_arbiter.simulator.scenarios.scenario_file import parse_scenario, read_scenario
from tests.dom0_arbiter.simulator.scenario_texts import GUEST, HOST, LEAST, TOP, parse

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
    (
        LEAST + GUEST + "boot_min_kib = 3_000_000",
        r"boot_min_kib = 3000000: at most dynamic_max_kib \(2097152\) allowed",
    ),
    (
        LEAST + GUEST + "dynamic_max_kib = 300_000\nreserved_burst_kib = 400_000",
        "reserved_burst_kib = 400000: at most dy",
    ),
    (LEAST + GUEST + "boot_min_kib = -1", r"domain\[0\].boot_min_kib: .*allowed: an integer from 0"),
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
    with pytest.raises(ScenarioError, match="cannot be read: a regular file is allowed"):
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


def test_what_has_no_end_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for endless in (Path("/dev/zero"), tmp_path / "pipe"):
        with pytest.raises(ScenarioError, match="a regular file is allowed"):
            read_scenario(endless)
        with pytest.raises(ScenarioError, match="a regular file is allowed"):
            parse(LEAST + GUEST + f'need_kib = {{ csv = "{endless}", domain = "b" }}', tmp_path)


def test_a_file_that_nobody_wrote_by_hand_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_bytes(b"#" * (SIZE_MAX_BYTES + 1))
    with pytest.raises(ScenarioError, match=f"at most {SIZE_MAX_BYTES} are allowed"):
        read_scenario(path)
