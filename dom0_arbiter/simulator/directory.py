"""What xenstore holds of the domains, and what has changed in it since the arbiter last read: without a wire."""

from dataclasses import dataclass


@dataclass(slots=True, kw_only=True)
class Entry:
    """One domain's keys. target_kib is memory/target (libxl's view); messages are the bytes as they stand there."""

    uuid: str
    name: str
    static_max_kib: int
    target_kib: int
    hello: bytes | None = None
    report: bytes | None = None
    welcome: bytes | None = None
    grant: bytes | None = None
    shutdown: str = ""


class Directory:
    """Changes are kept by domain and key, unread ones replaced, as a reader of watches that coalesce sees them."""

    def __init__(self) -> None:
        self.entries: dict[int, Entry] = {}
        self.reports_total = 0
        self.target_writes_total = 0
        self._changes: dict[tuple[int, str], None] = {}

    def introduce(self, domid: int, entry: Entry) -> None:
        """A domain's directory is complete."""
        self.entries[domid] = entry
        self._changes[domid, "introduce"] = None

    def release(self, domid: int) -> None:
        """A domain and its directory are gone."""
        del self.entries[domid]
        self._changes = {key: None for key in self._changes if key[0] != domid}
        self._changes[domid, "release"] = None

    def write_target(self, domid: int, target_kib: int) -> None:
        """Write memory/target."""
        self.entries[domid].target_kib = target_kib
        self.target_writes_total += 1
        self._changes[domid, "target"] = None

    def write_hello(self, domid: int, value: bytes) -> None:
        """Write the guest's hello."""
        self.entries[domid].hello = value
        self._changes[domid, "hello"] = None

    def write_report(self, domid: int, value: bytes) -> None:
        """Write the guest's report."""
        self.entries[domid].report = value
        self.reports_total += 1
        self._changes[domid, "report"] = None

    def write_shutdown(self, domid: int, request: str) -> None:
        """Write control/shutdown."""
        self.entries[domid].shutdown = request
        self._changes[domid, "shutdown"] = None

    def take_changes(self) -> list[tuple[int, str]]:
        """Domains and keys that changed, in the order of their first change."""
        changes = list(self._changes)
        self._changes.clear()
        return changes

    def replay(self) -> None:
        """Make everything look new: what a reader finds that has just registered its watches."""
        self._changes = {(domid, "introduce"): None for domid in self.entries}
        for key in ("hello", "report"):
            self._changes.update(
                ((domid, f"found {key}"), None) for domid, e in self.entries.items() if getattr(e, key)
            )
