"""qmemman, of Qubes OS: guests report what they use, dom0 gives each 1.3 times that, and shares out what is left.

The formula and its sources are in `qmemman_formula`; what follows is the daemon around it (systemstate.py, do_balance).
Chosen in its favour where this world differs or the source leaves it open: a domain is told what was reckoned, not
16 MiB less; no memory is set aside for Xen's own structures; a report, and a decision once memory is there, take no
time; it balances as well when a domain comes or goes. For a start it frees our slack too, if that is more than its
25 MiB; whoever was refused tries again after 10 s.
"""

from collections import deque
from typing import TYPE_CHECKING

from dom0_arbiter.simulator.rivals.qmemman_formula import (
    XEN_FREE_LEFT_KIB,
    XEN_FREE_MARGIN_RATIO,
    XEN_FREE_MIN_KIB,
    Domain,
    balance,
    donations,
    is_news,
    is_significant,
)
from dom0_arbiter.simulator.rivals.rounds import Rounds, whole_pages

if TYPE_CHECKING:
    from dom0_arbiter.simulator.world import World

TRIES = 5  # of a period each, that it waits for donors before it gives up on them
START_CHECK = 30  # periods (3 s) in which a start must get
START_CHECK_KIB = 300 * 1024  # so much, or be refused
START_RETRY_S = 10.0


class Qmemman(Rounds):
    """Guests look each 100 ms and publish what is news; while dom0 waits for donors, it also looks each 100 ms."""

    name = "qmemman"
    period_s = 0.1

    def __init__(self, world: "World") -> None:
        super().__init__(world)
        self._used_kib: dict[int, int] = {}  # as last read
        self._written_kib: dict[int, int] = {}  # by the guest, the last time; 0: not yet
        self._targets_kib: dict[int, int] = {}
        self._no_progress: set[int] = set()
        self._reports: deque[tuple[int, int]] = deque()
        self._requests: deque[tuple[int, int]] = deque()  # of the balance that is under way
        self._donors: dict[int, tuple[int, int]] = {}  # of that balance: what they were asked for, what they had
        self._tries = TRIES
        self._start_free_kib: deque[int] = deque(maxlen=START_CHECK)  # what was free in its latest periods
        self._start_from_s = world.now_s  # not before

    def round(self) -> None:
        """Let guests look; go on with what is under way, then with a start, then with what they have reported."""
        changed = self._look_for_domains()
        for domid in self._targets_kib:
            self._listen(domid)
        if self._requests:
            self._proceed(has_waited=True)
        if not self._requests and self._is_busy_with_start():
            return  # its socket is the lock
        if changed and not self._requests:
            self._balance()
        while self._reports and not self._requests:
            domid, used_kib = self._reports.popleft()
            if domid in self._targets_kib:
                self._used_kib[domid] = used_kib
                self._balance()

    def _look_for_domains(self) -> bool:
        there, known = self.world.guests.keys(), self._targets_kib.keys()
        gone, came = known - there, there - known
        for domid in gone:
            del self._targets_kib[domid], self._written_kib[domid]
            self._used_kib.pop(domid, None)
            self._no_progress.discard(domid)
        for domid in came:
            self._targets_kib[domid] = self.world.guests[domid].driver.aim_kib
            self._written_kib[domid] = 0
        if gone:
            self._requests = deque(each for each in self._requests if each[0] in there)
        return bool(gone or came)

    def _listen(self, domid: int) -> None:
        sample = self.world.overhear(domid)
        if sample is None:
            return
        total_kib = sample.total_kib + self.world.guests[domid].spec.memory_offset_kib
        cached_kib = sample.file_cache_kib + sample.shmem_kib  # `Cached` contains shared memory, droppable or not
        used_kib = total_kib - sample.free_kib - cached_kib + sample.swap_used_kib
        if used_kib >= 0 and is_news(used_kib, self._written_kib[domid], total_kib):
            self._written_kib[domid] = used_kib
            self._reports.append((domid, used_kib))

    def _actual_kib(self, domid: int) -> int:
        return max(self.world.host.domains[domid].actual_kib, self._targets_kib[domid])

    def _xen_free_kib(self) -> int:
        """Free memory that no domain has been promised."""
        host = self.world.host
        promised_kib = sum(max(0, kib - host.domains[domid].actual_kib) for domid, kib in self._targets_kib.items())
        return host.free_kib - promised_kib

    def _domains(self) -> dict[int, Domain]:
        """Those that have reported."""
        return {
            domid: Domain(actual_kib=self._actual_kib(domid), used_kib=used_kib, max_kib=self.world.ceiling_kib(domid))
            for domid, used_kib in self._used_kib.items()
        }

    def _is_busy_with_start(self) -> bool:
        """Free memory for a start (do_balloon): all donors give, again and again, until it is there or too slow."""
        world, history = self.world, self._start_free_kib
        if not world.awaited_kib or world.now_s < self._start_from_s:
            history.clear()
            return False
        free_kib, size_kib = self._xen_free_kib(), world.awaited_kib
        size_kib += max(0, world.settings.slack_kib - XEN_FREE_MIN_KIB)
        if free_kib >= size_kib + XEN_FREE_MIN_KIB:
            return True
        if not history:
            self._no_progress.clear()
            self._donors.clear()
        for domid, (_, had_kib) in self._donors.items():
            if domid in self._targets_kib and self._actual_kib(domid) == had_kib:
                self._no_progress.add(domid)
        donors = {domid: d for domid, d in self._domains().items() if domid not in self._no_progress}
        requests = donations(size_kib + XEN_FREE_LEFT_KIB - free_kib, donors)
        is_slow = len(history) == START_CHECK and free_kib < history[0] + START_CHECK_KIB
        if is_slow or not requests:
            history.clear()
            self._start_from_s = world.now_s + START_RETRY_S
            return False
        history.append(free_kib)
        self._donors.clear()
        for domid, kib in requests:
            self._donors[domid] = (kib, self._actual_kib(domid))
            self._set(domid, kib)
        return True

    def _balance(self) -> None:
        domains = self._domains()
        for domid in list(self._no_progress):
            actual_kib = self._actual_kib(domid)
            obeyed = actual_kib <= self._targets_kib[domid] + XEN_FREE_LEFT_KIB // 2
            if domid in domains and (obeyed or actual_kib < domains[domid].pref_kib):
                self._no_progress.discard(domid)
        domains = {domid: d for domid, d in domains.items() if domid not in self._no_progress}
        free_kib = self._xen_free_kib()
        requests = balance(free_kib - XEN_FREE_LEFT_KIB, domains)
        if not is_significant(requests, free_kib, domains, self._targets_kib):
            return
        self._requests = deque(requests)
        self._donors.clear()
        self._tries = TRIES
        self._proceed(has_waited=False)

    def _proceed(self, *, has_waited: bool) -> None:
        """Carry requests out in order, each once it leaves Xen its 45 MiB; stop at one that has to wait."""
        while self._requests:
            domid, kib = self._requests[0]
            actual_kib, free_kib = self._actual_kib(domid), self._xen_free_kib()
            if free_kib - (kib - actual_kib) < XEN_FREE_MARGIN_RATIO * XEN_FREE_LEFT_KIB:
                self._tries -= has_waited
                if self._tries <= 0:
                    self._blame_donors()
                    self._set(domid, free_kib + actual_kib - XEN_FREE_LEFT_KIB)
                    self._requests.clear()
                return
            self._requests.popleft()
            self._donors[domid] = (kib, self.world.host.domains[domid].actual_kib)
            self._set(domid, kib)
            self._tries = TRIES
            has_waited = False

    def _blame_donors(self) -> None:
        """Those that have not moved at all are no donors any more."""
        for domid, (asked_kib, had_kib) in self._donors.items():
            actual_kib = self._actual_kib(domid) if domid in self._targets_kib else 0
            if actual_kib > asked_kib + XEN_FREE_LEFT_KIB // 4 and actual_kib == had_kib:
                self._no_progress.add(domid)

    def _set(self, domid: int, kib: int) -> None:
        kib = whole_pages(min(kib, self.world.ceiling_kib(domid)))
        self._targets_kib[domid] = kib
        self.world.ask(domid, kib)
