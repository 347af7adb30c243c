"""Brings what xenstore says to the engine: domains as they come and go, their agents' words, their targets."""

import logging
from collections.abc import Iterable

import trio

from dom0_arbiter.engine import (
    DomainIntroduced,
    DomainReleased,
    HelloReceived,
    MessageRefused,
    ReportReceived,
    ShutdownObserved,
    TargetObserved,
)
from dom0_arbiter.service.inbox import Inbox
from dom0_arbiter.xen import Change, Watches, Xenstore, XenstoreError
from protocol import (
    HELLO_KEY,
    REPORT_KEY,
    VERSION_HIGHEST,
    VERSION_LOWEST,
    RemoteProtocolError,
    Report,
    decode_hello,
    decode_report,
    domain_path,
)

log = logging.getLogger("aerostat.collector")

DOMAINS_PATH = "/local/domain"
_AGENT_PATH = "data/aerostat"
_TARGET_KEY = "memory/target"
_SHUTDOWN_KEY = "control/shutdown"
_SHUTDOWNS = (b"poweroff", b"reboot", b"suspend", b"halt")  # libxl's words; the guest may write there too
_DESCRIBED = ("name", "memory/static-max")
_WATCHED = (_AGENT_PATH, _TARGET_KEY, _SHUTDOWN_KEY, *_DESCRIBED)
_GATHER_S = 0.01  # between rounds, at least: being woken costs ten times what an event does
_PACE_S = 0.01  # a domain is read at most this often, the fastest that agents are told to speak: a flood costs no more
_RETRY_S = 0.5  # after xenstore failed, and for domains that libxl is still building


class Collector:
    """Owns the watches. Whatever could not be read stays pending and is read later, so nothing is lost to a stall."""

    def __init__(self, xenstore: Xenstore, inbox: Inbox) -> None:
        self._xenstore = xenstore
        self._inbox = inbox
        self._known: set[int] = set()
        self._described_anew: set[int] = set()  # domains of which a name or a static-max may have changed
        self._unread: set[int] = set()  # domains whose agent was not read since their watch was made (again)
        self._generation = 0
        self._pending: dict[str, bool] = {}  # path: whether an event named it, so that its absence means something
        self._read_s: dict[int, float] = {}
        self._rescan = True

    async def run(self) -> None:
        """Collect until cancelled."""
        async with self._xenstore.watch() as watches:
            said = ""
            while True:
                try:
                    await watches.add("@introduceDomain", "@releaseDomain")
                    if self._rescan:
                        await self._scan(watches)
                    await self._read()
                except XenstoreError as error:
                    if str(error) != said:
                        said = str(error)
                        log.warning("xenstore: %s", error)
                    await trio.sleep(_RETRY_S)
                else:
                    said = ""
                rested_s = trio.current_time() + _GATHER_S
                with trio.move_on_after(_RETRY_S if self._rescan else _PACE_S if self._pending else float("inf")):
                    self._note(await watches.take())
                if trio.current_time() < rested_s:
                    await trio.sleep_until(rested_s)

    def _note(self, changes: Iterable[Change]) -> None:
        """What changed is to be read. The event that begins a watch says nothing of the age of what is found there."""
        if self._xenstore.generation != self._generation:
            self._generation, self._unread = self._xenstore.generation, set(self._known)
        for change in changes:
            if change.watch.startswith("@"):
                self._rescan = True
            elif change.watch.endswith(_AGENT_PATH):
                is_found = change.path == change.watch and _domid(change.watch) in self._unread
                for path in (f"{change.watch}/{key.rpartition('/')[2]}" for key in (HELLO_KEY, REPORT_KEY)):
                    if change.path in (path, change.watch):
                        self._pending[path] = self._pending.get(path, False) or not is_found
            elif change.watch.endswith(_DESCRIBED):
                self._described_anew.add(_domid(change.watch))
                self._rescan = True
            else:
                self._pending[change.watch] = False

    async def _scan(self, watches: Watches) -> None:
        """Compare the domains in xenstore with those we know. Half-built ones keep the scan pending."""
        names = await self._xenstore.directory(DOMAINS_PATH)
        present = {int(name) for name in names if name.isdecimal() and name != "0"}
        for domid in sorted(self._known - present):
            self._known.discard(domid)
            self._read_s.pop(domid, None)
            self._unread.discard(domid)
            watches.remove(*(f"{domain_path(domid)}/{key}" for key in _WATCHED))
            self._pending = {p: named for p, named in self._pending.items() if _domid(p) != domid}
            self._inbox.put(DomainReleased(domid=domid))
        new = sorted(present - self._known | self._described_anew & present)
        keys = ("name", "vm", _TARGET_KEY, "memory/static-max", "memory/videoram")
        found = await self._xenstore.read_many(f"{domain_path(domid)}/{key}" for domid in new for key in keys)
        half_built = False
        for domid in new:
            name, vm, target, static_max, videoram = (found.get(f"{domain_path(domid)}/{key}", b"") for key in keys)
            if not (name and vm and target.isdigit() and static_max.isdigit()):
                half_built = True
                continue
            if domid not in self._known:
                await watches.add(*(f"{domain_path(domid)}/{key}" for key in _WATCHED))
                self._known.add(domid)
                self._unread.add(domid)
            self._inbox.put(
                DomainIntroduced(
                    domid=domid,
                    uuid=vm.decode(errors="replace").rpartition("/")[2],
                    name=name.decode(errors="replace"),
                    static_max_kib=int(static_max),
                    target_kib=int(target),
                    videoram_kib=int(videoram) if videoram.isdigit() else 0,
                )
            )
        self._described_anew.clear()
        self._rescan = half_built

    async def _read(self) -> None:
        """Read what changed, all at once, and pass it on; what changes faster than our pace waits for its next turn."""
        now_s = trio.current_time()
        due = [path for path in self._pending if now_s - self._read_s.get(_domid(path), 0.0) >= _PACE_S]
        if not due:
            return
        values = await self._xenstore.read_many(due)
        named = {path: self._pending.pop(path) for path in due}
        missing = [path for path in due if named[path] and path not in values]
        for path in due:
            self._read_s[_domid(path)] = now_s
            if path.endswith(REPORT_KEY):
                self._unread.discard(_domid(path))
        for path, value in values.items():
            self._pass_on(_domid(path), path, value, found=not named[path])
        if missing:
            alive = await self._xenstore.read_many(f"{domain_path(_domid(path))}/domid" for path in missing)
            for path in missing:
                if f"{domain_path(_domid(path))}/domid" in alive:
                    self._inbox.put(MessageRefused(domid=_domid(path), reason="vanished"))

    def _pass_on(self, domid: int, path: str, value: bytes, *, found: bool) -> None:
        """Turn a value into an event. What comes from the guest is untrusted until decoded."""
        try:
            if path.endswith(REPORT_KEY):
                self._inbox.put(ReportReceived(domid=domid, report=_spoken(decode_report(value)), found=found))
            elif path.endswith(HELLO_KEY):
                self._inbox.put(HelloReceived(domid=domid, hello=decode_hello(value)))
            elif path.endswith(_SHUTDOWN_KEY):
                if value in _SHUTDOWNS:
                    self._inbox.put(ShutdownObserved(domid=domid))
            elif value.isdigit():
                self._inbox.put(TargetObserved(domid=domid, target_kib=int(value)))
            else:
                log.warning("%s: %r is no target", path, value[:32])
        except RemoteProtocolError as error:
            log.debug("%s: %s", path, error)
            self._inbox.put(MessageRefused(domid=domid, reason=error.reason))


def _spoken(report: Report) -> Report:
    """The report, if it is in a version that we speak; in others its positions may mean anything."""
    if not VERSION_LOWEST <= report.version <= VERSION_HIGHEST:
        raise RemoteProtocolError("version", f"version: {VERSION_LOWEST} to {VERSION_HIGHEST} spoken here")
    return report


def _domid(path: str) -> int:
    """The domain whose directory a path is in."""
    return int(path.split("/", 4)[3])
