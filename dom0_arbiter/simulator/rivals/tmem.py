"""Transcendent memory: selfballooning guests put what they drop into Xen's free memory, and find some of it there.

Sources: Magenheimer et al., "Transcendent Memory and Linux" (OLS 2009); Xen's commit "Transcendent memory for Xen":
ephemeral pages (cleancache) are what Xen may drop at any time, persistent ones (frontswap) stay and count against the
domain's allocation; drivers/xen/xen-selfballoon.c adds frontswap's pages to the goal. No compression, no sharing.

Ephemeral pages lie in memory that counts as free and vanish as that is needed, by a balloon or for frontswap: all
guests' alike, where Xen drops the oldest first. Chosen in its favour: which pages lie there are the most useful ones
(as many reads hit as if the guest's own cache were so much larger), loads from frontswap free its page at once.
"""

from math import sqrt
from typing import TYPE_CHECKING

from dom0_arbiter.simulator.guests.guest import Guest
from dom0_arbiter.simulator.rivals.selfballoon import Selfballoon

if TYPE_CHECKING:
    from dom0_arbiter.simulator.world import World


def hit_ratio(cache_kib: float, pool_kib: float, want_kib: float) -> float:
    """Return which part of the reads that miss a cache finds its page in the pool, 0..1.

    As the kernel is played: of reads that go to want_kib of files, sqrt(cached / want_kib) hit (simulator/kernel.py).
    """
    if cache_kib >= want_kib or pool_kib <= 0:
        return 0.0
    cached = sqrt(cache_kib / want_kib)
    return (sqrt(min(1.0, (cache_kib + pool_kib) / want_kib)) - cached) / (1.0 - cached)


class GuestPool:
    """One guest's pools, a `Pool` of its kernel. KiB."""

    def __init__(self, tmem: "Tmem", guest: Guest) -> None:
        self._tmem = tmem
        self._guest = guest
        self._owed_kib = 0.0  # hits that were less than a KiB
        self.persistent_kib = 0
        self.ephemeral_kib = 0

    def put_swap(self, kib: int) -> int:
        """Take what fits into free memory above slack, and into the domain's allocation."""
        host = self._tmem.world.host
        allotment = host.domains[self._guest.domid]
        allowed_kib = allotment.maxmem_kib - allotment.actual_kib - self.persistent_kib
        got_kib = host.reserve(max(0, min(kib, allowed_kib, self._tmem.room_kib)))
        self.persistent_kib += got_kib
        self._tmem.trim()
        return got_kib

    def get_swap(self, kib: int) -> int:
        """Give back what there is."""
        kib = min(kib, self.persistent_kib)
        self.drop_swap(kib)
        return kib

    def drop_swap(self, kib: int) -> None:
        """Free it."""
        kib = min(kib, self.persistent_kib)
        self.persistent_kib -= kib
        self._tmem.world.host.unreserve(kib)

    def put_clean(self, kib: int) -> None:
        """Keep it as long as there is room."""
        self.ephemeral_kib += kib
        self._tmem.trim()

    def get_clean(self, kib: int) -> int:
        """Return how many of the misses are here. They change places with pages of the cache; the others add to it."""
        self._tmem.trim()
        kernel, want_kib = self._guest.kernel, self._guest.wants_cache_kib
        self._owed_kib += kib * hit_ratio(kernel.cache_kib, self.ephemeral_kib, want_kib)
        hits_kib = min(kib, int(self._owed_kib))
        self._owed_kib -= hits_kib
        self.put_clean(kib - hits_kib)
        return hits_kib

    @property
    def most_ephemeral_kib(self) -> int:
        """Of what the guest reads, all that is not in its own cache."""
        return max(0, self._guest.wants_cache_kib - self._guest.kernel.cache_kib)


class Tmem(Selfballoon):
    """Selfballooning, with pools."""

    name = "tmem"

    def __init__(self, world: "World") -> None:
        super().__init__(world)
        self._pools: dict[int, GuestPool] = {}

    @property
    def room_kib(self) -> int:
        """Free memory above slack: room for persistent pages, ephemeral ones give way."""
        return max(0, self.world.host.free_kib - self.world.settings.slack_kib)

    def act(self) -> None:
        """As selfballooning; and whatever has taken free memory meanwhile has dropped ephemeral pages."""
        super().act()
        self.trim()

    def trim(self) -> None:
        """Drop ephemeral pages that have lost their room, from all guests in proportion."""
        for pool in self._pools.values():
            pool.ephemeral_kib = min(pool.ephemeral_kib, pool.most_ephemeral_kib)
        ephemeral_kib, room_kib = sum(pool.ephemeral_kib for pool in self._pools.values()), self.room_kib
        if ephemeral_kib > room_kib:
            for pool in self._pools.values():
                pool.ephemeral_kib = pool.ephemeral_kib * room_kib // ephemeral_kib

    def meet(self, domid: int) -> None:
        """Its kernel finds tmem."""
        guest = self.world.guests[domid]
        guest.kernel.pool = self._pools[domid] = GuestPool(self, guest)

    def forget(self, domid: int) -> None:
        """Xen frees all its pages."""
        pool = self._pools.pop(domid)
        pool.drop_swap(pool.persistent_kib)

    def pooled_kib(self, guest: Guest) -> int:
        """What it has in frontswap."""
        return self._pools[guest.domid].persistent_kib
