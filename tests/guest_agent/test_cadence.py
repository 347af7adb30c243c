"""When to look and when to speak, in virtual time: each test plays a guest and counts what dom0 would hear."""

from collections.abc import Callable
from itertools import pairwise

from guest_agent import DEFAULTS, Cadence, Counters, Sample
from protocol import Welcome

MIB = 1024
URGENT_KIB = DEFAULTS.urgent_kib


class Guest:
    """A guest whose memory is a function of time, watched by a cadence; an exchange takes `took_ms`."""

    def __init__(
        self, available_kib: Callable[[int], int], *, total_kib: Callable[[int], int] | None = None, took_ms: int = 0
    ) -> None:
        self.cadence = Cadence(DEFAULTS)
        self.counters: Callable[[int], Counters] = lambda _: Counters()
        self.looks: list[int] = []
        self.reports: list[tuple[int, str, Sample]] = []
        self._available_kib = available_kib
        self._total_kib = total_kib or (lambda _: 64 * 1024 * MIB)
        self._took_ms = took_ms
        self._now_ms = 0

    def run(self, until_ms: int) -> "Guest":
        cadence = self.cadence
        while self._now_ms < until_ms:
            now_ms = self._now_ms
            self.looks.append(now_ms)
            available_kib = max(0, self._available_kib(now_ms))
            sample = Sample(
                uptime_ms=now_ms, total_kib=self._total_kib(now_ms), free_kib=0, available_kib=available_kib
            )
            reason, counters = cadence.observe(sample), self.counters(now_ms)
            if reason or cadence.counters_due(now_ms):
                reason = cadence.observe_counters(counters, now_ms) or reason
            if reason:
                self._now_ms += self._took_ms
                self.reports.append((now_ms, reason, sample))
                cadence.reported(sample, counters, now_ms=self._now_ms, took_ms=self._took_ms)
            self._now_ms += max(1, cadence.sleep_ms(self._now_ms))
        return self

    def reasons(self) -> list[str]:
        return [reason for _, reason, _ in self.reports]


def filling(start_kib: int, mib_per_s: int, from_ms: int) -> Callable[[int], int]:
    return lambda now_ms: start_kib - max(0, now_ms - from_ms) * mib_per_s * MIB // 1000


def test_an_idle_guest_writes_once_per_heartbeat_and_hardly_wakes() -> None:
    guest = Guest(lambda _: 2048 * MIB).run(600_000)
    assert guest.reasons() == ["first"] + ["heartbeat"] * 9
    assert len(guest.looks) <= 600_000 / DEFAULTS.interval_max_ms + 10


def test_an_idle_guest_at_its_threshold_does_not_spin() -> None:
    for available_kib in (0, 1, URGENT_KIB - 1, URGENT_KIB, URGENT_KIB + 1):
        guest = Guest(lambda _, kib=available_kib: kib).run(60_000)  # type: ignore[misc]
        assert len(guest.looks) <= 60_000 / (4 * DEFAULTS.interval_min_ms) + 2
        assert len(guest.reports) == 1


def test_a_guest_filling_at_1_gib_s_is_reported_at_geometric_steps_before_it_is_urgent() -> None:
    guest = Guest(filling(2048 * MIB, 1024, from_ms=1000)).run(4000)
    before = [sample.available_kib - URGENT_KIB for _, _, sample in guest.reports[1:] if not is_urgent(sample)]
    assert len(before) >= 15
    assert all(0.6 < after / headroom < 1 for headroom, after in pairwise(before[2:-5]))


def test_a_guest_filling_at_50_mib_s_is_reported_within_a_quarter_second_and_steadily() -> None:
    guest = Guest(filling(100 * MIB, 50, from_ms=1000)).run(3000)
    spoken_ms = [now_ms for now_ms, _, sample in guest.reports[1:] if not is_urgent(sample)]
    assert spoken_ms[0] <= 1250
    assert len(spoken_ms) >= 10


def test_the_first_look_below_the_threshold_is_said_at_once() -> None:
    for mib_per_s in (1, 10, 50, 200, 1024, 4096):
        guest = Guest(filling(300 * MIB, mib_per_s, from_ms=500), took_ms=5).run(500_000 // mib_per_s + 2000)
        first_urgent_look = next(
            now_ms for now_ms in guest.looks if filling(300 * MIB, mib_per_s, 500)(now_ms) < URGENT_KIB
        )
        assert (first_urgent_look, "urgent") in [(now_ms, reason) for now_ms, reason, _ in guest.reports]


def test_a_guest_filling_more_slowly_than_it_is_looked_at_is_caught_within_10_ms_of_the_threshold() -> None:
    for mib_per_s in (10, 50, 200, 1024):
        guest = Guest(filling(300 * MIB, mib_per_s, from_ms=500)).run(500_000 // mib_per_s + 2000)
        crossed_ms = 500 + (300 * MIB - URGENT_KIB) * 1000 // (mib_per_s * MIB)
        said_ms = next(now_ms for now_ms, reason, _ in guest.reports if reason == "urgent")
        assert said_ms - crossed_ms <= 2 * DEFAULTS.interval_min_ms


def test_talking_takes_at_most_about_a_third_of_the_time() -> None:
    took_ms = 20
    guest = Guest(lambda now_ms: 20 * MIB + (now_ms // 10 % 2) * 10 * MIB, took_ms=took_ms).run(10_000)
    assert len(guest.reports) * took_ms <= 10_000 * 0.4


def test_noise_in_a_large_guest_is_no_news() -> None:
    guest = Guest(lambda now_ms: 16 * 1024 * MIB + (now_ms // 100 % 2) * 100 * MIB).run(50_000)
    assert guest.reasons() == ["first"]


def test_memory_around_the_threshold_does_not_flap() -> None:
    guest = Guest(lambda now_ms: URGENT_KIB + (now_ms // 50 % 2) * 100 - 50).run(30_000)
    assert guest.reasons().count("urgent") <= 1
    assert len(guest.reports) <= 2


def test_a_release_is_said_at_the_next_look() -> None:
    guest = Guest(lambda now_ms: 10 * MIB if now_ms < 1000 else 400 * MIB).run(2000)
    assert guest.reasons()[-1] == "used"
    assert guest.reports[-1][0] <= 1000 + 4 * DEFAULTS.interval_min_ms + 1


def test_growth_that_the_balloon_hides_is_still_growth() -> None:
    # it gets as much as it takes: available memory stands still, use does not
    guest = Guest(lambda _: 64 * MIB, total_kib=lambda now_ms: 200 * MIB + now_ms * 100 * MIB // 1000).run(1000)
    assert len(guest.looks) >= 20
    assert guest.reasons().count("used") >= 10


def test_a_shrinking_guest_is_watched_and_its_final_size_is_said() -> None:
    def total_kib(now_ms: int) -> int:
        return max(300 * MIB + 77, 500 * MIB - max(0, now_ms - 1000) * 250 * MIB // 1000)

    guest = Guest(lambda now_ms: total_kib(now_ms) - 100 * MIB, total_kib=total_kib).run(4000)
    sizes_kib = [sample.total_kib for _, _, sample in guest.reports]
    assert len(guest.looks) >= 10
    assert len(sizes_kib) <= 3  # dom0 asked for it: on the way there is nothing to say
    assert sizes_kib[-1] == 300 * MIB + 77


def test_oom_kills_swap_ins_and_stalls_are_news_by_themselves() -> None:
    for event in ({"oom_kill_total": 1}, {"swap_in_total": 2000}, {"psi_some_us_total": 150_000}):
        guest = Guest(lambda _: 1024 * MIB)
        guest.counters = lambda now_ms, event=event: Counters(**event) if now_ms >= 5000 else Counters()  # type: ignore[misc]
        guest.run(10_000)
        assert len(guest.reports) == 2
        assert guest.reports[1][0] <= 6300


def test_the_welcome_in_force_is_obeyed() -> None:
    guest = Guest(lambda _: 10_000 * MIB)
    guest.cadence.settings = Welcome(
        version=1, reason="", heartbeat_ms=500, interval_min_ms=20, interval_max_ms=100, change_kib=1, urgent_kib=0
    )
    guest.run(10_000)
    assert guest.reasons().count("heartbeat") == 19
    assert 95 <= len(guest.looks) <= 125


def test_a_heartbeat_is_not_slept_through() -> None:
    guest = Guest(lambda _: 10_000 * MIB)
    guest.cadence.settings = Welcome(version=1, reason="", heartbeat_ms=100, interval_max_ms=3_600_000)
    guest.run(1001)
    assert guest.reasons().count("heartbeat") == 10


def is_urgent(sample: Sample) -> bool:
    return sample.available_kib < URGENT_KIB
