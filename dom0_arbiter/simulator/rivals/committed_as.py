"""Directed ballooning by Committed_AS: guests send /proc/meminfo, dom0 sets each to what its processes have committed.

Source: xenballoond and xenballoon.conf (Magenheimer 2008; xen-project/xen tools/xenballoon): every 1 s, up at once,
down by a tenth of the gap, not below a minimum that grows with the guest. The policy module in dom0 that its README
promises was never written; this is the one its own self-ballooning amounts to. Chosen in its favour: Committed_AS is
of processes only, so what the kernel holds and reserves is added, as its author did three years later in the kernel;
where memory is short, those who are to grow share what is free, and nothing is promised that is not there.
"""

from math import isqrt

from dom0_arbiter.simulator.rivals.rounds import Directed, limits_kib

MIB = 1024
DOWN_HYSTERESIS = 10
# Below so many MiB of maximum: a base in MiB, and the divisor of the maximum to be added (minmb in xenballoond).
MINIMA = ((125, 8, 2), (500, 40, 4), (2000, 104, 8))
MINIMUM_OF_LARGE = (296, 32)


def minimum_kib(max_kib: int) -> int:
    """The least MemTotal for a guest with so much at most, KiB."""
    max_mib = max_kib // MIB
    for below_mib, base_mib, divisor in MINIMA:
        if max_mib < below_mib:
            return (base_mib + max_mib // divisor) * MIB
    base_mib, divisor = MINIMUM_OF_LARGE
    return (base_mib + max_mib // divisor) * MIB


def kernel_reserve_kib(max_kib: int) -> int:
    """The high watermark: 1.5 times min_free_kbytes = 4·√(lowmem in KiB) (mm/page_alloc.c)."""
    return isqrt(max_kib * 16) * 3 // 2


def next_total_kib(total_kib: int, goal_kib: int, least_kib: int) -> int:
    """The next MemTotal: at the goal at once if that is more, else a tenth of the way down; never below the least."""
    goal_kib = max(goal_kib, least_kib)
    if goal_kib >= total_kib:
        return goal_kib
    return total_kib - (total_kib - goal_kib) // DOWN_HYSTERESIS


class CommittedAs(Directed):
    """A round each second over all guests that send."""

    name = "committed-as"
    period_s = 1.0

    def round(self) -> None:
        """Reckon from what guests say now."""
        world, wanted_kib = self.world, {}
        for domid, guest in world.guests.items():
            sample = world.overhear(domid)
            if sample is None or world.host.domains[domid].is_shut_down:
                continue
            low_kib, high_kib = limits_kib(world, domid)
            offset_kib, max_kib = guest.spec.memory_offset_kib, guest.spec.static_max_kib
            goal_kib = sample.committed_kib + sample.unevictable_kib + kernel_reserve_kib(max_kib)
            least_kib = min(minimum_kib(max_kib), max_kib - offset_kib)
            total_kib = next_total_kib(sample.total_kib, goal_kib, least_kib)
            wanted_kib[domid] = min(max(total_kib + offset_kib, low_kib), high_kib)
        self.direct(wanted_kib, dict.fromkeys(wanted_kib, 1))
