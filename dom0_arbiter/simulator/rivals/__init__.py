"""The peers' policies, from their published formulas, each with its own reporting period and limits.

Each file has the peer's formula as a pure function, with its sources, and a `Rival` that plays it on a `World`; where a
source is silent, what favours the peer was chosen, and the file says so. May import simulator, engine's words for
samples, the
standard library and `pour`; nothing else of our own policy.
"""

from dom0_arbiter.simulator.rivals.committed_as import CommittedAs
from dom0_arbiter.simulator.rivals.hyper_v import HyperV
from dom0_arbiter.simulator.rivals.mom import Mom
from dom0_arbiter.simulator.rivals.oracle import Oracle
from dom0_arbiter.simulator.rivals.proxmox import Proxmox
from dom0_arbiter.simulator.rivals.qmemman import Qmemman
from dom0_arbiter.simulator.rivals.rival import Rival
from dom0_arbiter.simulator.rivals.selfballoon import Selfballoon
from dom0_arbiter.simulator.rivals.squeezed import Squeezed
from dom0_arbiter.simulator.rivals.static import Static
from dom0_arbiter.simulator.rivals.tmem import Tmem

RIVALS: dict[str, type[Rival]] = {
    rival.name: rival
    for rival in (Static, Qmemman, Squeezed, Proxmox, Mom, HyperV, Selfballoon, CommittedAs, Tmem, Oracle)
}

__all__ = ["RIVALS", "Rival"]
