"""How a domain's balloon moves: what was asked, what came of it, and what to do when nothing comes.

The rules and their reasons, measured on Xen 4.17 with Linux 6.1: a driver whose target is refused retries for about
14 s and then sleeps for an hour; writing the same target again does not wake it, one that differs by a page does.
"""

from dataclasses import dataclass
from typing import Literal

from dom0_arbiter.engine.pace import UNKNOWN, Pace, observe_pace
from dom0_arbiter.engine.replace import replace

TOLERANCE_KIB = 1024  # closer to its target than this, a balloon is at rest
NUDGE_AFTER_S = 10.0  # without progress; doubled with each nudge
NUDGES = 2  # then the balloon is stuck
RETRY_AFTER_S = 60.0  # what a stuck domain is left alone for; doubled with each failure, at most
RETRY_AFTER_MAX_S = 960.0
STALLED_S = 2.0
# A driver whose guest has no free page at hand (its cache must be dropped first) waits 1 s, then 2, 4 ... before it
# tries again (drivers/xen/balloon.c, update_schedule), although kswapd has made room long before. While others are
# short it is woken: in the lab a donor full of cache stood for 1.4 and 1.8 s, and went on 0.03 s after a new target.
WAKE_AFTER_S = 0.15
SLOW_AFTER_S = 5.0
REST_S = 0.5  # unchanged for this long: the guest's MemTotal belongs to the size that Xen shows
COMING_S = 1.0  # what a shrink under way brings within this time is waited for, the rest is asked of others
PAGE_KIB = 4

Phase = Literal["resting", "growing", "shrinking"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Balloon:
    """Xen's view, KiB; times in seconds of the arbiter's clock.

    The size last changed after unchanged_s, and was seen to at changed_s.
    shrink_asked: a size above the target is a shrink under way, not growth of the guest's own. up, down: how fast it
    grows and gives. failures counts the times in a row that the guest did not do what was asked; until `retry_s` it is
    not asked again.
    """

    target_kib: int
    actual_kib: int
    maxmem_kib: int
    asked_s: float
    progressed_s: float
    changed_s: float
    shrink_asked: bool = False
    up: Pace = UNKNOWN
    down: Pace = UNKNOWN
    nudges: int = 0
    failures: int = 0
    failed_phase: Phase = "resting"
    retry_s: float = 0.0
    woken_s: float = 0.0
    unchanged_s: float = float("-inf")

    @property
    def promised_kib(self) -> int:
        """What the domain may still take from Xen's free memory without asking."""
        return max(0, self.maxmem_kib - self.actual_kib)

    @property
    def phase(self) -> Phase:
        """Where the balloon is heading."""
        if abs(self.actual_kib - self.target_kib) <= TOLERANCE_KIB:
            return "resting"
        return "growing" if self.actual_kib < self.target_kib else "shrinking"

    def at_rest(self, now_s: float) -> bool:
        """Whether the size has matched the target, unchanged, for long enough to learn offsets from it."""
        return self.phase == "resting" and now_s - max(self.changed_s, self.asked_s) >= REST_S

    def is_progressing(self, now_s: float) -> bool:
        """Whether the guest is on its way to its target."""
        return self.phase != "resting" and now_s - max(self.progressed_s, self.asked_s) < NUDGE_AFTER_S

    def coming_kib(self, now_s: float) -> int:
        """What it will have given within COMING_S, at the pace seen; nothing if it stands."""
        if self.phase != "shrinking" or now_s - max(self.progressed_s, self.asked_s) > REST_S:
            return 0
        left_kib, kib_s = self.actual_kib - self.target_kib, self.down.kib_s
        return left_kib if kib_s is None else min(left_kib, int(kib_s * COMING_S))

    def is_given_up(self, now_s: float) -> bool:
        """Whether the domain did not obey and is left alone for now."""
        return self.failures > 0 and now_s < self.retry_s

    def is_stalled(self, now_s: float) -> bool:
        """Whether what it was to give must not be reckoned with."""
        if self.phase != "shrinking":
            return False
        return self.nudges > 0 or now_s - max(self.progressed_s, self.asked_s) > STALLED_S

    def is_wake_due(self, now_s: float) -> bool:
        """Whether a shrink that others wait for has come to a halt, but not for so long that it is stalled."""
        moved_s = max(self.progressed_s, self.asked_s)
        halted = self.phase == "shrinking" and now_s - moved_s <= STALLED_S
        return halted and now_s - max(moved_s, self.woken_s) >= WAKE_AFTER_S

    def is_nudge_due(self, now_s: float) -> bool:
        """Whether it is time to wake the driver."""
        patience_s = NUDGE_AFTER_S * 2**self.nudges
        return self.phase != "resting" and now_s - max(self.progressed_s, self.asked_s) >= patience_s


def observe(balloon: Balloon, *, actual_kib: int, maxmem_kib: int, now_s: float, looked_s: float) -> Balloon:
    """Take in Xen's figures. looked_s: when they were looked at before."""
    if actual_kib == balloon.actual_kib and maxmem_kib == balloon.maxmem_kib:
        return balloon
    given_kib = balloon.actual_kib - actual_kib
    elapsed_s = now_s - max(balloon.asked_s, balloon.changed_s)
    up, down = balloon.up, balloon.down
    left_kib = abs(actual_kib - balloon.target_kib)
    is_whole = balloon.changed_s > balloon.asked_s and left_kib > TOLERANCE_KIB
    if elapsed_s > 0 and balloon.phase == "growing" and given_kib < 0:
        up = observe_pace(up, -given_kib, elapsed_s, is_whole=is_whole)
    elif elapsed_s > 0 and balloon.phase == "shrinking" and given_kib > 0:
        down = observe_pace(down, given_kib, elapsed_s, is_whole=is_whole)
    closer = left_kib < abs(balloon.actual_kib - balloon.target_kib)
    seen = replace(
        balloon,
        actual_kib=actual_kib,
        maxmem_kib=maxmem_kib,
        changed_s=now_s if given_kib else balloon.changed_s,
        unchanged_s=looked_s if given_kib else balloon.unchanged_s,
        progressed_s=now_s if closer else balloon.progressed_s,
        up=up,
        down=down,
        nudges=0 if closer else balloon.nudges,
    )
    if seen.phase != "resting":
        return seen
    obeyed = balloon.phase == balloon.failed_phase != "resting"
    return replace(seen, shrink_asked=False, failures=0 if obeyed else seen.failures)


def ask(balloon: Balloon, *, target_kib: int, maxmem_kib: int, now_s: float) -> Balloon:
    """Note a new target and maxmem as given."""
    return replace(
        balloon,
        target_kib=target_kib,
        maxmem_kib=maxmem_kib,
        asked_s=now_s,
        nudges=0,
        shrink_asked=target_kib + TOLERANCE_KIB < balloon.actual_kib,
    )


def wake(balloon: Balloon, now_s: float) -> Balloon:
    """A target one page nearer to what the domain has, so that its driver tries again at once."""
    step_kib = PAGE_KIB if balloon.phase == "shrinking" else -PAGE_KIB
    return replace(balloon, target_kib=balloon.target_kib + step_kib, woken_s=now_s)


def nudge(balloon: Balloon, now_s: float) -> Balloon:
    """Wake a driver that may be asleep, and count it: after a few of these the domain does not obey."""
    return replace(wake(balloon, now_s), asked_s=now_s, nudges=balloon.nudges + 1)


def give_up(balloon: Balloon, now_s: float) -> Balloon:
    """Settle for what the domain has, so that memory/target covers it, and leave it alone for a while."""
    wait_s = min(RETRY_AFTER_S * 2**balloon.failures, RETRY_AFTER_MAX_S)
    return replace(
        balloon,
        target_kib=-(-balloon.actual_kib // PAGE_KIB) * PAGE_KIB,
        asked_s=now_s,
        nudges=0,
        failures=balloon.failures + 1,
        failed_phase=balloon.phase,
        retry_s=now_s + wait_s,
    )
