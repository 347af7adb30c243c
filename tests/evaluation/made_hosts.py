"""Hosts made for a question that no scenario asks: guests full of cache, guests that must swap, a host of caches."""

from collections.abc import Callable, Mapping
from random import Random

from dom0_arbiter.policy import MARGIN_KIB, Settings
from dom0_arbiter.policy.settings import SURPLUS, SurplusName
from dom0_arbiter.simulator import Constant, GuestSpec, Steps
from dom0_arbiter.simulator.guests.kernel import Swap
from dom0_arbiter.simulator.scenarios.scenario import Appearance, Scenario
from dom0_arbiter.simulator.scenarios.scenario_file import swap_total_kib

MIB = 1024
GIB = 1024 * MIB
STEP_S = 0.02


def made_host(
    name: str,
    specs: list[GuestSpec],
    *,
    duration_s: float,
    surplus: SurplusName = "spread",
    spare_kib: int = 0,
    step_s: float = STEP_S,
) -> Scenario:
    """A host just large enough for its guests' first sizes, slack, and what is spare."""
    settings = Settings(surplus=SURPLUS[surplus])
    held_kib = sum(spec.actual_kib + MARGIN_KIB for spec in specs)
    return Scenario(
        name=name,
        duration_s=duration_s,
        memory_kib=held_kib + settings.slack_kib + spare_kib,
        settings=settings,
        guests=[Appearance(spec=spec, target_kib=spec.actual_kib) for spec in specs],
        step_s=step_s,
    )


def full_of_cache() -> Scenario:
    """Six guests that read more files than the host can hold, and need little: half of the time they grow a little."""
    draw = Random(1)
    specs = [
        GuestSpec(
            name=f"files{index}",
            static_max_kib=4 * GIB,
            actual_kib=GIB + GIB // 2,
            need=_turns(draw, low_kib=350 * MIB, high_kib=650 * MIB, duration_s=600),
            cache=Constant(kib=4 * GIB),
            swap="disk",
            swap_total_kib=GIB,
        )
        for index in range(6)
    ]
    return made_host("full-of-cache", specs, duration_s=600)


def shortage(swap: Swap) -> Scenario:
    """Six guests that need a sixth more than the host has while the sun shines, and half of it at other times."""
    draw = Random(2)
    specs = [
        GuestSpec(
            name=f"short{index}",
            static_max_kib=2 * GIB,
            actual_kib=GIB - GIB // 8,
            need=_turns(draw, low_kib=500 * MIB, high_kib=1250 * MIB, duration_s=600),
            cache=Constant(kib=300 * MIB),
            swap=swap,
            swap_total_kib=swap_total_kib(swap, 2 * GIB),
        )
        for index in range(6)
    ]
    return made_host(f"short-{swap}", specs, duration_s=600)


def wishes(surplus: SurplusName) -> Scenario:
    """Six guests that need a third of the host, and whose files would fill it twice; a burst now and then."""
    draw = Random(3)
    specs = [
        GuestSpec(
            name=f"reader{index}",
            static_max_kib=6 * GIB,
            actual_kib=GIB,
            need=_turns(draw, low_kib=500 * MIB, high_kib=1000 * MIB, duration_s=600),
            cache=Constant(kib=(index + 1) * GIB),
            swap="disk",
            swap_total_kib=GIB,
        )
        for index in range(6)
    ]
    return made_host("wishes", specs, duration_s=600, surplus=surplus, spare_kib=6 * GIB)


def _turns(draw: Random, *, low_kib: int, high_kib: int, duration_s: int) -> Steps:
    """Low and high by turns, each for 20 to 60 s, never quite the same."""
    times_s, amounts_kib, time_s, is_high = [0.0], [low_kib], draw.uniform(10, 40), True
    while time_s < duration_s:
        times_s.append(time_s)
        amounts_kib.append(int((high_kib if is_high else low_kib) * draw.uniform(0.9, 1.1)))
        time_s, is_high = time_s + draw.uniform(20, 60), not is_high
    return Steps(times_s=times_s, amounts_kib=amounts_kib)


MADE: Mapping[str, Callable[[], Scenario]] = {
    "full-of-cache": full_of_cache,
    "short-disk": lambda: shortage("disk"),
    "short-zram": lambda: shortage("zram"),
}
