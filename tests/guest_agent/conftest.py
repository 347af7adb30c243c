"""Fixtures: both xenstore servers of the contract, and the real one that can be stalled and killed."""

from tests.contract.conftest import server, shim
from tests.integration.conftest import xenstored, xenstored_shim

__all__ = ["server", "shim", "xenstored", "xenstored_shim"]
