"""A settled host of many domains, each reporting once a second: what the real arbiter reads and uses.

The xenstore server and the reporters run in a process of their own; the arbiter has this one to itself.
"""

import multiprocessing
import tempfile
import time
from itertools import cycle
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import trio

from dom0_arbiter.engine import DomainSample, HostSampled
from dom0_arbiter.policy import MARGIN_KIB, Settings
from dom0_arbiter.service import Arbiter, listen_admin
from dom0_arbiter.simulator.benches.bench_engine import HELLO, MIB, SIZE_KIB, report
from dom0_arbiter.simulator.xenstored import serve_xenstore
from dom0_arbiter.xen import Xenstore, open_xenstore
from protocol import HELLO_KEY, REPORT_KEY, domain_path, encode_hello, encode_report

WARM_UP_S = 5.0
MEASURED_S = 20.0
_context = multiprocessing.get_context("spawn")


class StillHypervisor:
    """Guests that stand where they are."""

    name = "still"
    maxmem_follows_target = False

    def __init__(self, domains: int) -> None:
        free_kib = 64 * MIB + domains * MARGIN_KIB
        guests = {n: DomainSample(actual_kib=SIZE_KIB, maxmem_kib=SIZE_KIB + MARGIN_KIB) for n in range(1, domains + 1)}
        self._sample = HostSampled(total_kib=2 * domains * SIZE_KIB, free_kib=free_kib, domains=guests)

    async def sample(self) -> HostSampled:
        """A new sample each time, as Xen's binding makes one."""
        copies = {
            domid: DomainSample(actual_kib=each.actual_kib, maxmem_kib=each.maxmem_kib)
            for domid, each in self._sample.domains.items()
        }
        return HostSampled(total_kib=self._sample.total_kib, free_kib=self._sample.free_kib, domains=copies)

    async def set_maxmem(self, domid: int, maxmem_kib: int) -> None:
        """Nothing is to move here."""
        raise AssertionError(f"domain {domid}: maxmem {maxmem_kib}")

    async def set_target(self, domid: int, target_kib: int) -> None:
        """Nothing is to move here."""
        raise AssertionError(f"domain {domid}: target {target_kib}")

    async def xen_commandline(self) -> str:
        """Nothing was booted."""
        return ""


def serve_and_report(directory: str, domains: int, ready: Event) -> None:
    """In a process of its own: xenstore, and every domain's agent saying something once a second."""

    async def serve() -> None:
        async with serve_xenstore(Path(directory)) as server:
            store = server.store
            for domid in range(1, domains + 1):
                server.add_domain(domid, name=f"d{domid}", target_kib=SIZE_KIB, static_max_kib=2 * SIZE_KIB)
                store.write_as_dom0(f"{domain_path(domid)}/{HELLO_KEY}", encode_hello(HELLO))
                store.write_as_dom0(f"{domain_path(domid)}/{REPORT_KEY}", encode_report(report(1)))
            ready.set()
            began_s = trio.current_time()
            for number, domid in enumerate(cycle(range(1, domains + 1))):
                await trio.sleep_until(began_s + number / domains)
                uptime_ms = 1000 + int((trio.current_time() - began_s) * 1000)
                store.write_as_dom0(f"{domain_path(domid)}/{REPORT_KEY}", encode_report(report(uptime_ms)))

    trio.run(serve)


def measure_host(domains: int) -> dict[str, float]:
    """Return `reads_per_report` and `core_ratio` (CPU seconds of this process per second)."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        ready = _context.Event()
        server = _context.Process(target=serve_and_report, args=(directory, domains, ready), daemon=True)
        server.start()
        try:
            ready.wait()
            return dict(trio.run(_run_arbiter, Path(directory), domains))
        finally:
            server.kill()
            server.join()


async def _run_arbiter(directory: Path, domains: int) -> dict[str, float]:
    listener = await listen_admin(directory / "a.sock")
    async with open_xenstore(directory / "xenstored.sock") as xenstore, trio.open_nursery() as nursery:
        reads = _count_reads(xenstore)
        arbiter = Arbiter(Settings(free_pool_kib=0), xenstore, StillHypervisor(domains))
        nursery.start_soon(arbiter.run, listener)
        await trio.sleep(WARM_UP_S)
        states = [domain.state(arbiter.now_s) for domain in arbiter.state.domains.values()]
        if states != ["ok"] * domains:
            raise RuntimeError("not every agent is known yet")
        reports, reads_before = _reports(arbiter), reads["total"]
        cpu_s, began_s = time.process_time(), time.monotonic()
        await trio.sleep(MEASURED_S)
        used_s, took_s = time.process_time() - cpu_s, time.monotonic() - began_s
        figures = {
            "reports_per_s": domains,
            "reads_per_report": (reads["total"] - reads_before) / max(1, (took_s * domains)),
            "core_ratio": used_s / took_s,
        }
        if _reports(arbiter) == reports:
            raise RuntimeError("no report arrived")
        nursery.cancel_scope.cancel()
    return figures


def _reports(arbiter: Arbiter) -> list[int]:
    return [domain.report.uptime_ms for domain in arbiter.state.domains.values() if domain.report is not None]


def _count_reads(xenstore: Xenstore) -> dict[str, int]:
    """Count the keys that are asked for."""
    counted = {"total": 0}
    read_many = xenstore.read_many

    async def counting(paths: Any) -> dict[str, bytes]:
        wanted = list(paths)
        counted["total"] += len(wanted)
        return await read_many(wanted)

    xenstore.read_many = counting  # type: ignore[method-assign]
    return counted
