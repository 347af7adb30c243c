"""Hyper-V's Dynamic Memory: each guest its demand and a buffer of 20 %; by weight where that is more than there is.

Sources. The guest's side: drivers/hv/hv_balloon.c (post_status, compute_balloon_floor), each second. The host's side,
which is not published as code: buffer 20 % of demand and priority (Set-VMMemory, learn.microsoft.com), 1000 MB of
demand make 1200 assigned (petri.com/how-does-hyper-v-dynamic-memory-work), rebalanced in intervals of 1 s (TechTarget,
definition of Hyper-V Dynamic Memory), memory is taken from the lower priority first, and only if another needs it (Ben
Armstrong, blogs.msdn.microsoft.com/virtual_pc_guy, 2010-08-05), which may be a virtual machine that is to start.
Assumed where they are silent, in its favour: too little is shared in proportion to weights, none getting more than it
wants, instead of by strict priority; the 45 s of silence after boot are left out; what exceeds demand and buffer is
given back after 5 minutes though nobody needs it, so that there is room for starts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dom0_arbiter.policy import pour
from dom0_arbiter.simulator.rivals.rounds import Directed, limits_kib

if TYPE_CHECKING:
    from dom0_arbiter.simulator.world import World

MIB = 1024
BUFFER_PERCENT = 20
IDLE_S = 300.0
# Below so many MiB of MemTotal: a base in MiB, and the divisor of MemTotal to be added.
FLOORS = ((128, 8, 2), (512, 40, 4), (2048, 104, 8), (8192, 232, 16))
FLOOR_OF_LARGE = (488, 32)


def balloon_floor_kib(total_kib: int) -> int:
    """What the guest adds to its demand, so that it is not squeezed to nothing."""
    for below_mib, base_mib, divisor in FLOORS:
        if total_kib < below_mib * MIB:
            return base_mib * MIB + total_kib // divisor
    base_mib, divisor = FLOOR_OF_LARGE
    return base_mib * MIB + total_kib // divisor


def desired_kib(committed_kib: int, total_kib: int) -> int:
    """Demand (Committed_AS and the floor) plus the buffer, guest's view."""
    return (committed_kib + balloon_floor_kib(total_kib)) * (100 + BUFFER_PERCENT) // 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Vm:
    """KiB, Xen's view; min_kib <= desired_kib."""

    size_kib: int
    min_kib: int
    desired_kib: int
    weight: int


def new_sizes(vms: Mapping[int, Vm], spare_kib: int) -> dict[int, int]:
    """Return each one's size. spare_kib: Xen's free memory that may be given.

    Enough: whoever has less than desired gets that; the excess of others is taken as far as needed, from low weights
    first. Too little: from the minimum up to what is desired, by weight.
    """
    domids = list(vms)
    budget_kib = spare_kib + sum(vm.size_kib - vm.min_kib for vm in vms.values())
    wants_kib = [vms[domid].desired_kib - vms[domid].min_kib for domid in domids]
    if sum(wants_kib) > budget_kib:
        shares_kib = pour([vms[domid].weight for domid in domids], [0] * len(domids), wants_kib, budget_kib)
        return {domid: vms[domid].min_kib + kib for domid, kib in zip(domids, shares_kib, strict=True)}
    sizes_kib = {domid: max(vm.size_kib, vm.desired_kib) for domid, vm in vms.items()}
    missing_kib = sum(sizes_kib[domid] - vm.size_kib for domid, vm in vms.items()) - spare_kib
    for domid in sorted(domids, key=lambda each: vms[each].weight):
        taken_kib = max(0, min(missing_kib, sizes_kib[domid] - vms[domid].desired_kib))
        sizes_kib[domid] -= taken_kib
        missing_kib -= taken_kib
    return sizes_kib


class HyperV(Directed):
    """Each second, from what guests say in that second."""

    name = "hyper-v"
    period_s = 1.0

    def __init__(self, world: "World") -> None:
        super().__init__(world)
        self._idle_since_s: dict[int, float] = {}

    def round(self) -> None:
        """Reckon, and have the memory moved."""
        world, vms = self.world, {}
        for domid, guest in world.guests.items():
            sample = world.overhear(domid)
            if sample is None or world.host.domains[domid].is_shut_down:
                continue
            low_kib, high_kib = limits_kib(world, domid)
            wish_kib = desired_kib(sample.committed_kib, sample.total_kib) + guest.spec.memory_offset_kib
            vms[domid] = Vm(
                size_kib=world.host.domains[domid].actual_kib,
                min_kib=low_kib,
                desired_kib=min(max(wish_kib, low_kib), high_kib),
                weight=world.settings.of_domain(guest.spec.name).weight,
            )
        sizes_kib = new_sizes(vms, world.host.free_kib - world.settings.slack_kib - world.awaited_kib)
        self._give_up_idle(vms, sizes_kib)
        self.direct(sizes_kib, {domid: vm.weight for domid, vm in vms.items()})

    def _give_up_idle(self, vms: Mapping[int, Vm], sizes_kib: dict[int, int]) -> None:
        now_s, since = self.world.now_s, self._idle_since_s
        for domid in since.keys() - vms.keys():
            del since[domid]
        for domid, vm in vms.items():
            if vm.size_kib <= vm.desired_kib:
                since.pop(domid, None)
            elif now_s - since.setdefault(domid, now_s) >= IDLE_S:
                sizes_kib[domid] = vm.desired_kib
