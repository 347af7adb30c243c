"""What is remembered of a guest's reports: `observe_report` folds each into a short history. Pure."""

from dataclasses import dataclass

from dom0_arbiter.policy.headroom import NO_GROWTH, WINDOW_S, Growth, observe_growth
from dom0_arbiter.policy.probe import NOTHING, Probe, lower_probe, raise_probe
from protocol import Report

PAGE_KIB = 4
BURST_HALF_LIFE_S = 10.0  # growth counts as part of one burst for about so long
GROWTH_HALF_LIFE_S = 10.0  # how fast a past burst of growth is forgotten
GROWTH_WINDOW_S = 0.1  # shorter spans between reports are too noisy to divide by
STALL_RATIO = 0.01  # PSI some above 1 % counts as pressure: senpai's target is 0.1 %, oomd acts at 5 % and more
# Above so many times vm.min_free_kbytes of free pages the kernel reclaims nothing (mm/page_alloc.c: the high watermark
# is 1.5 times it, boosts raise it by up to as much again): what stalls then is not short of the guest's memory.
RECLAIMS_BELOW_RATIO = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Times in seconds of the arbiter's clock, but for the probes' (the guest's).

    hidden: what the guest needs of the memory that it calls available, as swap-ins and refaults have shown.
    """

    report: Report
    arrived_s: float
    anchor: Report  # an earlier report, or the same: what growth is measured from
    window: Report  # the same, for windows of the headroom's histogram
    pressed_s: float  # when it last swapped or stalled; when first heard of, for what came before is not known
    growth_kib_s: float = 0.0  # the fastest growth of used memory, decayed
    calm_kib: float = 0.0  # used memory before the present burst: it falls at once, and rises slowly
    growth: Growth = NO_GROWTH
    hidden: Probe = NOTHING

    @property
    def burst_kib(self) -> int:
        """What the present burst has brought so far."""
        return max(0, int(used_kib(self.report) - self.calm_kib))


def used_kib(report: Report) -> int:
    """What the guest could not give up without swapping: MemTotal − MemAvailable.

    MemAvailable (mm/page_alloc.c, si_mem_available) counts free pages and clean or writable file cache less the
    kernel's reserves. It leaves out Shmem, which /proc/meminfo counts as Cached although it cannot be dropped.
    """
    return report.total_kib - report.available_kib


def observe_report(history: History | None, report: Report, now_s: float) -> History:
    """Fold a report into the history. A report that is not newer on the guest's own clock starts a new history."""
    if history is None or report.uptime_ms <= history.report.uptime_ms:
        return History(
            report=report,
            arrived_s=now_s,
            anchor=report,
            window=report,
            pressed_s=now_s,
            calm_kib=used_kib(report),
        )
    before, used, uptime_ms = history.report, used_kib(report), report.uptime_ms
    elapsed_s = (uptime_ms - before.uptime_ms) / 1000
    growth_kib_s = history.growth_kib_s * 0.5 ** (elapsed_s / GROWTH_HALF_LIFE_S)
    anchor, window, growth = history.anchor, history.window, history.growth
    span_s = (uptime_ms - anchor.uptime_ms) / 1000
    if span_s >= GROWTH_WINDOW_S:
        growth_kib_s = max(growth_kib_s, (used - used_kib(anchor)) / span_s)
        anchor = report
    span_s = (uptime_ms - window.uptime_ms) / 1000
    if span_s >= WINDOW_S:
        growth = observe_growth(growth, used - used_kib(window), span_s)
        window = report
    rising = 1 - 0.5 ** (elapsed_s / BURST_HALF_LIFE_S)
    calm_kib = min(history.calm_kib + max(0.0, used_kib(before) - history.calm_kib) * rising, used)
    swapped = report.swap_in_total > before.swap_in_total or report.swap_out_total > before.swap_out_total
    stalled_ratio = (report.psi_some_us_total - before.psi_some_us_total) / (elapsed_s * 1_000_000)
    is_pressed = swapped or stalled_ratio > STALL_RATIO
    return History(
        report=report,
        arrived_s=now_s,
        anchor=anchor,
        window=window,
        growth_kib_s=growth_kib_s,
        calm_kib=calm_kib,
        pressed_s=now_s if is_pressed else history.pressed_s,
        growth=growth,
        hidden=_hidden(history.hidden, before, report, elapsed_s, min(1.0, stalled_ratio)),
    )


def _hidden(hidden: Probe, before: Report, report: Report, elapsed_s: float, stalled_ratio: float) -> Probe:
    """Pressure of a guest that calls memory available: so much of that it cannot do without after all.

    File pages that are read again soon after they were dropped (mm/workingset.c) are working set where programs stall
    for them; else they are cache like any other. Stalls alone say nothing: a donor stalls while its balloon has cache
    dropped (in the lab it was taken to need what it was giving, and the guest that waited for it was killed). Nor does
    it count what happened since the last report if the guest had memory free then: it may have read a file anew before
    its balloon took that (the same was seen once more). If it is short, the next report tells.
    """
    now_s = report.uptime_ms / 1000
    faulted = report.swap_in_total - before.swap_in_total + report.refault_anon_total - before.refault_anon_total
    if stalled_ratio > STALL_RATIO:
        faulted += max(0, report.refault_file_total - before.refault_file_total)
    if hidden.kib > report.available_kib:  # it says so itself now
        hidden = Probe(kib=report.available_kib, evident_s=hidden.evident_s, patience_s=hidden.patience_s)
    reclaims = all(each.free_kib <= RECLAIMS_BELOW_RATIO * each.min_free_kib for each in (before, report))
    if reclaims and faulted > 0 and report.available_kib > 0:
        return raise_probe(hidden, min(hidden.kib + faulted * PAGE_KIB, report.available_kib), now_s)
    return lower_probe(hidden, elapsed_s, now_s)
