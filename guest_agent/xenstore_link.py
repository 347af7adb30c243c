"""How reports reach dom0: the session's hello and welcome over xenstore, and patience when xenstore fails."""

from guest_agent.link import Link
from guest_agent.notices import Notices
from guest_agent.session import Session
from guest_agent.xenstore import Refused, Xenstore, XenstoreError
from protocol import (
    GRANT_KEY,
    HELLO_KEY,
    PULSE_KEY,
    REPORT_KEY,
    TAKES_GRANTS,
    WELCOME_KEY,
    Hello,
    Report,
    encode_hello,
    encode_report,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from guest_agent.alone import Alone
    from guest_agent.grants import Grants
    from guest_agent.sample import Sample
    from protocol import Welcome

BACKOFF_LEAST_MS, BACKOFF_MOST_MS = 100, 2000
"""Between attempts at a xenstore that fails at once."""
REFUSED_BACKOFF_MS = 60_000
"""A refusal is a matter of permissions or quotas: it stands until somebody changes them."""


class XenstoreLink(Link):
    """A session over xenstore that survives xenstore: what failed is tried again, later and later."""

    __slots__ = ("_backoff_ms", "_grants", "_hello", "_not_before_ms", "_notices", "_session", "_store", "alone")

    def __init__(self, store: Xenstore, hello: Hello, notices: Notices) -> None:
        self._store = store
        self._hello = encode_hello(hello)
        self._notices = notices
        self._session = Session()
        self.alone: Alone | None = None  # who wants to know whether an arbiter lives
        self._grants: Grants | None = None
        if hello.capabilities & TAKES_GRANTS:
            from guest_agent import grants  # noqa: PLC0415 - for guests that can grow by themselves

            self._grants = grants.Grants()
        self._backoff_ms = BACKOFF_LEAST_MS
        self._not_before_ms = 0

    @property
    def settings(self) -> "Welcome":
        """The welcome in force."""
        return self._session.settings

    @property
    def quiet(self) -> bool:
        """Whether arbiter and agent have no version in common."""
        return self._session.quiet

    def rest_ms(self, now_ms: int) -> int:
        """How long to leave xenstore alone: after a failure, or while quiet."""
        return max(0, self._not_before_ms - now_ms, self._session.wait_ms(now_ms))

    @property
    def hello_due(self) -> bool:
        """Whether hello is due: a restored or migrated guest's directory is new, and holds no report."""
        return self._session.hello_due

    def errand_due(self, now_ms: int) -> bool:
        """Whether a hello is due, a welcome is awaited, or the arbiter's pulse is to be felt."""
        if self.alone and self.alone.pulse_due(now_ms):
            return True
        return self._session.hello_due or self._session.look_due(now_ms, reporting=False)

    def start_over(self, now_ms: int) -> None:
        """Hello again, and a look at who answers; what another host granted, or this one before, is void."""
        self._session.start_over()
        self._forget_host(now_ms)

    def _forget_host(self, now_ms: int) -> None:
        if self._grants:
            self._grants.void()
        if self.alone:
            self.alone.start_over(now_ms)

    def is_granted(self, now_ms: int) -> bool:
        """See Link."""
        return self._grants is not None and self._grants.is_granted(now_ms)

    def grown_target_kib(self, sample: "Sample", target_kib: int) -> int:
        """See Link."""
        if not self._grants:
            return 0
        return self._grants.target_kib(
            now_ms=sample.uptime_ms,
            target_kib=target_kib,
            total_kib=sample.total_kib,
            available_kib=sample.available_kib,
            urgent_kib=self.settings.urgent_kib,
        )

    def exchange(self, report: Report | None, reason: str, now_ms: int) -> bool:
        """Say what is due, report included, and look for the welcome; return False if xenstore failed."""
        try:
            self._exchange(report, now_ms)
        except Refused as refusal:
            self._notices.trouble("xenstore", str(refusal))
            self._not_before_ms = now_ms + REFUSED_BACKOFF_MS
            return False
        except XenstoreError as error:
            self._notices.trouble("xenstore", str(error))
            self._session.start_over()  # what was granted stays granted: dom0 may be slow, or gone for a moment
            self._not_before_ms = now_ms + self._backoff_ms
            self._backoff_ms = min(self._backoff_ms * 2, BACKOFF_MOST_MS)
            return False
        self._notices.over("xenstore")
        self._backoff_ms = BACKOFF_LEAST_MS
        return True

    def say_farewell(self, report: Report, deadline_s: float) -> None:
        """Write a last report, if that is quickly done; if not, dom0 sees the silence."""
        self._store.deadline_s = deadline_s
        try:
            self._store.write(REPORT_KEY, encode_report(report))
        except XenstoreError as error:
            self._notices.trouble("xenstore", f"no last report: {error}")

    def _exchange(self, report: Report | None, now_ms: int) -> None:
        store, session = self._store, self._session
        if session.hello_due:
            store.write(HELLO_KEY, self._hello)
            session.said_hello(now_ms)
        if report is not None:
            store.write(REPORT_KEY, encode_report(report))
            if self._grants:
                self._grants.reported(report.uptime_ms, report.balloon_target_kib)
        if session.look_due(now_ms, reporting=report is not None):
            domid, untrusted_welcome = store.read("domid"), store.read(WELCOME_KEY)
            trouble = session.on_look(now_ms, domid=domid, untrusted_welcome=untrusted_welcome)
            if session.moved:
                self._forget_host(now_ms)
                if report is not None and self._grants:
                    self._grants.reported(report.uptime_ms, report.balloon_target_kib)
            if self._grants and not session.hello_due:
                trouble = self._grants.on_look(store.read(GRANT_KEY)) or trouble
            if trouble:
                self._notices.trouble("arbiter", trouble)
            elif untrusted_welcome is not None:
                self._notices.over("arbiter")
            if session.hello_due:
                store.write(HELLO_KEY, self._hello)
                session.said_hello(now_ms)
        if self.alone and self.alone.pulse_due(now_ms):
            self.alone.on_pulse(store.read(PULSE_KEY), now_ms, welcomed=session.welcomed)
