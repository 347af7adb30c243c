"""What the arbiter costs. Figures, not judgements: a machine's noise is no fault of the code."""

import platform
from typing import Any

from dom0_arbiter.simulator.benches.bench_engine import measure_engine
from dom0_arbiter.simulator.benches.bench_host import measure_host
from protocol import __version__

DOMAINS = (5, 50, 500, 5000)
HOST_DOMAINS = 500
REPEATS = 1000


def run_bench(repeats: int = REPEATS) -> dict[str, Any]:
    """Measure for about a minute; return the JSON of kind `bench`. repeats: steps timed for each size, 1 or more."""
    costs = {str(domains): measure_engine(domains, repeats) for domains in DOMAINS}
    host = measure_host(HOST_DOMAINS)
    report_us = {domains: round(report, 1) for domains, (report, _) in costs.items()}
    return {
        "format": 1,
        "kind": "bench",
        "version": __version__,
        "passed": None,
        "python": platform.python_version(),
        "repeats": repeats,
        "report_us": report_us,
        "replan_us": {domains: round(replan, 1) for domains, (_, replan) in costs.items()},
        "report_ratio_5000_to_50": round(report_us["5000"] / report_us["50"], 2),
        "reads_per_report": round(host["reads_per_report"], 3),
        "core_ratio_500": round(host["core_ratio"], 4),
    }
