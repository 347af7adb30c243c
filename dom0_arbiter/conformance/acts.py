"""The play: what dom0 does to an agent, act by act, and what the agent must make of it.

Each act has a domain and a process to itself, so that all can be played at once.
"""

from base64 import b64encode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import pairwise

import msgpack
import trio

from dom0_arbiter.conformance.overhearing import Overheard
from dom0_arbiter.conformance.verdicts import Judgement
from dom0_arbiter.simulator.xenstored import XenstoreServer
from protocol import FINAL, HELLO_KEY, URGENT, WELCOME_KEY, Welcome, domain_path, encode_welcome

STARTS_S = 15.0  # an interpreter on a busy machine takes its time
SLACK_S = 1.5  # so does a process until it is heard
LOOKS_AT_FIRST_S = 5.0 + SLACK_S  # A10, after Hello
LOOKS_S = 1.0  # A10: Welcome is read with a report, but at most so often
QUIET_S = 5.0
RESUMES_S = 65.0  # A13: to the look, after which a report is due
RECOVERS_S = 10.0  # A14
ENDS_S = 5.0  # A15
HEARTBEAT_MS = 1000
NEVER_KIB, ALWAYS_KIB = 0, 2**40  # urgent thresholds that no guest, and every guest, is below


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A domain with an agent in it."""

    server: XenstoreServer
    process: trio.Process
    overheard: Overheard

    @property
    def domid(self) -> int:
        """The domain's."""
        return self.overheard.domid

    @property
    def judgement(self) -> Judgement:
        """Where all acts say what they saw."""
        return self.overheard.judgement

    def welcome(self, welcome: Welcome, *, surplus: bytes | None = None) -> None:
        """Write it; `surplus` is another value that says the same to a reader of this version."""
        self.overheard.stands(welcome)
        self.write_welcome(encode_welcome(welcome) if surplus is None else surplus)

    def write_welcome(self, value: bytes) -> None:
        """Write any value in its place."""
        key, store = f"{domain_path(self.domid)}/{WELCOME_KEY}", self.server.store
        store.write_as_dom0(key, value)
        store.set_permissions_as_dom0(key, ("n0", f"r{self.domid}"))

    async def greet(self, welcome: Welcome) -> bool:
        """Wait for Hello, answer it, and wait until the agent goes by the answer."""
        heard = self.overheard
        came = await heard.until(lambda: bool(heard.hellos_s), STARTS_S)
        self.judgement.check("A1", came, f"no valid Hello within {STARTS_S:g} s")
        if not came:
            return False
        self.welcome(welcome)
        return await self.is_heeded()

    async def is_heeded(self) -> bool:
        """Wait until what stands now was read, and a report followed it."""
        heard, written_s = self.overheard, trio.current_time()
        looked = await heard.until(lambda: bool(heard.looks_s) and heard.looks_s[-1] > written_s, LOOKS_AT_FIRST_S)
        self.judgement.check("A10", looked, f"Welcome was not read within {LOOKS_AT_FIRST_S:g} s")
        if not looked:
            return False
        looked_s = heard.looks_s[-1]
        within_s = HEARTBEAT_MS / 1000 + SLACK_S
        came = await heard.until(lambda: bool(heard.reports_since(looked_s)), within_s)
        self.judgement.check("A6", came, f"no report within {within_s:g} s after it had read Welcome")
        return came


def calm(**changes: int) -> Welcome:
    """A welcome under which nothing is news but the heartbeat."""
    values = {
        "heartbeat_ms": HEARTBEAT_MS,
        "interval_min_ms": 50,
        "interval_max_ms": 100,
        "change_kib": ALWAYS_KIB,
        "urgent_kib": NEVER_KIB,
    }
    return Welcome(version=1, reason="", **{**values, **changes})


def _value(*items: object) -> bytes:
    return b64encode(msgpack.packb(items))


SURPLUS = _value(1, "", HEARTBEAT_MS, 50, 100, ALWAYS_KIB, NEVER_KIB, "of a later version", {"a": [1.5, None, True]})
"""What `calm()` says, and more."""
INVALID = {
    "empty": b"",
    "no base64": b"not base64",
    "cut short": _value(1, "", HEARTBEAT_MS, 50, 100, ALWAYS_KIB, ALWAYS_KIB)[:-4],
    "no array": b64encode(msgpack.packb({0: 1})),
    "out of range": _value(1, "", 1, 50, 100, ALWAYS_KIB, ALWAYS_KIB),
    "of the wrong type": _value(1, "", float(HEARTBEAT_MS), 50, 100, ALWAYS_KIB, ALWAYS_KIB),
    "followed by a line break": _value(1, "", HEARTBEAT_MS, 50, 100, ALWAYS_KIB, ALWAYS_KIB) + b"\n",
    "of a version that the agent cannot speak": _value(65_535, "", HEARTBEAT_MS, 50, 100, ALWAYS_KIB, ALWAYS_KIB),
}
"""Each would make everything urgent, if it was taken."""


async def heartbeat(stage: Stage) -> None:
    """A6: with nothing new, it is heard once per heartbeat."""
    settings = calm()
    if not await stage.greet(settings):
        return
    at_s = trio.current_time()
    await trio.sleep(QUIET_S)
    times_s = [at_s, *(said.at_s for said in stage.overheard.reports_since(at_s)), trio.current_time()]
    longest_s = max(later - sooner for sooner, later in pairwise(times_s))
    most_s = (settings.heartbeat_ms + settings.interval_max_ms) / 1000 + SLACK_S
    fault = f"silent for {longest_s:.1f} s, heartbeat_ms is {settings.heartbeat_ms}"
    stage.judgement.check("A6", longest_s <= most_s, fault)


async def pace(stage: Stage) -> None:
    """A7: however much is new, it is not heard oftener than it may; that is judged with each report."""
    if await stage.greet(calm(interval_min_ms=500, interval_max_ms=500, change_kib=1, urgent_kib=ALWAYS_KIB)):
        await trio.sleep(QUIET_S)


async def settings_change(stage: Stage) -> None:
    """A9 to A12: it goes by the newest valid welcome, whatever comes after it."""
    if not await stage.greet(calm()):
        return
    judgement, heard = stage.judgement, stage.overheard
    within_s = HEARTBEAT_MS / 1000 + LOOKS_S + SLACK_S
    stage.welcome(calm(urgent_kib=ALWAYS_KIB))
    came = await heard.until(lambda: bool(heard.reports[-1].report.flags & URGENT), within_s)
    judgement.check("A10", came, f"a new urgent_kib did not show within {within_s:g} s")
    judgement.check("A9", came, "was not heard when its available memory was below urgent_kib")
    stage.welcome(calm(), surplus=SURPLUS)
    came = await heard.until(lambda: not heard.reports[-1].report.flags & URGENT, within_s)
    judgement.check("A11", came, "a welcome with surplus positions was not taken")
    for what, value in INVALID.items():
        at_s = trio.current_time()
        stage.write_welcome(value)
        await heard.until(lambda at_s=at_s: heard.looks_s[-1] > at_s, within_s)  # type: ignore[misc]
        at_s = trio.current_time()
        came = await heard.until(lambda at_s=at_s: bool(heard.reports_since(at_s)), within_s)  # type: ignore[misc]
        judgement.check("A12", came, f"was not heard any more in the old way after a welcome that is {what}")
        said = heard.reports_since(at_s)
        is_same = not any(each.report.flags & URGENT for each in said)
        judgement.check("A12", is_same, f"took a welcome that is {what}")


async def hello_again(stage: Stage) -> None:
    """A1: Hello again where there is no Welcome, and with another domid."""
    if not await stage.greet(calm()):
        return
    store, home, heard = stage.server.store, domain_path(stage.domid), stage.overheard
    within_s = HEARTBEAT_MS / 1000 + LOOKS_S + SLACK_S
    at_s = trio.current_time()
    store.remove_as_dom0(f"{home}/{WELCOME_KEY}")
    store.remove_as_dom0(f"{home}/{HELLO_KEY}")
    heard.stands(None)
    came = await heard.until(lambda: heard.hellos_s[-1] > at_s, within_s)
    stage.judgement.check("A1", came, f"no Hello within {within_s:g} s after Welcome had gone")
    stage.welcome(calm())
    if not await stage.is_heeded():
        return
    moved_s = trio.current_time()
    store.write_as_dom0(f"{home}/domid", str(stage.domid + 1000))
    came = await heard.until(lambda: heard.hellos_s[-1] > moved_s, within_s)
    stage.judgement.check("A1", came, f"no Hello within {within_s:g} s after the domid had changed")


async def no_version(stage: Stage) -> None:
    """A13: silent where nothing is in common, until something is."""
    if not await stage.greet(calm()):
        return
    heard, judgement = stage.overheard, stage.judgement
    at_s = trio.current_time()
    stage.welcome(Welcome(version=0, reason="a test of silence"))
    await heard.until(lambda: heard.looks_s[-1] > at_s, HEARTBEAT_MS / 1000 + LOOKS_S + SLACK_S)
    told_s = trio.current_time()
    await trio.sleep(QUIET_S)
    is_silent = not heard.reports_since(told_s)
    judgement.check("A13", is_silent, "reported though no version is in common")
    if not is_silent:
        return
    again_s = trio.current_time()
    stage.welcome(calm())
    within_s = RESUMES_S + HEARTBEAT_MS / 1000 + SLACK_S
    came = await heard.until(lambda: bool(heard.reports_since(again_s)), within_s)
    judgement.check("A13", came, f"no report within {within_s:g} s after there was a version in common")


async def outage(stage: Stage) -> None:
    """A14: it comes back when xenstore does."""
    if not await stage.greet(calm()):
        return
    heard = stage.overheard
    heard.loses()
    stage.server.disconnect(stage.domid)
    at_s = trio.current_time()
    came = await heard.until(lambda: bool(heard.reports_since(at_s)), RECOVERS_S)
    stage.judgement.check("A14", came, f"no report within {RECOVERS_S:g} s after its connection was lost")


async def end(stage: Stage) -> None:
    """A15: a last word."""
    if not await stage.greet(calm()):
        return
    heard, judgement = stage.overheard, stage.judgement
    stage.process.terminate()
    with trio.move_on_after(ENDS_S):
        await stage.process.wait()
    judgement.check("A15", stage.process.returncode is not None, f"still there {ENDS_S:g} s after SIGTERM")
    judgement.check("A15", bool(heard.reports[-1].report.flags & FINAL), "its last report was not marked as final")


Act = Callable[[Stage], Awaitable[None]]
ACTS: tuple[Act, ...] = (heartbeat, pace, settings_change, hello_again, no_version, outage, end)
