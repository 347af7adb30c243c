"""`aerostat demo`: a host without Xen, live in the terminal."""

import argparse
import json
import logging
import sys
from typing import TYPE_CHECKING, Any

from dom0_arbiter.cli.numbers import number, whole

if TYPE_CHECKING:
    from rich.console import RenderableType

    from dom0_arbiter.simulator.demo_host.embedded import EmbeddedHost

BAR_COLUMNS = 36
DECISIONS = 8
FRAME_S = 0.25
LINE_S = 2.0


def add_command(commands: Any) -> None:
    """Add `demo` to the command line."""
    parser = commands.add_parser("demo", help="watch memory move on a simulated host, without Xen")
    parser.add_argument("--guests", type=whole(2, 50), default=6, metavar="N", help="2 to 50 (default: %(default)s)")
    parser.add_argument(
        "--for",
        type=number(10, 3600),
        default=60.0,
        dest="duration_s",
        metavar="SECONDS",
        help="10 to 3600 (default: 60)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="another order of spikes (default: 0)")
    parser.add_argument("--json", action="store_true", help="show nothing but the score, as one JSON object")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    import trio  # noqa: PLC0415 - status needs neither this nor the simulator

    from dom0_arbiter.simulator.demo_host.demo import play_demo  # noqa: PLC0415
    from dom0_arbiter.simulator.demo_host.workload import plan_workload  # noqa: PLC0415

    logging.getLogger("aerostat").setLevel(logging.ERROR)
    workload = plan_workload(options.guests, options.duration_s, options.seed)

    def play(show: Any, every_s: float) -> dict[str, Any]:
        return trio.run(play_demo, workload, options.duration_s, options.seed, show, every_s)

    if options.json:
        score = play(lambda _: None, FRAME_S)
        print(json.dumps(score, separators=(",", ":")))
    else:
        score = _play_live(play) if sys.stdout.isatty() else play(_print_line, LINE_S)
        _tell(score)
    return 1 if score["passed"] is False else 0


def _play_live(play: Any) -> dict[str, Any]:
    from rich.live import Live  # noqa: PLC0415

    with Live(auto_refresh=False, screen=True) as live:
        score: dict[str, Any] = play(lambda host: live.update(_frame(host), refresh=True), FRAME_S)
    return score


def _frame(host: "EmbeddedHost") -> "RenderableType":
    """Who has what, who asks, and why memory moved."""
    from rich.console import Group  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    state = host.arbiter.state
    total_kib, free_kib = host.host.total_kib, host.host.free_kib
    title = (
        f"aerostat demo   {host.now_s:5.1f} s   host {_mib(total_kib)} MiB, free {_mib(free_kib)}   "
        f"maxima {sum(s.static_max_kib for s in host.workload.guests) / total_kib:.1f} times the host"
    )
    table = Table(title=title, title_justify="left", box=None, caption="█ in use  ▒ cache and spare  │ target   MiB")
    for column in ("guest", "memory", "has", "target", "needs", "state"):
        table.add_column(column, justify="right" if column in ("has", "target", "needs") else "left")
    most_kib = max(a.actual_kib for a in host.host.domains.values())
    for domid, guest in host.guests.items():
        domain = state.domains.get(domid)
        actual_kib, target_kib = host.host.domains[domid].actual_kib, host.target_kib(domid)
        demand = domain.demand if domain else None
        short = demand is not None and target_kib < demand.need_kib
        table.add_row(
            guest.spec.name,
            Text(
                _bar(guest.working_set_kib, actual_kib, target_kib, max(most_kib, 1)), style="red" if short else "green"
            ),
            _mib(actual_kib),
            _mib(target_kib),
            _mib(demand.need_kib) if demand else "–",
            f"{domain.state(host.arbiter.now_s) if domain else 'new'}{'  asks' if short else ''}",
        )
    names = {domid: guest.spec.name for domid, guest in host.guests.items()}
    lines = [
        f"{names.get(d.domid, d.domid)}  {_mib(d.from_kib)} to {_mib(d.to_kib)}  {d.reason}"
        for d in list(host.arbiter.recent)[-DECISIONS:]
    ]
    return Group(table, Text("\nwhy memory moved", style="bold"), Text("\n".join(lines)))


def _bar(used_kib: int, actual_kib: int, target_kib: int, most_kib: int) -> str:
    def columns(kib: int) -> int:
        return min(BAR_COLUMNS, round(kib * BAR_COLUMNS / most_kib))

    used = min(columns(used_kib), columns(actual_kib))
    bar = list(("█" * used + "▒" * (columns(actual_kib) - used)).ljust(BAR_COLUMNS + 1))
    bar[columns(target_kib)] = "│"
    return "".join(bar)


def _print_line(host: "EmbeddedHost") -> None:
    sizes = "  ".join(f"{host.guests[d].spec.name} {_mib(a.actual_kib)}" for d, a in host.host.domains.items())
    print(f"{host.now_s:6.1f} s  {sizes}  free {_mib(host.host.free_kib)} MiB", flush=True)


def _tell(score: dict[str, Any]) -> None:
    if score["stopped_at_s"] is not None:
        print(f"stopped after {score['stopped_at_s']:.1f} s of {score['duration_s']:g}; until then:")
    print(
        f"{score['spikes_met']} of {score['spikes']} spikes met within 5 s, "
        f"{score['target_writes_total']} target writes, {len(score['violations'])} violations of an invariant"
    )
    if score["spikes_met"]:
        reaction, after = score["reaction_s"], score["after_ramp_s"]
        print(
            f"from its start to all its memory a program took {reaction['p50']:.2f} s (median; slowest "
            f"{reaction['max']:.2f} s), of which it spends {score['ramp_s']:g} s asking: the last of it came after "
            f"{after['p50']:.2f} s (slowest {after['max']:.2f} s)"
        )
    for violation in score["violations"]:
        where = violation["domain"] or "host"
        print(f"  {violation['invariant']} at {violation['at_s']} s: {where}: {violation['detail']}")


def _mib(kib: int) -> str:
    return f"{kib / 1024:.0f}"
