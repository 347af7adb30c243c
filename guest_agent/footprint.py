"""What the agent costs the guest that it runs in, by its own measure. Loaded for `--footprint` alone.

Where the figures come from: the kernel's accounts of this process (proc(5): smaps_rollup, status), over a time in which
the agent does what it always does. A bare interpreter of the same executable, asleep, is what they are held against.
"""

import os
import sys
import time

from guest_agent.agent import now_ms
from guest_agent.sources import SourceError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from guest_agent.agent import Agent
    from guest_agent.waiting import Waiter
    from guest_agent.xenstore import Xenstore

WARM_S, MEASURED_S = 5, 60
"""What a start costs is over by then; a heartbeat's time."""
BARE_STARTS_S = 2
HOUR_S = 3600
_BARE = "import time; time.sleep(60)"


def measure_footprint(
    agent: "Agent", waiter: "Waiter", store: "Xenstore", *, warm_s: int = WARM_S, measured_s: int = MEASURED_S
) -> dict[str, float]:
    """Let the agent live for a while; return what that took, memory in KiB and the rest for an hour.

    rss_kib, pss_kib, and bare_rss_kib, bare_pss_kib of the interpreter alone; wakeups_per_h: sleeps and waits that
    ended; cpu_s_per_h; writes_per_h: to xenstore. Raises SourceError where the kernel does not show its accounts.
    """
    _live(agent, waiter, warm_s)
    began_s, wakeups, cpu_s, writes = time.monotonic(), _wakeups(), time.process_time(), store.writes_total
    _live(agent, waiter, measured_s)
    hours = (time.monotonic() - began_s) / HOUR_S
    figures = {
        "wakeups_per_h": round((_wakeups() - wakeups) / hours),
        "cpu_s_per_h": round((time.process_time() - cpu_s) / hours, 2),
        "writes_per_h": round((store.writes_total - writes) / hours),
    }
    rss_kib, pss_kib = _memory_kib("self")
    bare_rss_kib, bare_pss_kib = _bare_kib()
    sizes = {"rss_kib": rss_kib, "pss_kib": pss_kib, "bare_rss_kib": bare_rss_kib, "bare_pss_kib": bare_pss_kib}
    return {**sizes, **figures}


def _live(agent: "Agent", waiter: "Waiter", seconds: int) -> None:
    end_ms = now_ms() + seconds * 1000
    while not waiter.stopping and now_ms() < end_ms:
        waiter.sleep(max(0, min(agent.step(now_ms()), end_ms - now_ms())))


def _bare_kib() -> tuple[int, int]:
    how = [flag for flag, given in (("-I", sys.flags.isolated), ("-S", sys.flags.no_site)) if given]  # as we were
    pid = os.posix_spawn(sys.executable, [sys.executable, *how, "-c", _BARE], os.environ)
    try:
        time.sleep(BARE_STARTS_S)
        return _memory_kib(str(pid))
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)


def _memory_kib(pid: str) -> tuple[int, int]:
    """Resident, and resident with shared pages divided among those who share them."""
    text = _read(f"/proc/{pid}/smaps_rollup")
    return _number(text, "Rss:"), _number(text, "Pss:")


def _wakeups() -> int:
    return _number(_read("/proc/self/status"), "voluntary_ctxt_switches:")


def _number(text: str, name: str) -> int:
    _, found, rest = text.partition(f"\n{name}")
    if not found:
        raise SourceError(f"the kernel does not show {name}")
    return int(rest.split(None, 1)[0])


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:  # noqa: PTH123 - pathlib costs 1 MB
            return file.read()
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from error
