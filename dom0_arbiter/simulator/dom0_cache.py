"""Dom0's page cache, which the guests' disks are served through."""

from math import sqrt
from typing import TYPE_CHECKING

from dom0_arbiter.policy import DOM0

if TYPE_CHECKING:
    from dom0_arbiter.simulator.world import World


def cache_in_dom0(world: "World") -> None:
    """Let what nobody is given serve what guests miss, or, if dom0 is a managed domain, what that has to spare.

    It keeps of that, whosever it is, what was read last: of a missing set of M KiB, all guests' together, a cache of
    D KiB serves sqrt(D / M), as a guest's own would.
    """
    pool_kib = 0 if world.arbiter is None else world.arbiter.state.pool_kib
    left_kib = max(0, world.host.free_kib - world.settings.slack_kib - pool_kib)
    surplus = world.settings.surplus
    cache_kib = left_kib * surplus.dom0 // max(1, surplus.dom0 + surplus.keep_free)
    if dom0 := world.guests.get(DOM0):
        cache_kib = dom0.kernel.available_kib
    guests = [guest for domid, guest in world.guests.items() if domid != DOM0]
    missing_kib = sum(max(0, guest.wants_cache_kib - guest.kernel.cache_kib) for guest in guests)
    for guest in guests:
        guest.kernel.dom0_hit_ratio = min(1.0, sqrt(cache_kib / missing_kib)) if missing_kib else 0.0
