"""The arbiter as a service: trio, one nursery, one engine task that owns the state, and what feeds and obeys it.

May import xen, engine, policy and protocol. Decisions are the engine's; here is only when to ask it, and what to do
with its answer.
"""

from dom0_arbiter.service.admin import SOCKET_PATH, SocketInUseError, listen_admin
from dom0_arbiter.service.config import ConfigError, parse_settings, read_settings
from dom0_arbiter.service.daemon import Arbiter

__all__ = [
    "SOCKET_PATH",
    "Arbiter",
    "ConfigError",
    "SocketInUseError",
    "listen_admin",
    "parse_settings",
    "read_settings",
]
