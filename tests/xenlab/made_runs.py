"""Records of runs as the driver would leave them, made by hand for the tests of everything that judges them."""

from typing import Any

from protocol import Report, Welcome, encode_report, encode_welcome
from tests.xenlab.timeline import REPORT, TARGET, Timeline, parse_timeline

MIB = 1024
SPIKER = 3
URGENT_KIB = 32 * MIB


def sample(at_s: float, free_mib: float, *sizes_mib: tuple[float, float]) -> list[Any]:
    """One sample of domains 1, 2, ... with (memory, maxmem) each."""
    domains = [[domid, int(mem * MIB), int(most * MIB), 1] for domid, (mem, most) in enumerate(sizes_mib, 1)]
    return [at_s, int(free_mib * MIB), int(free_mib * MIB), domains]


def target(at_s: float, mib: float, *, maxmem_mib: float | None = None, domid: int = SPIKER) -> list[Any]:
    """A write to memory/target."""
    return [at_s, domid, TARGET, str(int(mib * MIB)), int((mib + 1 if maxmem_mib is None else maxmem_mib) * MIB)]


def report(at_s: float, available_mib: int, *, domid: int = SPIKER) -> list[Any]:
    """A report of an agent."""
    message = Report(
        version=1, sequence=1, uptime_ms=1, flags=0, total_kib=500 * MIB, free_kib=1, available_kib=available_mib * MIB
    )
    return [at_s, domid, REPORT, encode_report(message).decode(), None]


def program(role: str, *, first_s: float, run_s: float, hold_s: float = 0.0, **changed: Any) -> dict[str, Any]:
    """A program that touched 300 MiB."""
    last_s = first_s + run_s
    return {
        "role": role,
        "guest": "g3" if role == "spiker" else role,
        "command": "touch private 300",
        "start_s": first_s - 0.01,
        "first_s": first_s,
        "last_s": last_s,
        "end_s": last_s + hold_s,
        "touched_kib": 300 * MIB,
        "signal": 0,
        "status": 0,
        "milestones": [[first_s, 0, 160 * MIB], [last_s, 300 * MIB, 20 * MIB]],
        **changed,
    }


def made_run(**changed: Any) -> Timeline:
    """A run of `spike` with T0 at 100 s in which nothing happens, but for what is given."""
    welcome = encode_welcome(Welcome(version=1, reason="", urgent_kib=URGENT_KIB)).decode()
    counters = {name: {"oom_kill": 0} for name in ("g1", "g2", "g3", "control")}
    facts = {
        "stats_before": counters,
        "stats_after": counters,
        "targets_kib": {"g1": 256 * MIB, "g2": 256 * MIB, "g3": 256 * MIB},
        "welcomes": {"g3": welcome},
        "ghosts": [],
    }
    record: dict[str, Any] = {
        "scenario": "spike",
        "variant": "",
        "number": 1,
        "invalid": None,
        "started_s": 90.0,
        "t0_s": 100.0,
        "ended_s": 150.0,
        "domids": {"g1": 1, "g2": 2, "g3": 3, "control": 4},
        "managed": {"1": "g1", "2": "g2", "3": "g3"},
        "samples": [],
        "events": [],
        "programs": [],
        "marks": [],
        "claims": [],
        **changed,
        "facts": facts | changed.get("facts", {}),
    }
    return parse_timeline(record)


def made_spike(**changed: Any) -> Timeline:
    """A run of `spike` in which all goes well: 300 MiB in 8 s instead of 6, memory back 3 s after the release."""
    rest = [(256.0, 257.0)] * 3
    given = [(150.0, 151.0), (150.0, 151.0), (460.0, 461.0)]
    defaults: dict[str, Any] = {
        "programs": [
            program("control", first_s=91.0, run_s=6.0),
            program("spiker", first_s=101.0, run_s=8.0, hold_s=12.0),
        ],
        "events": [report(99.0, 160), report(101.2, 150), target(102.0, 460, maxmem_mib=461)],
        "samples": [
            sample(100.0, 67, *rest),
            sample(102.5, 67, (150, 151), (150, 151), (300, 461)),
            sample(103.0, 67, *given),
            sample(121.5, 67, *given),
            sample(124.0, 67, *rest),
            sample(131.5, 67, *rest),
        ],
    }
    return made_run(**{**defaults, **changed})
