"""The report: one HTML file that needs no network, with a chart for each policy, the figures, and what failed.

Names come from files and are text, nothing else: the template escapes them, and so do the charts, which would take
some tags for their own. The page's own policy forbids it to fetch anything.
"""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from dom0_arbiter.simulator.playing.outcome import Outcome, Series
from dom0_arbiter.simulator.report.thin import points_for, thin
from dom0_arbiter.simulator.report.words import (
    METRIC_WORDS,
    OURS,
    describe_expectation,
    describe_failures,
    describe_request,
)
from dom0_arbiter.simulator.scenarios.scenario import Scenario
from protocol import __version__

MIB = 1024
LABEL_MAX = 32  # beyond this a legend leaves the chart no room
LINES_PER_DOMAIN = 3  # its band, and alone what it has and needs
_FOLDER = Path(__file__).parent


def render_html(scenario: Scenario, seed: int, outcomes: Sequence[Outcome]) -> str:
    """Return the page. Policies without a record have no chart."""
    pages = Environment(loader=FileSystemLoader(_FOLDER), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    points = points_for(LINES_PER_DOMAIN * len(scenario.guests) * len(outcomes))
    charts = [_chart(outcome.series, points) for outcome in outcomes if outcome.series is not None]
    return pages.get_template("page.html").render(
        scenario=scenario,
        seed=seed,
        version=__version__,
        memory_mib=scenario.memory_kib // MIB,
        words=METRIC_WORDS,
        rows=_rows(outcomes),
        policies=[_judgement(scenario, outcome) for outcome in outcomes],
        charts=charts,
        style=_own("page.css"),
        script=_own("page.js"),
        plotly=Markup(get_plotlyjs().replace("</script", r"<\/script")),  # noqa: S704 - a package's, not a user's
    )


def _own(name: str) -> Markup:
    return Markup((_FOLDER / name).read_text(encoding="utf-8"))  # noqa: S704 - ships with this module


def _rows(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Each policy's figures in words; `best` where no other policy has a better one, and not all have the same."""
    values = {name: [each for o in outcomes if (each := o.metrics.get(name)) is not None] for name in METRIC_WORDS}
    best = {
        name: (max if METRIC_WORDS[name].more_is_better else min)(numbers)
        for name, numbers in values.items()
        if len(set(numbers)) > 1
    }
    return [
        {
            "policy": outcome.policy,
            "passed": outcome.passed,
            "cells": [
                {"text": words.format(value), "best": value is not None and best.get(name) == value}
                for name, words in METRIC_WORDS.items()
                for value in [outcome.metrics.get(name)]
            ],
        }
        for outcome in outcomes
    ]


def _judgement(scenario: Scenario, outcome: Outcome) -> dict[str, Any]:
    """What was asked of a policy, and what failed."""
    return {
        "name": outcome.policy,
        "is_ours": outcome.policy == OURS,
        "has_chart": outcome.series is not None,
        "requests": [{"text": describe_request(each), "passed": each.passed is not False} for each in outcome.requests],
        "expectations": [
            {"text": describe_expectation(scenario.expectations[each.index], each), "passed": each.passed}
            for each in outcome.expectations
        ],
        "failures": [each for each in describe_failures(scenario, outcome) if each.startswith(("invariant", "and "))],
    }


def _chart(series: Series, points: int) -> dict[str, Any]:
    """A policy's record, thinned, in MiB: the stack of all domains, and each domain alone."""
    names = list(series.actual_kib)
    needed_kib = [sum(amounts) for amounts in zip(*series.demand_kib.values(), strict=True)]
    if not needed_kib:
        needed_kib = [0] * len(series.times_s)
    kept = thin([needed_kib, series.free_kib], points) if series.times_s else []
    return {
        "memory": series.memory_kib // MIB,
        "times": _times(series, kept),
        "needed": _mib(needed_kib, kept),
        "free": _mib(series.free_kib, kept),
        "domains": [
            {
                "name": name,
                "label": _label(name),
                "has": _mib(series.actual_kib[name], kept),
                "alone": _alone(series, name, points),
            }
            for name in names
        ],
    }


def _label(name: str) -> str:
    """A name as plotly has to be given it: it knows entities, and takes some tags for its own."""
    return escape(name if len(name) <= LABEL_MAX else name[: LABEL_MAX - 1] + "…", quote=False)


def _alone(series: Series, name: str, points: int) -> dict[str, list[float]]:
    has_kib, needs_kib = series.actual_kib[name], series.demand_kib[name]
    kept = thin([has_kib, needs_kib], points) if series.times_s else []
    return {"times": _times(series, kept), "has": _mib(has_kib, kept), "needs": _mib(needs_kib, kept)}


def _times(series: Series, kept: Sequence[int]) -> list[float]:
    return [round(series.times_s[index], 3) for index in kept]


def _mib(amounts_kib: Sequence[int], kept: Sequence[int]) -> list[float]:
    return [round(amounts_kib[index] / MIB) for index in kept]
