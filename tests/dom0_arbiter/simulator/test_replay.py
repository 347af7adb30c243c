"""A trace becomes a scenario: the values hold until the next, and every domain begins with an even share."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dom0_arbiter.simulator import Constant, Steps
from dom0_arbiter.simulator.scenarios.replay import read_trace
from dom0_arbiter.simulator.scenarios.scenario import Scenario, ScenarioError

HOST_KIB = 4_194_304
HEAD = "time_s,domain,demand_kib"


def read(folder: Path, content: str, *, static_max_kib: int | None = None, speedup: float = 1.0) -> Scenario:
    path = folder / "t.csv"
    path.write_text(content)
    return read_trace(path, host_memory_kib=HOST_KIB, static_max_kib=static_max_kib, speedup=speedup)


def test_values_hold_until_the_next_and_the_last_as_long_as_the_one_before(tmp_path: Path) -> None:
    scenario = read(tmp_path, f"{HEAD}\n0,a,300000\n0,b,400000\n300,a,500000\n300,b,400000\n")
    a, b = scenario.guests
    assert a.spec.need == Steps(times_s=[0.0, 300.0], amounts_kib=[300_000, 500_000])
    assert b.spec.need == Steps(times_s=[0.0], amounts_kib=[400_000])
    assert (a.spec.name, b.spec.name, scenario.name) == ("a", "b", "t")
    assert (scenario.duration_s, scenario.memory_kib) == (600.0, HOST_KIB)


def test_time_begins_with_the_trace_and_passes_as_fast_as_asked(tmp_path: Path) -> None:
    scenario = read(tmp_path, f"{HEAD}\n1000,a,1\n1000,b,7\n1060,b,8\n1120,a,2\n", speedup=2.0)
    a, b = scenario.guests
    assert [a.spec.need.at(now_s) for now_s in (0, 59, 60)] == [1, 1, 2]
    assert [b.spec.need.at(now_s) for now_s in (0, 29, 30)] == [7, 7, 8]
    assert scenario.duration_s == 120.0


def test_a_single_value_lasts_a_minute(tmp_path: Path) -> None:
    assert read(tmp_path, f"{HEAD}\n5,a,1\n").duration_s == 60.0


def test_caches_are_wished_for_where_the_trace_has_them(tmp_path: Path) -> None:
    (with_cache,) = read(tmp_path, f"{HEAD},cache_kib\n0,a,1,10\n1,a,1,20\n").guests
    assert with_cache.spec.cache == Steps(times_s=[0.0, 1.0], amounts_kib=[10, 20])
    (without,) = read(tmp_path, f"{HEAD}\n0,a,1\n").guests
    assert without.spec.cache == Constant(kib=0)


def test_every_domain_begins_with_an_even_share_within_its_static_max(tmp_path: Path) -> None:
    content = HEAD + "\n" + "".join(f"0,vm{n},1\n" for n in range(4))
    scenario = read(tmp_path, content)
    slack_kib = scenario.settings.slack_kib
    assert {guest.spec.static_max_kib for guest in scenario.guests} == {HOST_KIB}
    (share_kib,) = {guest.spec.actual_kib for guest in scenario.guests}
    assert 4 * share_kib <= HOST_KIB - slack_kib < 4 * (share_kib + 2048)
    capped = read(tmp_path, content, static_max_kib=524_288)
    assert {(guest.spec.actual_kib, guest.target_kib) for guest in capped.guests} == {(524_288, 524_288)}


def test_too_many_domains_for_the_host_are_refused(tmp_path: Path) -> None:
    content = HEAD + "\n" + "".join(f"0,vm{n},1\n" for n in range(100))
    with pytest.raises(ScenarioError, match=r"t.csv: 100 domains on 4096 MiB: 39 MiB each; at least .* MiB allowed"):
        read(tmp_path, content)


def test_errors_name_file_and_line(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"t.csv:3: demand_kib = 'much': a number from 0"):
        read(tmp_path, f"{HEAD}\n0,a,1\n1,a,much\n")
    with pytest.raises(ScenarioError, match=r"none.csv: cannot be read: No such file"):
        read_trace(tmp_path / "none.csv", host_memory_kib=HOST_KIB)


def test_a_trace_of_centuries_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"t.csv: lasts .* s at speedup 1: up to"):
        read(tmp_path, f"{HEAD}\n0,a,1\n9e9,a,1\n")


def test_hundreds_of_domains_over_days_are_read_soon(tmp_path: Path) -> None:
    rows = "".join(f"{300 * step},vm{n},{300_000 + 1000 * (step % 7)}\n" for step in range(288) for n in range(200))
    path = tmp_path / "big.csv"
    path.write_text(f"{HEAD}\n{rows}")
    scenario = read_trace(path, host_memory_kib=200 * 1_048_576, static_max_kib=4_194_304)
    assert (len(scenario.guests), scenario.duration_s) == (200, 86_400.0)


cells = st.sampled_from(["0", "1", "2.5", "1e3", "a", "b", "", "-1", "nan", '"', "\x00", "ä", "1e999", "9" * 400])
rows = st.lists(st.lists(cells, min_size=2, max_size=4).map(",".join), max_size=6)


@given(st.binary(max_size=120) | rows.map(lambda lines: "\n".join([HEAD, *lines]).encode()))
def test_any_file_is_a_scenario_or_the_one_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(content)
    try:
        scenario = read_trace(path, host_memory_kib=HOST_KIB)
    except ScenarioError as error:
        assert "any.csv" in str(error)
        assert str(error).isprintable()
    else:
        assert scenario.guests
