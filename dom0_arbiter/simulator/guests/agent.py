"""A guest's agent in a played guest: the agent's own cadence, session and reports, over a played kernel."""

from dom0_arbiter.simulator.directory import Directory
from dom0_arbiter.simulator.guests.kernel import Kernel
from guest_agent import DEFAULTS, Cadence, Counters, Sample, Session, build_hello, build_report
from guest_agent.grants import Grants
from protocol import HAS_PSI, HAS_VMSTAT, TAKES_GRANTS, Hello, Report, encode_hello, encode_report

FOREVER_MS = 2**62
STALL_US, STALL_WINDOW_S = 50_000, 0.5  # the PSI trigger that the agent sets (guest_agent/sources/procfs.py)


class Agent:
    """Mutable. `look` plays one turn of the agent's loop, if one is due; what it does takes no time."""

    __slots__ = (
        "_cadence",
        "_due_s",
        "_grants",
        "_hello",
        "_sequence",
        "_session",
        "_stall_from_s",
        "_stall_from_us",
        "lie_factor",
        "report",
        "reported_s",
    )

    def __init__(self, *, boot_id: str, starts_s: float, lie_factor: float = 1.0, takes_grants: bool = False) -> None:
        self._cadence = Cadence(DEFAULTS)
        self._session = Session()
        self._hello = boot_hello(boot_id, TAKES_GRANTS if takes_grants else 0)
        self._grants = Grants() if takes_grants else None
        self.lie_factor = lie_factor
        self._sequence = 0
        self._due_s = self._stall_from_s = starts_s
        self._stall_from_us = 0
        self.report: Report | None = None
        self.reported_s = starts_s

    def look(self, domid: int, directory: Directory, kernel: Kernel, aim_kib: int, now_s: float) -> None:
        """Sample if it is time, or programs stall, and say what is news. aim_kib: the balloon's target in the guest."""
        is_stalled = self._is_stalled(kernel, now_s)
        if now_s < self._due_s and not is_stalled:
            return
        now_ms = int(now_s * 1000)
        session, cadence = self._session, self._cadence
        if not session.quiet or session.wait_ms(now_ms) == 0:
            sample = measure(kernel, now_ms)
            counters = None
            reason = "" if session.quiet else cadence.observe(sample)
            if not session.quiet and (reason or is_stalled or cadence.counters_due(now_ms)):
                counters = count(kernel, aim_kib)
                reason = cadence.observe_counters(counters, now_ms) or reason
            if reason or session.hello_due or session.look_due(now_ms, reporting=False):
                self._exchange(domid, directory, sample, counters if reason else None, now_ms)
        self._due_s = now_s + cadence.sleep_ms(now_ms) / 1000

    def _is_stalled(self, kernel: Kernel, now_s: float) -> bool:
        """Whether the trigger fires: so much of a stall within a window, and once in each."""
        is_stalled = kernel.psi_some_us_total - self._stall_from_us >= STALL_US
        if is_stalled or now_s - self._stall_from_s >= STALL_WINDOW_S:
            self._stall_from_s, self._stall_from_us = now_s, kernel.psi_some_us_total
        return is_stalled

    def next_s(self, *, is_still: bool) -> float:
        """When it looks next; where nothing has changed for a while, when it would have something to say."""
        session = self._session
        awaits_welcome = session.hello_due or session.look_due(FOREVER_MS, reporting=False)
        if not is_still or awaits_welcome or self.report is None:
            return self._due_s
        return max(self._due_s, self.reported_s + session.settings.heartbeat_ms / 1000)

    def grown_target_kib(self, kernel: Kernel, aim_kib: int, now_s: float) -> int:
        """What it raises the balloon's target to by its own right now; 0: it leaves that alone."""
        if self._grants is None:
            return 0
        return self._grants.target_kib(
            now_ms=int(now_s * 1000),
            target_kib=aim_kib,
            total_kib=kernel.total_kib,
            available_kib=kernel.available_kib,
            urgent_kib=self._session.settings.urgent_kib,
        )

    def _exchange(
        self, domid: int, directory: Directory, sample: Sample, counters: Counters | None, now_ms: int
    ) -> None:
        session, cadence = self._session, self._cadence
        if session.hello_due:
            directory.write_hello(domid, encode_hello(self._hello))
            session.said_hello(now_ms)
        if counters is not None:
            report = build_report(sample, counters, sequence=self._sequence, urgent=cadence.is_urgent(sample))
            self._sequence += 1
            if self.lie_factor != 1.0:
                report = exaggerate(report, self.lie_factor)
            directory.write_report(domid, encode_report(report))
            self.report, self.reported_s = report, now_ms / 1000
            if self._grants is not None:
                self._grants.reported(report.uptime_ms, report.balloon_target_kib)
            cadence.reported(sample, counters, now_ms=now_ms, took_ms=0)
        if session.look_due(now_ms, reporting=counters is not None):
            welcome = directory.entries[domid].welcome
            session.on_look(now_ms, domid=str(domid).encode(), untrusted_welcome=welcome)
            cadence.settings = session.settings
            if self._grants is not None:
                self._grants.on_look(directory.entries[domid].grant)


def boot_hello(boot_id: str, more: int = 0) -> Hello:
    """What a played guest's agent introduces itself with."""
    return build_hello(os_name="Linux", os_version="6.1", boot_id=boot_id, capabilities=HAS_VMSTAT | HAS_PSI | more)


def measure(kernel: Kernel, uptime_ms: int) -> Sample:
    """What /proc/meminfo says."""
    return Sample(
        uptime_ms=uptime_ms,
        total_kib=kernel.total_kib,
        free_kib=max(0, kernel.free_kib),
        available_kib=kernel.available_kib,
        file_cache_kib=kernel.cache_kib,
        anon_kib=kernel.anon_kib,
        unevictable_kib=kernel.kernel_kib,
        committed_kib=kernel.held_kib,
        swap_total_kib=kernel.swap_total_kib,
        swap_used_kib=kernel.swapped_kib,
    )


def count(kernel: Kernel, aim_kib: int) -> Counters:
    """What /proc/vmstat, /proc/pressure/memory and the balloon say."""
    return Counters(
        swap_in_total=kernel.swap_in_total,
        swap_out_total=kernel.swap_out_total,
        refault_file_total=kernel.refaults_total,
        oom_kill_total=kernel.oom_kills_total,
        psi_some_us_total=kernel.psi_some_us_total,
        psi_full_us_total=kernel.psi_full_us_total,
        swap_ram_kib=kernel.zram_kib,
        swap_packed_kib=kernel.swapped_kib if kernel.swap == "zram" else 0,
        min_free_kib=kernel.min_free_kib,
        balloon_target_kib=aim_kib,
    )


def exaggerate(report: Report, factor: float) -> Report:
    """The same report with `factor` times as much memory in use; what exceeds the guest is said to lie in swap."""
    values = {field.name: report[field.index] for field in report.FIELDS}
    claimed_kib, beyond_kib = _claims(report, factor)
    values["available_kib"] = max(0, report.total_kib - claimed_kib)
    values["swap_used_kib"] = report.swap_used_kib + beyond_kib
    values["swap_total_kib"] = max(report.swap_total_kib, report.swap_used_kib + beyond_kib)
    if factor > 1:
        values["anon_kib"], values["floor_kib"] = 0, claimed_kib  # nothing could be swapped, all of it is needed
    return Report(**values)


def overstate(sample: Sample, factor: float) -> Sample:
    """The same lie, told to whoever reads /proc/meminfo: Committed_AS and what is not free are exaggerated as well."""
    if factor == 1.0:
        return sample
    claimed_kib, beyond_kib = _claims(sample, factor)
    return Sample(
        uptime_ms=sample.uptime_ms,
        total_kib=sample.total_kib,
        free_kib=min(sample.free_kib, max(0, sample.total_kib - claimed_kib)),
        available_kib=max(0, sample.total_kib - claimed_kib),
        file_cache_kib=max(0, min(sample.file_cache_kib, sample.total_kib - claimed_kib)),
        anon_kib=min(int(sample.anon_kib * factor), sample.total_kib),
        unevictable_kib=sample.unevictable_kib,
        committed_kib=int(sample.committed_kib * factor),
        swap_total_kib=max(sample.swap_total_kib, sample.swap_used_kib + beyond_kib),
        swap_used_kib=sample.swap_used_kib + beyond_kib,
    )


def _claims(said: Report | Sample, factor: float) -> tuple[int, int]:
    """What a liar says is in use, KiB, and how much of that is more than it has."""
    claimed_kib = int((said.total_kib - said.available_kib) * factor)
    return claimed_kib, max(0, claimed_kib - said.total_kib)
