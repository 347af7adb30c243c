"""When to look at memory, and when what was seen must be said. Pure: time is in the samples.

The sooner a guest could run into its urgent threshold, the oftener it looks; each look may be said if memory moved by a
step. As the time between looks is a fraction of the headroom, a filling guest is reported at geometric steps of its
headroom, however fast it fills, and a guest at rest once per heartbeat.
"""

from guest_agent.sample import Counters, Sample
from protocol import Welcome

LOOKS = 8
"""Looks before the urgent threshold is reached, at the fastest growth seen."""
REST_RATE_KIB_S = 128 * 1024
"""Growth that a guest at rest is prepared for: 100 MiB of headroom are looked at each 100 ms, for 0.03 % of a core."""
MOVING_RATE_KIB_S = 8 * 1024
"""Growth below this is noise: it does not call for looks at the least interval."""
RATE_MEMORY_MS = 2000
"""The fastest growth seen fades within this time."""
REST_INTERVALS = 4
"""The shortest sleep of a guest at rest, and the longest of one whose size moves, in least intervals."""
SIZE_MEMORY_MS = 500
"""A guest whose size moved this recently is still moving: a balloon pauses between its steps."""
SIZE_RATIO = 8
"""A balloon that stands is news at once when it moved by 1/8 of what was available: of that, dom0 may take a half with
each report. One that moves by less, and pauses, is news when it has stood for SIZE_MEMORY_MS."""
STEP_RATIO = 6
"""Use that moved by less than 1/6 of the headroom is no news: so a filling guest speaks at geometric steps of it."""
URGENT_STEP_RATIO, URGENT_STEP_LEAST_KIB = 8, 512
"""Below the threshold an eighth is news, down to this much."""
TALK_RATIO, TALK_URGENT_RATIO = 8, 3
"""After an exchange with xenstore, so many times as long is kept silent: where an exchange is dear, on an emulated or
starved host, at most a ninth of the time goes into talking, a quarter when urgent. At most TALK_PAUSE_MAX_MS."""
TALK_PAUSE_MAX_MS = 250
COUNTERS_MS, COUNTERS_URGENT_MS = 1000, 200
"""How often /proc/vmstat is looked at for what is news in itself: it costs several times /proc/meminfo."""
PRESSURE_STEP_US = 100_000
"""Stall time that is news; 100 ms of one second are 10 %, where thrashing begins."""
PAGE_KIB = 4


class Cadence:
    """The memory of what was seen and said. `settings` is the welcome in force, and may be replaced at any time."""

    __slots__ = (
        "_counters_ms",
        "_pause_ms",
        "_rate_kib_s",
        "_said",
        "_said_counters",
        "_said_ms",
        "_said_urgent",
        "_seen",
        "_settled",
        "_size_moved_ms",
        "settings",
    )

    def __init__(self, settings: Welcome) -> None:
        self.settings = settings
        self._seen: Sample | None = None
        self._said: Sample | None = None
        self._said_counters = Counters()
        self._said_ms = self._counters_ms = 0
        self._said_urgent = False
        self._pause_ms = 0
        self._rate_kib_s = 0
        self._size_moved_ms = -SIZE_MEMORY_MS
        self._settled = False

    def is_urgent(self, sample: Sample) -> bool:
        """Whether less is available than the threshold in force."""
        return bool(sample.available_kib < self.settings.urgent_kib)

    def observe(self, sample: Sample) -> str:
        """Take in a sample; return why it should be reported now, or "" if it need not be."""
        seen, self._seen = self._seen, sample
        if seen is not None:
            elapsed_ms = max(1, sample.uptime_ms - seen.uptime_ms)
            fallen_kib = seen.available_kib - sample.available_kib
            size_moved_kib = sample.total_kib - seen.total_kib
            # What a balloon brings hides what programs take: use grows by both together.
            grown_kib = max(fallen_kib, fallen_kib + size_moved_kib, 0)
            faded_kib_s = self._rate_kib_s * max(0, RATE_MEMORY_MS - elapsed_ms) // RATE_MEMORY_MS
            self._rate_kib_s = max(grown_kib * 1000 // elapsed_ms, faded_kib_s)
            self._settled = size_moved_kib == 0
            if size_moved_kib:
                self._size_moved_ms = sample.uptime_ms
        return self._news(sample)

    def _news(self, sample: Sample) -> str:
        said, settings = self._said, self.settings
        if said is None:
            return "first"
        urgent = self.is_urgent(sample)
        if urgent and not self._said_urgent:
            return "urgent"
        silent_ms = sample.uptime_ms - self._said_ms
        if silent_ms >= settings.heartbeat_ms:
            return "heartbeat"
        if silent_ms < self._pause_ms:
            return ""
        if urgent:
            step_kib = min(settings.change_kib, said.available_kib // URGENT_STEP_RATIO)
            step_kib = max(step_kib, URGENT_STEP_LEAST_KIB)
        else:
            step_kib = max(settings.change_kib, (said.available_kib - settings.urgent_kib) // STEP_RATIO)
        # Use, not what is available: a balloon on its way moves that all the time, and dom0 knows, for it asked.
        if abs(_used_kib(sample) - _used_kib(said)) >= step_kib:
            return "used"
        moved_kib = abs(sample.total_kib - said.total_kib)
        still_ms = sample.uptime_ms - self._size_moved_ms
        if (
            moved_kib
            and self._settled
            and (moved_kib >= said.available_kib // SIZE_RATIO or still_ms >= SIZE_MEMORY_MS)
        ):
            return "size"
        return ""

    def counters_due(self, now_ms: int) -> bool:
        """Whether the counters should be looked at for their own sake."""
        return now_ms - self._counters_ms >= (COUNTERS_URGENT_MS if self._said_urgent else COUNTERS_MS)

    def observe_counters(self, counters: Counters, now_ms: int) -> str:
        """Take in counters; return why they should be reported now, or ""."""
        self._counters_ms = now_ms
        said = self._said_counters
        if self._said is None:
            return ""
        if counters.oom_kill_total > said.oom_kill_total:
            return "oom-kill"
        if (counters.swap_in_total - said.swap_in_total) * PAGE_KIB >= self.settings.change_kib:
            return "swap-in"
        if counters.psi_some_us_total - said.psi_some_us_total >= PRESSURE_STEP_US:
            return "pressure"
        return ""

    def reported(self, sample: Sample, counters: Counters, *, now_ms: int, took_ms: int) -> None:
        """Take note that dom0 has been told, at `now_ms`, by an exchange that took so long."""
        self._said, self._said_counters = sample, counters
        self._said_ms = now_ms
        self._said_urgent = self.is_urgent(sample)
        ratio = TALK_URGENT_RATIO if self._said_urgent else TALK_RATIO
        self._pause_ms = min(took_ms * ratio, TALK_PAUSE_MAX_MS)

    def sleep_ms(self, now_ms: int) -> int:
        """Return how long nothing needs to be looked at: within the welcome's interval, and not past a heartbeat."""
        settings, sample = self.settings, self._seen
        least_ms, most_ms = settings.interval_min_ms, settings.interval_max_ms
        if sample is None:
            return int(most_ms)
        rate_kib_s = max(self._rate_kib_s, REST_RATE_KIB_S)
        headroom_kib = sample.available_kib - settings.urgent_kib
        if headroom_kib < 0:  # urgent, and said: what counts now is how long the rest lasts
            headroom_kib = sample.available_kib
        ms = headroom_kib * 1000 // (rate_kib_s * LOOKS)
        if now_ms - self._size_moved_ms < SIZE_MEMORY_MS:
            ms = min(ms, least_ms * REST_INTERVALS)
        if self._rate_kib_s < MOVING_RATE_KIB_S:
            ms = max(ms, least_ms * REST_INTERVALS)
        ms = min(ms, self._said_ms + settings.heartbeat_ms - now_ms)
        return int(max(least_ms, min(ms, most_ms)))


def _used_kib(sample: Sample) -> int:
    return int(sample.total_kib - sample.available_kib)
