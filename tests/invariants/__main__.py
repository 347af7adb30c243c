"""Play many random hosts and report every broken rule. Exit status 1 if there is one; each seed can be played again."""

import argparse
import sys
import time
from collections import Counter

from tests.invariants.hosts import live


def main() -> int:
    """Play the hosts."""
    parser = argparse.ArgumentParser(prog="python -m tests.invariants", description=__doc__)
    parser.add_argument("--hosts", type=int, default=2000, metavar="N", help="how many (default: 2000)")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="the first one's seed (default: 0)")
    options = parser.parse_args()
    began_s = time.monotonic()
    broken: Counter[str] = Counter()
    guests_total = judged_total = kills_total = reports_total = writes_total = 0
    lasted_s = 0.0
    for seed in range(options.first, options.first + options.hosts):
        world = live(seed)
        guests_total += len(world.guests)
        judged_total += world.inspector.settled_total
        kills_total += world.oom_kills_total
        reports_total += world.directory.reports_total
        writes_total += world.directory.target_writes_total
        lasted_s += world.now_s
        for violation in world.inspector.violations:
            broken[violation.invariant] += 1
            print(f"seed {seed}: {violation}")
    print(
        f"{options.hosts} hosts, {guests_total} guests at their ends, {lasted_s / 3600:.1f} h of their time in "
        f"{time.monotonic() - began_s:.0f} s: {reports_total} reports, {writes_total} target writes, {kills_total} OOM "
        f"kills; settled hosts judged {judged_total} times"
    )
    print(f"violations: {dict(broken) if broken else 'none'}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
