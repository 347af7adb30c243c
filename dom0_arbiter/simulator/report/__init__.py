"""What came of playing scenarios, for scripts and people: JSON, words, and (in `html`, with the extra `report`) charts.

Pure: outcomes in, text out. May import the simulator's plain values; `html` alone imports plotly and jinja2, and is
imported by whoever wants it.
"""

from dom0_arbiter.simulator.report.as_json import replay_json, simulate_json
from dom0_arbiter.simulator.report.words import METRIC_WORDS, MetricWords, describe_failures

__all__ = ["METRIC_WORDS", "MetricWords", "describe_failures", "replay_json", "simulate_json"]
