"""What the agent costs in the long run: memory after very many samples, and time while its guest fills up.

A guest fills by a /proc that is played; what the agent says goes to the embedded xenstored, in another process' time.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from protocol import Welcome
from tests.contract.servers import embedded
from tests.guest_agent.kernels import PlayedProcfs
from tests.guest_agent.processes import PYTHON, START, Dom0, cpu_s, status

HASTY = Welcome(version=1, reason="", heartbeat_ms=100, interval_min_ms=1, interval_max_ms=1)
WARM_SAMPLES = 1000
FLAT_WITHIN_KIB = 256
ROOM_KIB = 400 * 1024
RATES_MIB_S = (20, 100)
TICK_S = 0.005
HOUR_S = 3600
SLEPT = "voluntary_ctxt_switches"  # each sample ends in a sleep


@contextmanager
def running(welcome: Welcome | None, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A running agent that has been welcomed so, if at all."""
    with embedded() as server:
        server.add(5)
        dom0 = Dom0(server.dom0_path(), 5)
        if welcome:
            dom0.welcome(welcome)
        command = [*PYTHON, START, "--socket", str(server.guest_path(5)), *arguments]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            try:
                dom0.report()
                yield process
            finally:
                process.kill()


def resident_kib(*samples: int) -> list[int]:
    """Resident memory after so many samples, each in turn, of one agent."""
    figures_kib = []
    with running(HASTY) as process:
        began = status(process.pid, SLEPT)
        for wanted in samples:
            while status(process.pid, SLEPT) - began < wanted:
                assert process.poll() is None, "the agent has ended"
                time.sleep(0.02)
            figures_kib.append(status(process.pid, "VmRSS"))
    return figures_kib


def filling(rate_mib_s: int) -> dict[str, float]:
    """An agent's wakeups and processor time in a guest that loses its 400 MiB at that rate; both for an hour of it."""
    with tempfile.TemporaryDirectory() as directory:
        played = PlayedProcfs(Path(directory))
        played.set_available(ROOM_KIB)
        with running(None, "--procfs", directory) as process:
            began_s, wakeups, used_s = time.monotonic(), status(process.pid, SLEPT), cpu_s(process.pid)
            while (left_kib := ROOM_KIB - int((time.monotonic() - began_s) * rate_mib_s * 1024)) > 0:
                played.set_available(left_kib)
                time.sleep(TICK_S)
            hours = (time.monotonic() - began_s) / HOUR_S
            return {
                "filling_mib_s": rate_mib_s,
                "wakeups_per_h": round((status(process.pid, SLEPT) - wakeups) / hours),
                "cpu_s_per_h": round((cpu_s(process.pid) - used_s) / hours, 1),
            }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; returns the exit status: 1 where memory grew."""
    parser = argparse.ArgumentParser(prog="python -m tests.guest_agent.wear", description=__doc__)
    parser.add_argument("--samples", type=int, default=100_000, metavar="N", help="(default: %(default)s)")
    options = parser.parse_args(arguments)
    for rate_mib_s in RATES_MIB_S:
        print(json.dumps(filling(rate_mib_s)))
    early_kib, late_kib = resident_kib(WARM_SAMPLES, options.samples)
    print(json.dumps({"samples": options.samples, "rss_kib": late_kib, f"rss_kib_after_{WARM_SAMPLES}": early_kib}))
    return int(late_kib - early_kib > FLAT_WITHIN_KIB)


if __name__ == "__main__":
    sys.exit(main())
