"""`python -m tests.bench [--json]`: see INTERFACES in docs/figures.md for the keys."""

import argparse
import json
import platform
import sys
from typing import Any

from protocol import __version__
from tests.bench.engine import measure_engine
from tests.bench.host import measure_host

DOMAINS = (5, 50, 500, 5000)
HOST_DOMAINS = 500


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="The cost of a settled host.")
    parser.add_argument("--repeats", type=int, default=1000, help="steps timed for each size (default: 1000)")
    parser.add_argument("--json", action="store_true", help="one JSON object on one line")
    options = parser.parse_args()
    costs = {str(domains): measure_engine(domains, options.repeats) for domains in DOMAINS}
    host = measure_host(HOST_DOMAINS)
    report_us = {domains: round(report, 1) for domains, (report, _) in costs.items()}
    result: dict[str, Any] = {
        "format": 1,
        "kind": "bench",
        "version": __version__,
        "passed": None,
        "python": platform.python_version(),
        "repeats": options.repeats,
        "report_us": report_us,
        "replan_us": {domains: round(replan, 1) for domains, (_, replan) in costs.items()},
        "report_ratio_5000_to_50": round(report_us["5000"] / report_us["50"], 2),
        "reads_per_report": round(host["reads_per_report"], 3),
        "core_ratio_500": round(host["core_ratio"], 4),
    }
    if options.json:
        print(json.dumps(result, separators=(",", ":")))
    else:
        for key, value in result.items():
            print(f"{key:24} {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
