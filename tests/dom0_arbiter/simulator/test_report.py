"""The report is one page that fetches nothing, and in which names are nothing but text."""

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dom0_arbiter.policy import Settings
from dom0_arbiter.simulator import Constant, GuestSpec, Violation
from dom0_arbiter.simulator.playing.outcome import ExpectationOutcome, Outcome, RequestOutcome, Series
from dom0_arbiter.simulator.report import METRIC_WORDS, replay_json, simulate_json
from dom0_arbiter.simulator.report.html import render_html
from dom0_arbiter.simulator.report.thin import PAGE_POINTS_MAX, POINTS_MAX, points_for, thin
from dom0_arbiter.simulator.scenarios.scenario import METRICS, Appearance, Expectation, Scenario

EVIL = '</script><img src=x onerror="alert(1)">{{ 7*7 }} %{y} <b>'


def scenario_of(names: list[str]) -> Scenario:
    guests = [
        Appearance(
            spec=GuestSpec(name=name, static_max_kib=2**20, actual_kib=2**19, need=Constant(kib=1)), target_kib=2**19
        )
        for name in names
    ]
    expectations = [Expectation(from_s=1, until_s=2, domain=names[0], subject="actual_kib", low=0, high=5)]
    return Scenario(
        name="s" + EVIL,
        duration_s=10.0,
        memory_kib=2**22,
        settings=Settings(),
        guests=guests,
        expectations=expectations,
        expect_violated=frozenset("C"),
    )


def outcome_of(names: list[str], *, policy: str = "aerostat", samples: int = 3, record: bool = True) -> Outcome:
    each = {name: [1024 * n for n in range(samples)] for name in names}
    series = Series(
        times_s=[float(n) for n in range(samples)],
        actual_kib=each,
        demand_kib=each,
        free_kib=[2**20] * samples,
        memory_kib=2**22,
    )
    request = RequestOutcome(
        name="r" + EVIL,
        at_s=1.0,
        size_kib=2048,
        outcome="refused-stuck",
        granted_kib=None,
        missing_kib=None,
        blame=[names[0]],
        took_s=0.25,
        passed=False,
    )
    return Outcome(
        policy=policy,
        metrics={"unmet_kib_s": 2**20, "handover_s": None},
        requests=[request],
        expectations=[ExpectationOutcome(index=0, passed=False, found=7)],
        violations=[Violation(invariant="A", at_s=1.5, domain=names[0], detail=EVIL)],
        passed=False,
        series=series if record else None,
    )


class Page(HTMLParser):
    """Collects what a browser would fetch, and the text of scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.fetched: list[str] = []
        self.handlers: list[str] = []
        self.data: dict[str, str] = {}
        self._script: str | None = None
        self.words = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "data", "action", "poster", "srcset", "background"):
                self.fetched.append(value or "")
            if name.startswith("on"):
                self.handlers.append(name)
        self._script = dict(attrs).get("id") or "code" if tag in ("script", "style") else None

    def handle_endtag(self, tag: str) -> None:
        self._script = None

    def handle_data(self, data: str) -> None:
        if self._script is None:
            self.words += data
        else:
            self.data[self._script] = self.data.get(self._script, "") + data


def test_the_page_fetches_nothing() -> None:
    page = Page(render_html(scenario_of(["a"]), 3, [outcome_of(["a"])]))
    assert all(place.startswith("#") for place in page.fetched)
    assert not {"link", "img", "iframe", "object", "embed", "base"} & set(page.tags)
    assert "default-src 'none'" in render_html(scenario_of(["a"]), 3, [])
    assert "@import" not in page.data["code"].split("</style>")[0][:5000]


def test_names_are_text_and_nothing_else() -> None:
    plain = Page(render_html(scenario_of(["a"]), 0, [outcome_of(["a"])]))
    page = Page(render_html(scenario_of([EVIL]), 0, [outcome_of([EVIL])]))
    assert page.tags == plain.tags
    assert page.handlers == []
    assert "{{ 7*7 }}" in page.words
    (chart,) = json.loads(page.data["charts"])
    (domain,) = chart["domains"]
    assert domain["name"] == EVIL
    assert "<" not in domain["label"]


def test_every_policy_has_its_chart_its_figures_and_its_failures() -> None:
    names = [f"vm{n:02}" for n in range(40)]
    outcomes = [outcome_of(names, policy=policy) for policy in ("aerostat", "static")]
    page = Page(render_html(scenario_of(names), 5, outcomes))
    charts = json.loads(page.data["charts"])
    assert [len(chart["domains"]) for chart in charts] == [40, 40]
    for words in METRIC_WORDS.values():
        assert words.short in page.words
    assert "✗ actual_kib of vm00 from 1 to 2 s: 0 to 5 expected, 7 found" in page.words
    assert "(2 MiB at 1 s): refused-stuck, because of vm00, after 0.25 s" in page.words
    assert "invariant A at 1.5 s: vm00:" in page.words
    assert page.words.count("invariant C was expected to be violated, and was not") == 1  # only of ours


def test_without_a_record_there_is_a_table_but_no_chart() -> None:
    page = Page(render_html(scenario_of(["a"]), 5, [outcome_of(["a"], record=False)]))
    assert json.loads(page.data["charts"]) == []
    assert "select" not in page.tags


def test_the_page_is_the_same_each_time() -> None:
    assert render_html(scenario_of(["a"]), 5, [outcome_of(["a"])]) == render_html(
        scenario_of(["a"]), 5, [outcome_of(["a"])]
    )


@given(
    series=st.integers(1, 3).flatmap(
        lambda count: st.integers(1, 400).flatmap(
            lambda length: st.lists(
                st.lists(st.integers(0, 100), min_size=length, max_size=length), min_size=count, max_size=count
            )
        )
    ),
    points=st.integers(10, 100),
)
def test_thinning_keeps_the_ends_and_every_peak(series: list[list[int]], points: int) -> None:
    kept = thin(series, points)
    assert kept == sorted(set(kept))
    assert (kept[0], kept[-1]) == (0, len(series[0]) - 1)
    assert len(kept) <= points + 2
    for values in series:
        assert max(values[index] for index in kept) == max(values)
        assert min(values[index] for index in kept) == min(values)


@pytest.mark.parametrize("lines", [0, 1, 100, 1000, 100_000])
def test_a_page_stays_of_a_size_to_be_opened(lines: int) -> None:
    assert points_for(lines) <= POINTS_MAX
    assert points_for(lines) * lines <= PAGE_POINTS_MAX or points_for(lines) == 200


REQUEST_KEYS = [
    "name",
    "at_s",
    "size_kib",
    "outcome",
    "granted_kib",
    "missing_kib",
    "blame",
    "took_s",
    "passed",
]
REPLAY_KEYS = [
    "format",
    "kind",
    "version",
    "passed",
    "trace",
    "domains",
    "host_memory_kib",
    "speedup",
    "policies",
]


def keys(value: dict[str, Any]) -> list[str]:
    return list(value)


def test_json_has_all_keys_and_null_where_there_is_nothing() -> None:
    scenario, outcomes = scenario_of(["a"]), [outcome_of(["a"])]
    result = json.loads(json.dumps(simulate_json(scenario, 9, outcomes)))
    assert keys(result) == ["format", "kind", "version", "passed", "scenario", "seed", "duration_s", "policies"]
    assert (result["format"], result["kind"], result["passed"], result["seed"]) == (1, "simulate", False, 9)
    (policy,) = result["policies"]
    assert keys(policy) == ["policy", "passed", "metrics", "requests", "expectations", "violations"]
    assert keys(policy["metrics"]) == list(METRICS)
    assert policy["metrics"]["swap_kib"] is None
    (request,) = policy["requests"]
    assert keys(request) == REQUEST_KEYS
    assert request["blame"] == ["a"]
    assert policy["expectations"] == [{"index": 0, "passed": False, "found": 7}]
    assert keys(policy["violations"][0]) == ["invariant", "at_s", "domain", "detail"]
    replayed = json.loads(json.dumps(replay_json(scenario, outcomes, trace="x/t.csv", speedup=2.0)))
    assert keys(replayed) == REPLAY_KEYS
    assert (replayed["trace"], replayed["domains"], replayed["host_memory_kib"]) == ("x/t.csv", 1, 2**22)
    assert keys(replayed["policies"][0]) == ["policy", "passed", "metrics", "violations"]


def test_what_the_page_is_made_of_is_installed_with_it() -> None:
    folder = Path(__file__).parents[3] / "dom0_arbiter" / "simulator" / "report"
    project = (Path(__file__).parents[3] / "pyproject.toml").read_text()
    for path in folder.iterdir():
        assert path.suffix in (".py", "") or f'"*{path.suffix}"' in project
