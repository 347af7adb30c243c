"""What the demo's guests do: each in its turn needs a lot of memory for a while; all of them at once never could."""

import random
from dataclasses import dataclass

from dom0_arbiter.simulator.curve import Constant, Steps
from dom0_arbiter.simulator.guests.guest import GuestSpec

MIB = 1024
SLACK_KIB = 64 * MIB
MARGIN_KIB = 1 * MIB
IDLE_KIB = 320 * MIB  # a guest at rest, Xen's view
SPIKE_KIB = 900 * MIB  # and while its program runs
CACHE_KIB = 150 * MIB
ROOM_KIB = 520 * MIB  # for each guest: what it needs at rest, headroom and some cache
SPIKES_AT_ONCE = 2
FIRST_S = 2.5  # agents and arbiter have met by then, and
START_S = 0.1  # later for each guest, whose agent is a process to be started
EVERY_S = 2.5
FOR_S = 4.5  # so that two overlap
RAMP_S, RAMP_STEPS = 2.0, 20  # a program fills what it asks for at 290 MiB/s
OVERBOOKING = 2.2  # the maxima, over the host


@dataclass(frozen=True, slots=True, kw_only=True)
class Spike:
    """A program of one guest that starts at `at_s` and wants what its guest has not."""

    guest: int
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """The host's memory, its guests, and the spikes they will have, in order."""

    memory_kib: int
    guests: list[GuestSpec]
    spikes: list[Spike]


def plan_workload(guests: int, duration_s: float, seed: int) -> Workload:
    """Spikes start every 2.5 s, in an order drawn from the seed, and last 4.5 s; the last one has 5 s to be met."""
    memory_kib = SLACK_KIB + guests * (ROOM_KIB + MARGIN_KIB) + SPIKES_AT_ONCE * (SPIKE_KIB - IDLE_KIB)
    static_max_kib = int(max(2048 * MIB, OVERBOOKING * memory_kib / guests)) // MIB * MIB
    order = random.Random(seed)  # noqa: S311 - a workload, not a secret
    spikes: list[Spike] = []
    at_s, last = FIRST_S + START_S * max(0, guests - 6), -1
    while at_s + 5.0 <= duration_s:
        last = order.choice([guest for guest in range(guests) if guest != last])
        spikes.append(Spike(guest=last, at_s=at_s))
        at_s += EVERY_S
    size_kib = (memory_kib - SLACK_KIB) // guests // MIB * MIB - MARGIN_KIB
    specs = [
        GuestSpec(
            name=f"guest-{index + 1}",
            static_max_kib=static_max_kib,
            actual_kib=size_kib,
            need=_needs([spike.at_s for spike in spikes if spike.guest == index]),
            cache=Constant(kib=CACHE_KIB),
        )
        for index in range(guests)
    ]
    return Workload(memory_kib=memory_kib, guests=specs, spikes=spikes)


def _needs(starts_s: list[float]) -> Steps:
    times_s, amounts_kib = [0.0], [IDLE_KIB]
    for start_s in starts_s:
        for step in range(RAMP_STEPS):
            times_s.append(start_s + step * RAMP_S / RAMP_STEPS)
            amounts_kib.append(IDLE_KIB + (SPIKE_KIB - IDLE_KIB) * (step + 1) // RAMP_STEPS)
        times_s.append(start_s + FOR_S)
        amounts_kib.append(IDLE_KIB)
    return Steps(times_s=times_s, amounts_kib=amounts_kib)
