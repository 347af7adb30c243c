"""A host that is played: Xen's accounts, guests with a kernel, a balloon and a character, and the rules they break.

Runs the production engine, the agent's pure parts and the real codec; only the kernel and Xen are played. All of it is
pure and in virtual time, but for `xenstored`, which serves the real wire protocol. May import engine, policy, protocol
and, alone in dom0, `guest_agent`.
"""

from dom0_arbiter.simulator.curve import Constant, Curve, Spikes, Steps
from dom0_arbiter.simulator.guests.character import Character
from dom0_arbiter.simulator.guests.guest import Guest, GuestSpec
from dom0_arbiter.simulator.host import Allotment, Host, IllegalAllocationError
from dom0_arbiter.simulator.inspector import Inspector
from dom0_arbiter.simulator.invariants import Scene, Violation
from dom0_arbiter.simulator.world import World

__all__ = [
    "Allotment",
    "Character",
    "Constant",
    "Curve",
    "Guest",
    "GuestSpec",
    "Host",
    "IllegalAllocationError",
    "Inspector",
    "Scene",
    "Spikes",
    "Steps",
    "Violation",
    "World",
]
