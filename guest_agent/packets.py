"""pyxs's packets, opcodes, request ids and errors, without the rest of pyxs.

The package's own `__init__` imports its client, its monitor, threads, sockets and regular expressions: 2 MB that the
agent would never use (CPython 3.11, measured). So a bare package stands in while these two modules are imported, and
leaves no trace: whoever imports pyxs afterwards gets it as if we had not been here.
"""

import sys
from importlib.machinery import PathFinder

_spec = None if "pyxs" in sys.modules else PathFinder.find_spec("pyxs")
if _spec is not None:
    sys.modules["pyxs"] = _bare = type(sys)("pyxs")
    _bare.__path__ = list(_spec.submodule_search_locations or ())
try:
    from pyxs._internal import NUL, Op, Packet, next_rq_id
    from pyxs.exceptions import PyXSError
finally:
    if _spec is not None:
        for _name in ("pyxs", "pyxs._internal", "pyxs.exceptions"):
            sys.modules.pop(_name, None)

__all__ = ["NUL", "Op", "Packet", "PyXSError", "next_rq_id"]
