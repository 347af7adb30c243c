"""What the agent costs the guest that it runs in, by its own measure. Loaded for `--footprint` alone.

What is measured is this process, doing what it does as a service, for a minute after a start that is over: the loop, on
the guest's real memory, and a stand-in for xenstore that answers at once and has nothing new, because beside a service
the guest's own would hear two agents. So what the kernel takes to carry four requests a minute is missing; and in a
guest that is busy, what its news cost is included. The figures are the kernel's (proc(5): smaps_rollup, status).

What they are held against is the interpreter alone: this very process becomes it in the end, so that neither shares
pages with the other, and says what it takes. A first start after an installation that compiled nothing takes more.
"""

import os
import sys
import time

from guest_agent.agent import now_ms
from guest_agent.packets import Op
from guest_agent.session import DEFAULTS
from guest_agent.sources import SourceError
from guest_agent.xenstore import Xenstore
from protocol import WELCOME_KEY, __version__, encode_welcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from guest_agent.agent import Agent
    from guest_agent.waiting import Waiter

WARM_S, MEASURED_S = 5, 60
"""What a start costs is over by then; a heartbeat's time."""
HOUR_S = 3600
_BARE = """
import sys
with open("/proc/self/smaps_rollup", "rb") as file: text = file.read()
print(sys.argv[1] % tuple([int(text.partition(name)[2].split(None, 1)[0]) for name in (b"Rss:", b"Pss:")]))
"""


class StandIn(Xenstore):
    """A xenstore, and an arbiter that is content, within this process."""

    __slots__ = ("writes_total",)

    def __init__(self, waiter: "Waiter") -> None:
        super().__init__(None, waiter)
        self.writes_total = 0

    def _exchange(self, operation: int, payload: bytes) -> tuple[int, bytes]:
        values = {b"domid": b"1", WELCOME_KEY.encode(): encode_welcome(DEFAULTS)}
        key, _, _ = payload.partition(b"\0")
        if operation != Op.READ:
            self.writes_total += 1
            return operation, b"OK\0"
        return (Op.READ, values[key]) if key in values else (Op.ERROR, b"ENOENT\0")


def show_footprint(agent: "Agent", waiter: "Waiter", store: StandIn, *, as_json: bool) -> None:
    """Measure, print, and end this process, unless it is told to stop meanwhile; memory in KiB, the rest for an hour.

    rss_kib; pss_kib, which counts a share of each page that others have too; both again with bare_; wakeups_per_h:
    sleeps and waits that ended; cpu_s_per_h; writes_per_h, to xenstore. Raises SourceError where the kernel shows no
    accounts.
    """
    _live(agent, waiter, WARM_S)
    began_s, wakeups, cpu_s, writes = time.monotonic(), _wakeups(), time.process_time(), store.writes_total
    _live(agent, waiter, MEASURED_S)
    if waiter.stopping:
        return
    hours = (time.monotonic() - began_s) / HOUR_S
    text = _read("/proc/self/smaps_rollup")
    figures = {
        "rss_kib": _number(text, "\nRss:"),
        "pss_kib": _number(text, "\nPss:"),
        "bare_rss_kib": "%d",
        "bare_pss_kib": "%d",
        "wakeups_per_h": round((_wakeups() - wakeups) / hours),
        "cpu_s_per_h": round((time.process_time() - cpu_s) / hours, 2),
        "writes_per_h": round((store.writes_total - writes) / hours),
    }
    if as_json:
        pairs = "".join([f', "{name}": {value}' for name, value in figures.items()])
        shown = f'{{"format": 1, "kind": "footprint", "version": "{__version__}", "passed": null{pairs}}}'
    else:
        shown = "\n".join([f"{name:15} {value}" for name, value in figures.items()])
    how = [flag for flag, given in (("-I", sys.flags.isolated), ("-S", sys.flags.no_site)) if given]  # as we were
    os.execv(sys.executable, [sys.executable, *how, "-c", _BARE, shown])  # noqa: S606 - not through a shell


def _live(agent: "Agent", waiter: "Waiter", seconds: int) -> None:
    end_ms = now_ms() + seconds * 1000
    while not waiter.stopping and now_ms() < end_ms:
        waiter.sleep(max(0, min(agent.step(now_ms()), end_ms - now_ms())))


def _wakeups() -> int:
    return _number(_read("/proc/self/status"), "\nvoluntary_ctxt_switches:")


def _number(text: str, name: str) -> int:
    _, found, rest = text.partition(name)
    if not found:
        raise SourceError(f"the kernel does not show {name.strip()}")
    return int(rest.split(None, 1)[0])


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:  # noqa: PTH123 - pathlib costs 1 MB
            return file.read()
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from error
