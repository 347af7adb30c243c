"""One guest floods xenstore while nine others live: how much later are they served?

    python -m tests.integration.flood [--rounds N] [--json]

Reaction: from a guest's write of a report that shows it short until a higher target for it is in xenstore, both seen
from outside the arbiter, which runs in a process of its own beside the real xenstored. Calm and flooded rounds
alternate, so that the machine's noise falls on both alike.
"""

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import cycle
from multiprocessing.synchronize import Event
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import trio

from dom0_arbiter.cli.client import UnreachableError, ask
from dom0_arbiter.policy import SURPLUS, Settings
from dom0_arbiter.service import Arbiter, listen_admin
from dom0_arbiter.xen import open_xenstore
from protocol import HELLO_KEY, REPORT_KEY, Report, encode_hello, encode_report

from .plain_client import PlainClient
from .played_host import HELLO, MIB, OFFSET_KIB, PlayedHypervisor
from .real_xenstored import RealXenstored, compile_shim, missing

DOMIDS = range(5, 15)
FLOODER = 5
SIZE_KIB = 256 * MIB
STATIC_MAX_KIB = 1024 * MIB
POOL_KIB = 16_384 * MIB  # they keep what they got: what nobody lacks is evened out after 20 s of quiet
IDLE_MIB, SHORT_MIB = 60, 180
SETTLES_S = 120.0  # on a machine that does other things as well
DEADLINE_S = 20.0
FLOOD_PATH = f"/local/domain/{FLOODER}/{REPORT_KEY}"
_context = multiprocessing.get_context("spawn")


def report(*, used_mib: int, size_kib: int) -> bytes:
    total_kib = size_kib - OFFSET_KIB
    now_ms = time.monotonic_ns() // 1_000_000
    free_kib = max(0, total_kib - used_mib * MIB)
    return encode_report(
        Report(
            version=1,
            sequence=now_ms % 2**32,
            uptime_ms=now_ms,
            flags=0,
            total_kib=total_kib,
            free_kib=free_kib,
            available_kib=free_kib,
        )
    )


def run_arbiter(xenstored_path: Path, socket_path: Path) -> None:
    """In a process of its own: the arbiter, and a hypervisor whose guests obey at once."""

    async def serve() -> None:
        listener = await listen_admin(socket_path)
        async with open_xenstore(xenstored_path) as own, open_xenstore(xenstored_path) as guests:
            hypervisor = PlayedHypervisor(xenstore=guests, free_kib=64 * MIB + POOL_KIB + len(DOMIDS) * MIB)
            for domid in DOMIDS:
                hypervisor.actual_kib[domid], hypervisor.maxmem_kib[domid] = SIZE_KIB, SIZE_KIB + MIB
            await Arbiter(Settings(surplus=SURPLUS["keep-free"], free_pool_kib=0), own, hypervisor).run(listener)

    trio.run(serve)


def run_flood(xenstored_path: Path, flooding: Event, ready: Event) -> None:
    """In a process of its own: writes as fast as xenstore answers, whenever `flooding` is set. Never returns."""
    bad = cycle(
        [os.urandom(4000), b"1" + b"0" * 400, b"-17", b"gA==", report(used_mib=IDLE_MIB, size_kib=SIZE_KIB), None]
    )
    with PlainClient(xenstored_path) as dom0:
        ready.set()
        while True:
            flooding.wait()
            value = next(bad)
            if value is None:
                with suppress(OSError):
                    dom0.remove(FLOOD_PATH)
            else:
                dom0.write(FLOOD_PATH, value)


@contextmanager
def process(function: Any, *arguments: Any) -> Iterator[Any]:
    started = _context.Process(target=function, args=arguments, daemon=True)
    started.start()
    try:
        yield started
    finally:
        started.kill()
        started.join()


def measure(rounds: int) -> dict[str, Any]:
    """Play the rounds; return the figures as JSON."""
    with tempfile.TemporaryDirectory(prefix="flood-") as directory:
        daemon = RealXenstored(compile_shim(Path(directory)))
        socket_path = Path(directory) / "a.sock"
        flooding, ready = _context.Event(), _context.Event()
        try:
            daemon.start()
            for domid in DOMIDS:
                daemon.add_guest(domid, target_kib=SIZE_KIB, static_max_kib=STATIC_MAX_KIB)
            with (
                process(run_arbiter, daemon.path, socket_path) as arbiter,
                process(run_flood, daemon.path, flooding, ready),
            ):
                if not ready.wait(DEADLINE_S):
                    raise TimeoutError(f"no flood came within {DEADLINE_S} s")
                reactions_s = _play(daemon, socket_path, flooding, rounds)
                status = ask({"command": "status"}, path=socket_path)
                assert arbiter.is_alive(), "the arbiter ended"
        finally:
            daemon.close()
    ratios = {
        "median_ratio": median(reactions_s[True]) / median(reactions_s[False]),
        "p95_ratio": quantiles(reactions_s[True], n=20)[-1] / quantiles(reactions_s[False], n=20)[-1],
    }
    return {
        "kind": "flood",
        "domains": len(DOMIDS),
        "rounds": rounds,
        "calm_s": {"median": median(reactions_s[False]), "p95": quantiles(reactions_s[False], n=20)[-1]},
        "flooded_s": {"median": median(reactions_s[True]), "p95": quantiles(reactions_s[True], n=20)[-1]},
        **ratios,
        "refused_total": status["refused_total"],
        "states": sorted(d["state"] for d in status["domains"] if d["domid"] != FLOODER),
    }


def _play(daemon: RealXenstored, socket_path: Path, flooding: Event, rounds: int) -> dict[bool, list[float]]:
    clients = {domid: daemon.guest(domid) for domid in DOMIDS if domid != FLOODER}
    reactions_s: dict[bool, list[float]] = {False: [], True: []}
    with daemon.dom0() as dom0:
        dom0.write(f"/local/domain/{FLOODER}/{HELLO_KEY}", encode_hello(HELLO))
        for client in clients.values():
            client.write(HELLO_KEY, encode_hello(HELLO))
            client.write(REPORT_KEY, report(used_mib=IDLE_MIB, size_kib=SIZE_KIB))
        _until_settled(socket_path, dom0)
        for number in range(rounds):
            for flooded in (False, True):
                if flooded:
                    flooding.set()
                    time.sleep(0.2)
                for domid, client in clients.items():
                    reactions_s[flooded].append(_react(dom0, domid, client, number))
                flooding.clear()
                for domid, client in clients.items():
                    client.write(REPORT_KEY, report(used_mib=IDLE_MIB, size_kib=_target_kib(dom0, domid)))
                _until_settled(socket_path, dom0, clients)
    for client in clients.values():
        client.close()
    return reactions_s


def _react(dom0: PlainClient, domid: int, client: PlainClient, number: int) -> float:
    before_kib = _target_kib(dom0, domid)
    used_mib = before_kib // MIB - OFFSET_KIB // MIB - 5 + number % 3
    began_s = time.monotonic()
    client.write(REPORT_KEY, report(used_mib=used_mib, size_kib=before_kib))
    while _target_kib(dom0, domid) <= before_kib:
        if time.monotonic() - began_s > DEADLINE_S:
            raise TimeoutError(f"domain {domid} was not served within {DEADLINE_S} s")
        time.sleep(0.0005)
    return time.monotonic() - began_s


def _until_settled(socket_path: Path, dom0: PlainClient, clients: dict[int, PlainClient] | None = None) -> None:
    """Wait until every agent is known and no target has moved for a while; agents report each new size."""
    deadline_s = time.monotonic() + SETTLES_S
    seen: dict[int, int] = {}
    still_since_s = time.monotonic()
    while time.monotonic() < deadline_s:
        targets = {domid: _target_kib(dom0, domid) for domid in DOMIDS}
        if targets != seen:
            still_since_s, changed = time.monotonic(), [d for d in targets if targets[d] != seen.get(d)]
            for domid in changed:
                if clients is not None and domid in clients:
                    clients[domid].write(REPORT_KEY, report(used_mib=IDLE_MIB, size_kib=targets[domid]))
            seen = targets
        elif time.monotonic() - still_since_s > 1.5:
            with suppress(UnreachableError):
                states = [d["state"] for d in ask({"command": "status"}, path=socket_path)["domains"]]
                if states.count("ok") >= len(DOMIDS) - 1:
                    return
        time.sleep(0.05)
    raise TimeoutError("the host did not settle")


def _target_kib(dom0: PlainClient, domid: int) -> int:
    return int(dom0.read(f"/local/domain/{domid}/memory/target"))


def main() -> int:
    """Measure and print; exit status 1 where the reaction more than doubled."""
    parser = argparse.ArgumentParser(prog="python -m tests.integration.flood", description=str(__doc__).splitlines()[0])
    parser.add_argument("--rounds", type=int, default=6, help="each serves the nine guests calm and flooded")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if lack := missing():
        print(f"skipped: {lack}")
        return 0
    figures = measure(options.rounds)
    if options.json:
        print(json.dumps(figures))
    else:
        print(f"calm: {figures['calm_s']}\nflooded: {figures['flooded_s']}\nrefused: {figures['refused_total']}")
        print(f"ratio: median {figures['median_ratio']:.2f}, p95 {figures['p95_ratio']:.2f}")
    return int(figures["median_ratio"] > 2 or figures["p95_ratio"] > 2)


if __name__ == "__main__":
    sys.exit(main())
