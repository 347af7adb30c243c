"""What the agent knows of the arbiter: hello, welcome, and hello again. Pure; the caller does the talking."""

from protocol import VERSION_HIGHEST, VERSION_LOWEST, VERSION_UNAGREED, RemoteProtocolError, Welcome, decode_welcome

DEFAULTS = Welcome(version=VERSION_UNAGREED, reason="")
"""What holds until the arbiter has spoken: the contract's defaults."""
LOOK_LEAST_MS = 1000
"""Welcome is read at most this often, and this soon after a hello."""
LOOK_MOST_MS = 60_000
"""The wait for a welcome doubles up to this; an agent with no version in common looks again this often."""


class Session:
    """Hello and welcome.

    `settings` is the welcome in force; `welcomed`: there is one; `hello_due` and `quiet` say what the caller must do.
    `moved`: at the last look the guest had become another domain.
    """

    __slots__ = ("_domid", "_look_ms", "_pause_ms", "hello_due", "moved", "quiet", "settings", "welcomed")

    def __init__(self) -> None:
        self.settings = DEFAULTS
        self.hello_due = True
        self.quiet = VERSION_LOWEST > VERSION_UNAGREED  # no version in common, or none yet: nothing but hello is said
        self.welcomed = False
        self.moved = False
        self._domid = b""
        self._pause_ms = LOOK_LEAST_MS
        self._look_ms = 0  # not looked for before

    def start_over(self) -> None:
        """Hello is due again: the connection is new, or the guest has been suspended and may be somewhere else."""
        self.hello_due = True
        self.welcomed = False
        self._pause_ms = LOOK_LEAST_MS

    def said_hello(self, now_ms: int) -> None:
        """Hello stands in xenstore; the arbiter gets a moment to answer."""
        self.hello_due = False
        self._look_ms = now_ms + self._pause_ms

    def look_due(self, now_ms: int, *, reporting: bool) -> bool:
        """Whether to read `domid` and `welcome` now: with a report, or because a welcome is still awaited."""
        return now_ms >= self._look_ms and (reporting or not self.welcomed)

    def wait_ms(self, now_ms: int) -> int:
        """How long there is nothing at all to do: only a quiet agent has such times."""
        return max(0, self._look_ms - now_ms) if self.quiet and not self.hello_due else 0

    def on_look(self, now_ms: int, *, domid: bytes | None, untrusted_welcome: bytes | None) -> str:
        """Take in what was read (None: not there); return what people should be told of it, or ""."""
        self.moved = bool(domid) and self._domid not in (b"", domid)
        if self.moved:
            self.start_over()  # migrated: another arbiter
        self._domid = domid or self._domid
        if untrusted_welcome is None:
            self._set(DEFAULTS, welcomed=False, quiet=VERSION_LOWEST > VERSION_UNAGREED)
            self.hello_due = True
            self._look_ms = now_ms + self._pause_ms
            self._pause_ms = min(self._pause_ms * 2, LOOK_MOST_MS)
            return ""
        self._pause_ms = LOOK_LEAST_MS
        self._look_ms = now_ms + LOOK_LEAST_MS
        try:
            welcome = decode_welcome(untrusted_welcome)
        except RemoteProtocolError as error:
            return f"the arbiter's welcome is malformed ({error}): going on as before"
        if welcome.version == 0:
            self._set(DEFAULTS, welcomed=False, quiet=True)
            self._look_ms = now_ms + LOOK_MOST_MS
            return f"no version in common with the arbiter, staying quiet: {welcome.reason or 'no reason given'}"
        if not VERSION_LOWEST <= welcome.version <= VERSION_HIGHEST:
            return f"the arbiter chose version {welcome.version}, which is unknown here: going on as before"
        self._set(welcome, welcomed=True)
        return ""

    def _set(self, settings: Welcome, *, welcomed: bool, quiet: bool = False) -> None:
        self.settings, self.welcomed, self.quiet = settings, welcomed, quiet
