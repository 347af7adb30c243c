"""Traces of real hosts as scenarios: what their domains needed, on a host and under policies of one's choice."""

from pathlib import Path

from dom0_arbiter.policy import MARGIN_KIB, DomainSettings, Settings
from dom0_arbiter.simulator.curve import Constant, Steps
from dom0_arbiter.simulator.guests.guest import NO_CACHE, GuestSpec
from dom0_arbiter.simulator.guests.kernel import Swap
from dom0_arbiter.simulator.scenarios.scenario import Appearance, Scenario, ScenarioError, boots_with_kib
from dom0_arbiter.simulator.scenarios.scenario_file import swap_total_kib
from dom0_arbiter.simulator.scenarios.scenario_tables import TIME_MAX_S
from dom0_arbiter.simulator.scenarios.trace import Course, read_courses

MIB = 1024
SINGLE_LASTS_S = 60.0  # where nothing tells how long a value holds, because all domains have but one


def read_trace(
    path: Path,
    *,
    host_memory_kib: int,
    static_max_kib: int | None = None,
    speedup: float = 1.0,
    swap: Swap = "none",
    policies: tuple[str, ...] = ("aerostat",),
) -> Scenario:
    """Return the trace as a scenario; raise ScenarioError, which names file and line, where it cannot be one.

    path: CSV with the columns time_s, domain, demand_kib and, if wanted, cache_kib. A value holds until the domain's
    next; the first holds from the beginning, the last as long as the one before it. Time begins with the trace's first,
    and passes `speedup` times as fast as in the trace. demand_kib is a domain's working set, Xen's view, kernel
    included; cache_kib the page cache it could use. Every domain exists from the beginning, with an even share of the
    host as its size, but no more than static_max_kib (None: the host's memory); its dynamic-min is what its kernel
    needs, 64 MiB at least.
    """
    name = str(path)
    courses = read_courses(path, name=name)
    settings = Settings()
    most_kib = host_memory_kib if static_max_kib is None else static_max_kib
    share_kib = (host_memory_kib - settings.slack_kib) // len(courses) - MARGIN_KIB
    actual_kib = min(share_kib, most_kib) & ~3
    least_kib = boots_with_kib(GuestSpec(name="", static_max_kib=most_kib, actual_kib=0, need=Constant(kib=0)))
    if actual_kib < least_kib:
        raise ScenarioError(
            f"{name}: {len(courses)} domains on {host_memory_kib // MIB} MiB: {max(0, actual_kib) // MIB} MiB each; "
            f"at least {-(-least_kib // MIB)} MiB allowed where static-max is {most_kib // MIB} MiB"
        )
    began_s = min(course.times_s[0] for course in courses.values())
    duration_s = (_end_s(courses) - began_s) / speedup
    if not 0 < duration_s <= TIME_MAX_S:
        raise ScenarioError(f"{name}: lasts {duration_s:g} s at speedup {speedup:g}: up to {TIME_MAX_S:.0f} allowed")
    guests = [
        Appearance(
            spec=GuestSpec(
                name=domain,
                static_max_kib=most_kib,
                actual_kib=actual_kib,
                need=_steps(course, course.demands_kib, began_s, speedup),
                cache=_steps(course, course.caches_kib, began_s, speedup) if course.caches_kib else NO_CACHE,
                swap=swap,
                swap_total_kib=swap_total_kib(swap, most_kib),
            ),
            target_kib=actual_kib,
        )
        for domain, course in courses.items()
    ]
    return Scenario(
        name=path.stem,
        duration_s=duration_s,
        memory_kib=host_memory_kib,
        settings=Settings(default=DomainSettings(dynamic_min_kib=max(DomainSettings().dynamic_min_kib, least_kib))),
        guests=guests,
        policies=policies,
    )


def _end_s(courses: dict[str, Course]) -> float:
    """When the last value ends."""
    last_s = max(course.times_s[-1] for course in courses.values())
    gaps_s = [c.times_s[-1] - c.times_s[-2] for c in courses.values() if c.times_s[-1] == last_s and len(c.times_s) > 1]
    return last_s + min(gaps_s, default=SINGLE_LASTS_S)


def _steps(course: Course, amounts_kib: list[int], began_s: float, speedup: float) -> Steps:
    """A course without the points where nothing changes."""
    times_s, kept_kib = [0.0], [amounts_kib[0]]
    for time_s, kib in zip(course.times_s, amounts_kib, strict=True):
        if kib != kept_kib[-1]:
            times_s.append((time_s - began_s) / speedup)
            kept_kib.append(kib)
    return Steps(times_s=times_s, amounts_kib=kept_kib)
