"""How far the guest may grow by itself, and how far it should. Pure.

Dom0 grants room beyond the balloon target of one report, which the grant names by that report's uptime: so the two
agree on the size that is meant, whatever either has done since.
"""

from protocol import VERSION_HIGHEST, VERSION_LOWEST, RemoteProtocolError, decode_grant

REMEMBERED = 64
"""Changes of the target that are kept, each with the first report that told of it: dom0 answers one of the newest."""
WANTED_RATIO = 2
"""What is available is brought back to so many times the urgent threshold."""
STEP_LEAST_KIB = 1024
"""Less is not worth a write."""


class Grants:
    """The grant in force, if there is one; and what was taken of it and has not arrived yet."""

    __slots__ = ("_ends_ms", "_most_kib", "_raised_kib", "_targets", "_total_kib", "_untrusted")

    def __init__(self) -> None:
        self._targets: list[tuple[int, int]] = []
        self.void()

    def void(self) -> None:
        """None is in force, as after a resume: the memory that backed it may be anybody's."""
        self._most_kib = self._ends_ms = self._raised_kib = self._total_kib = 0
        self._untrusted: bytes | None = None
        self._targets.clear()

    def reported(self, uptime_ms: int, balloon_target_kib: int) -> None:
        """Take note of a report that arrived: a grant may name it."""
        if not self._targets or self._targets[-1][1] != balloon_target_kib:
            self._targets.append((uptime_ms, balloon_target_kib))
            del self._targets[:-REMEMBERED]

    def on_look(self, untrusted_grant: bytes | None) -> str:
        """Take in what stands in xenstore (None: nothing); return what people should be told of it, or ""."""
        if untrusted_grant == self._untrusted:
            return ""
        self._untrusted = untrusted_grant
        if untrusted_grant is None:
            self._most_kib = self._ends_ms = 0
            return ""
        try:
            grant = decode_grant(untrusted_grant)
        except RemoteProtocolError as error:
            return f"the arbiter's grant is malformed ({error}): going on as before"
        if not VERSION_LOWEST <= grant.version <= VERSION_HIGHEST:
            return f"the arbiter's grant is in version {grant.version}, which is unknown here: going on as before"
        self._most_kib = self._ends_ms = 0
        told = [kib for since_ms, kib in self._targets if since_ms <= grant.echo_uptime_ms]
        target_kib = told[-1] if told else 0
        if target_kib and grant.extra_kib:  # what it was counted from is known
            self._most_kib = target_kib + grant.extra_kib
            self._ends_ms = grant.echo_uptime_ms + grant.duration_ms
        return ""

    def is_granted(self, now_ms: int) -> bool:
        """Whether a grant is in force."""
        return now_ms < self._ends_ms

    def target_kib(self, *, now_ms: int, target_kib: int, total_kib: int, available_kib: int, urgent_kib: int) -> int:
        """What to raise the balloon's target to now, at most what was granted; 0: leave it.

        Below the urgent threshold it takes what brings it back to twice that, less what it took and has not got yet.
        """
        if not self.is_granted(now_ms) or available_kib >= urgent_kib or not 0 < target_kib < self._most_kib:
            return 0
        coming_kib = max(0, self._raised_kib - max(0, total_kib - self._total_kib)) if self._raised_kib else 0
        lacks_kib = WANTED_RATIO * urgent_kib - available_kib - coming_kib
        raised_kib = min(target_kib + lacks_kib, self._most_kib)
        if raised_kib - target_kib < STEP_LEAST_KIB:
            return 0
        self._raised_kib, self._total_kib = coming_kib + raised_kib - target_kib, total_kib
        return raised_kib
