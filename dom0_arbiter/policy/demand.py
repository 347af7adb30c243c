"""What a domain needs, estimated from its own reports.

`observe_report` folds a report into a short history; `estimate_demand` turns the history into the levels of memory that
allocation fills. Both are pure; all results are in Xen's view: the guest's figures plus the domain's memory offset
(page structs, kernel image, initrd: what Xen gave it but MemTotal does not show).
"""

from dataclasses import dataclass

from protocol import Report

REACTION_S = 1.0  # from a report to memory in the guest, the donors' shrinks included
SURGE_REACTIONS = 2  # beyond need, what a domain that grows is given at a time: each step costs time and writes
COMFORT_HEADROOMS = 2  # beyond need, what a domain at rest keeps while nobody needs it more
BURST_HALF_LIFE_S = 10.0  # growth counts as part of one burst for about so long
GROWTH_HALF_LIFE_S = 10.0  # how fast a past burst of growth is forgotten
GROWTH_WINDOW_S = 0.1  # shorter spans between reports are too noisy to divide by
SWAPPED_HALF_LIFE_S = 60.0  # swapped memory that nobody asks for stops counting as working set at this pace
STALL_RATIO = 0.01  # PSI some above 1 % counts as pressure: senpai's target is 0.1 %, oomd acts at 5 % and more
URGENT_MIN_KIB = 16_384
URGENT_MAX_KIB = 262_144
URGENT_DIVISOR = 24  # of static-max: 32 MiB at 768 MiB
DONOR_RESERVE_KIB = 16_384  # never licensed away: the agent itself must survive the step


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What is remembered of a guest's reports. Times in seconds of the arbiter's clock."""

    report: Report
    arrived_s: float
    anchor: Report  # an earlier report, or the same: what growth is measured from
    pressed_s: float  # when it last swapped or stalled; when first heard of, for what came before is not known
    growth_kib_s: float = 0.0  # the fastest growth of used memory, decayed
    calm_kib: float = 0.0  # used memory before the present burst: it falls at once, and rises slowly

    @property
    def burst_kib(self) -> int:
        """What the present burst has brought so far."""
        return max(0, int(used_kib(self.report) - self.calm_kib))


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """Levels of memory, Xen's view, KiB; the first five in ascending order. See `Party` for the words."""

    floor_kib: int
    working_set_kib: int
    need_kib: int
    surge_kib: int
    comfort_kib: int
    least_kib: int


def used_kib(report: Report) -> int:
    """What the guest could not give up without swapping: MemTotal − MemAvailable.

    MemAvailable (mm/page_alloc.c, si_mem_available) counts free pages and clean or writable file cache less the
    kernel's reserves. It leaves out Shmem, which /proc/meminfo counts as Cached although it cannot be dropped.
    """
    return report.total_kib - report.available_kib


def observe_report(history: History | None, report: Report, now_s: float) -> History:
    """Fold a report into the history. A report that is not newer on the guest's own clock starts a new history."""
    if history is None or report.uptime_ms <= history.report.uptime_ms:
        return History(report=report, arrived_s=now_s, anchor=report, pressed_s=now_s, calm_kib=used_kib(report))
    before = history.report
    elapsed_s = (report.uptime_ms - before.uptime_ms) / 1000
    growth_kib_s = history.growth_kib_s * 0.5 ** (elapsed_s / GROWTH_HALF_LIFE_S)
    anchor = history.anchor
    span_s = (report.uptime_ms - anchor.uptime_ms) / 1000
    if span_s >= GROWTH_WINDOW_S:
        growth_kib_s = max(growth_kib_s, (used_kib(report) - used_kib(anchor)) / span_s)
        anchor = report
    rising = 1 - 0.5 ** (elapsed_s / BURST_HALF_LIFE_S)
    calm_kib = min(history.calm_kib + max(0.0, used_kib(before) - history.calm_kib) * rising, used_kib(report))
    swapped = report.swap_in_total > before.swap_in_total or report.swap_out_total > before.swap_out_total
    stalled = report.psi_some_us_total - before.psi_some_us_total > STALL_RATIO * elapsed_s * 1_000_000
    return History(
        report=report,
        arrived_s=now_s,
        anchor=anchor,
        growth_kib_s=growth_kib_s,
        calm_kib=calm_kib,
        pressed_s=now_s if swapped or stalled else history.pressed_s,
    )


def urgent_kib(static_max_kib: int) -> int:
    """Available memory below which a guest's need cannot wait."""
    return min(max(static_max_kib // URGENT_DIVISOR, URGENT_MIN_KIB), URGENT_MAX_KIB)


def growth_kib(history: History) -> int:
    """What one reaction time brings at the fastest pace seen lately; at most what is used already."""
    return min(int(history.growth_kib_s * REACTION_S), used_kib(history.report))


def estimate_demand(
    history: History, *, offset_kib: int, dynamic_min_kib: int, ceiling_kib: int, static_max_kib: int, now_s: float
) -> Demand:
    """Estimate the levels, all within dynamic_min_kib..ceiling_kib.

    The floor leaves out half of what swap can still take (zram and zswap keep about half of what they are given). The
    working set contains what is in swap, halved for every minute without swapping or stalls. `least_kib` takes half of
    what the report says could be taken, less a reserve: each report licenses one such step, and since that is computed
    from the report's own figures, an old report licenses nothing new. The surge of a guest that grows lets its burst go
    on for as much as it has brought: so one of any size is met in few steps, each about twice the one before.
    """
    report = history.report
    used = used_kib(report)
    swappable_kib = min(report.anon_kib, report.swap_total_kib - report.swap_used_kib) // 2
    idle_halvings = min((now_s - history.pressed_s) // SWAPPED_HALF_LIFE_S, 40)
    swapped_kib = report.swap_used_kib >> int(idle_halvings)
    growth, headroom = growth_kib(history), urgent_kib(static_max_kib)

    def level(kib: int, at_least: int) -> int:
        return min(max(kib, at_least), ceiling_kib)

    floor = level(offset_kib + max(used - swappable_kib, report.floor_kib), dynamic_min_kib)
    working_set = level(offset_kib + used + swapped_kib, floor)
    need = level(working_set + max(growth, headroom), working_set)
    surge = level(need + max(SURGE_REACTIONS * growth, history.burst_kib), need)
    comfort = level(need + COMFORT_HEADROOMS * headroom, surge)
    spare_kib = report.available_kib + swappable_kib - DONOR_RESERVE_KIB
    least = max(dynamic_min_kib, offset_kib + report.total_kib - max(spare_kib, 0) // 2)
    return Demand(
        floor_kib=floor,
        working_set_kib=working_set,
        need_kib=need,
        surge_kib=surge,
        comfort_kib=comfort,
        least_kib=least,
    )
