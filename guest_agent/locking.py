"""Keeps the agent in memory: a guest that thrashes would swap out the very process that reports it.

Without the `ctypes` package, which costs each guest a megabyte; its C part, for one call, costs 0.2 MB.
"""

import _ctypes

_CURRENT, _FUTURE, _ON_FAULT = 1, 2, 4
"""mlockall(2), Linux 4.4: what is there, what comes, and of both only what is touched; without the last, half as much
memory again. (asm-generic/mman.h; other numbers on alpha, powerpc and sparc, where Xen does not run.)"""


def lock_memory() -> str:
    """Lock what this process has touched and will touch; return why that could not be done, or ""."""
    try:
        mlockall = _ctypes.dlsym(_ctypes.dlopen(None, 0), "mlockall")  # type: ignore[arg-type]  # None: this process
    except (AttributeError, OSError) as error:
        return f"not locked in memory: {error}"
    if _ctypes.call_function(mlockall, (_CURRENT | _FUTURE | _ON_FAULT,)):
        return "not locked in memory: mlockall is refused (as root, or with LimitMEMLOCK=infinity, Linux 4.4 allows it)"
    return ""
