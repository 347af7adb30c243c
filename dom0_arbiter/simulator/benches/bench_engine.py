"""One report on a settled host, and a full plan, by number of domains; the pure engine alone."""

from statistics import median
from time import perf_counter

from dom0_arbiter.engine import (
    DomainIntroduced,
    DomainSample,
    Event,
    HelloReceived,
    HostSampled,
    ReportReceived,
    State,
    step,
)
from dom0_arbiter.policy import MARGIN_KIB, Settings
from protocol import Hello, Report

MIB = 1024
SIZE_KIB, OFFSET_KIB, USED_KIB = 512 * MIB, 40 * MIB, 200 * MIB
HELLO = Hello(
    version_lowest=1,
    version_highest=1,
    agent_name="bench",
    agent_version="1",
    os_name="Linux",
    os_version="6.1",
    capabilities=0,
    boot_id="b",
)


def report(uptime_ms: int) -> Report:
    """A guest at rest; what it uses wavers by a few pages."""
    total_kib = SIZE_KIB - OFFSET_KIB
    free_kib = total_kib - USED_KIB - uptime_ms % 7 * 4
    return Report(
        version=1,
        sequence=uptime_ms % 2**32,
        uptime_ms=uptime_ms,
        flags=0,
        total_kib=total_kib,
        free_kib=free_kib,
        available_kib=free_kib,
        anon_kib=USED_KIB,
    )


def settled_host(domains: int) -> tuple[State, HostSampled]:
    """A host whose guests all have what they need, and its sample."""
    sample = HostSampled(
        total_kib=2 * domains * SIZE_KIB,
        free_kib=64 * MIB + domains * MARGIN_KIB,
        domains={n: DomainSample(actual_kib=SIZE_KIB, maxmem_kib=SIZE_KIB + MARGIN_KIB) for n in range(1, domains + 1)},
    )
    events: list[Event] = []
    for domid in sample.domains:
        events.append(
            DomainIntroduced(
                domid=domid, uuid=str(domid), name=f"d{domid}", static_max_kib=2 * SIZE_KIB, target_kib=SIZE_KIB
            )
        )
        events.append(HelloReceived(domid=domid, hello=HELLO))
    state, _, _ = step(State(settings=Settings(free_pool_kib=0)), [*events, sample], 0.0)
    state, _, _ = step(state, [ReportReceived(domid=domid, report=report(1)) for domid in sample.domains], 1.0)
    state, plan, _ = step(state, [sample], 2.0)
    if plan.actions:
        raise RuntimeError(f"the host is not settled: {plan.actions}")
    return state, sample


def measure_engine(domains: int, repeats: int) -> tuple[float, float]:
    """Return the median cost in µs of a step with one report, and of a step that plans anew."""
    state, sample = settled_host(domains)
    now_s, reports_us, plans_us = 3.0, [], []
    shifted = HostSampled(total_kib=sample.total_kib, free_kib=sample.free_kib + 4, domains=sample.domains)
    for number in range(repeats):
        now_s += 0.01
        event = ReportReceived(domid=1 + number % domains, report=report(int(now_s * 1000)))
        began_s = perf_counter()
        state, _, _ = step(state, [event], now_s)
        reports_us.append((perf_counter() - began_s) * 1e6)
        if number % 10 == 0:
            sample, shifted = shifted, sample  # a look that shows what the last one showed would not be planned
            began_s = perf_counter()
            state, _, _ = step(state, [sample], now_s)
            plans_us.append((perf_counter() - began_s) * 1e6)
    return median(reports_us), median(plans_us)
