"""Plays a workload on an embedded host and keeps the score: which spikes were met, and how soon."""

import signal
from collections.abc import AsyncIterator, Callable
from typing import Any

import trio

from dom0_arbiter.simulator.demo_host.embedded import FIRST_DOMID, EmbeddedHost, run_embedded_host
from dom0_arbiter.simulator.demo_host.workload import RAMP_S, Spike, Workload
from dom0_arbiter.simulator.quantile import percentile
from protocol import __version__

MET_WITHIN_S = 5.0
WATCH_S = 0.02
LOST = float("inf")  # the reaction to a spike that was not met


async def play_demo(
    workload: Workload, duration_s: float, seed: int, show: Callable[[EmbeddedHost], None], show_every_s: float
) -> dict[str, Any]:
    """Run for so long, or until SIGINT or SIGTERM; return the JSON of kind `demo`.

    `show` is called again and again with the living host. Where the run was stopped, `stopped_at_s` says when, and only
    spikes count that were met by then, or lost; None where it was not.
    """
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        reactions_s: list[float | None] = [None] * len(workload.spikes)
        stopped = trio.Event()
        async with run_embedded_host(workload) as host, trio.open_nursery() as nursery:
            nursery.start_soon(_wait_for_signal, signals, stopped)
            for index, spike in enumerate(workload.spikes):
                nursery.start_soon(_watch_spike, host, spike, index, reactions_s)
            shown_s = float("-inf")
            while host.now_s < duration_s and not stopped.is_set():
                if host.now_s - shown_s >= show_every_s:
                    shown_s = host.now_s
                    show(host)
                await trio.sleep(min(show_every_s, WATCH_S * 5))
            nursery.cancel_scope.cancel()
            stopped_at_s = round(host.now_s, 3) if host.now_s < duration_s else None
            judged_s = [each for each in reactions_s if each is not None or stopped_at_s is None]
            return {
                "format": 1,
                "kind": "demo",
                "version": __version__,
                "duration_s": duration_s,
                "seed": seed,
                "stopped_at_s": stopped_at_s,
                **_score(host, workload, judged_s),
            }
    raise AssertionError("unreachable")


async def _wait_for_signal(signals: AsyncIterator[int], stopped: trio.Event) -> None:
    await anext(signals)
    stopped.set()


async def _watch_spike(host: EmbeddedHost, spike: Spike, index: int, reactions_s: list[float | None]) -> None:
    """Note how long it took until the guest's program had all the memory it wanted; LOST: too long, or killed."""
    while host.now_s < spike.at_s:  # noqa: ASYNC110 - by the guests' clock, which may be slower than ours
        await trio.sleep(WATCH_S)
    guest = host.guests[FIRST_DOMID + spike.guest]
    kills = guest.kernel.oom_kills_total
    while host.now_s - spike.at_s <= MET_WITHIN_S:
        await trio.sleep(WATCH_S)
        if guest.kernel.oom_kills_total > kills:
            break
        if host.now_s >= spike.at_s + RAMP_S and guest.kernel.anon_kib >= guest.wants_anon_kib:
            reactions_s[index] = host.now_s - spike.at_s
            return
    reactions_s[index] = LOST


def _score(host: EmbeddedHost, workload: Workload, judged_s: list[float | None]) -> dict[str, Any]:
    met_s = sorted(each for each in judged_s if each is not None and each != LOST)
    violations = [
        {"invariant": v.invariant, "at_s": v.at_s, "domain": v.domain, "detail": v.detail}
        for v in host.inspector.violations
    ]
    return {
        "passed": None if not judged_s and not violations else len(met_s) == len(judged_s) and not violations,
        "guests": len(workload.guests),
        "host_memory_kib": workload.memory_kib,
        "static_max_sum_kib": sum(spec.static_max_kib for spec in workload.guests),
        "spikes": len(judged_s),
        "spikes_met": len(met_s),
        "reaction_s": _distribution(met_s),
        "ramp_s": RAMP_S,
        "after_ramp_s": _distribution([each - RAMP_S for each in met_s]),
        "reports_total": host.reports_total,
        "refused_total": dict(host.arbiter.state.refused_total),
        "target_writes_total": host.arbiter.target_writes_total,
        "violations": violations,
    }


def _distribution(ascending_s: list[float]) -> dict[str, float | None]:
    if not ascending_s:
        return {"p50": None, "p95": None, "max": None}
    figures = {"p50": percentile(ascending_s, 50), "p95": percentile(ascending_s, 95), "max": ascending_s[-1]}
    return {name: None if time_s is None else round(time_s, 3) for name, time_s in figures.items()}
