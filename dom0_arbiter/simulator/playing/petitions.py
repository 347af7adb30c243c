"""Requests for memory while a scenario is played: a start's, or one that is held for a while and given back."""

from dataclasses import dataclass

from dom0_arbiter.engine import Reservation, ReservationReleased, ReservationRequested
from dom0_arbiter.simulator.playing.outcome import RequestOutcome
from dom0_arbiter.simulator.scenarios.scenario import Request, Verdict
from dom0_arbiter.simulator.world import World

_VERDICTS: dict[str, Verdict] = {
    "granted": "granted",
    "refused-lack": "refused-lack",
    "refused-stuck": "refused-stuck",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """outcome None: not decided yet."""

    outcome: Verdict | None
    kib: int = 0
    missing_kib: int | None = None
    blame: tuple[str, ...] = ()


class Petition:
    """Asks for memory, and holds it. Mutable.

    Our arbiter is asked, and answers. A peer is told how much is awaited (`world.awaited_kib`); it never refuses, and
    what is free beyond the slack is taken as soon as it suffices.
    """

    def __init__(self, world: World, name: str, size_kib: int, min_kib: int) -> None:
        self._world = world
        self.name = name
        self.size_kib = size_kib
        self._min_kib = min_kib
        self._held_kib = 0
        self.asked_s = world.now_s
        if world.arbiter is not None:
            world.arbiter.put(ReservationRequested(name=name, size_kib=size_kib, min_kib=min_kib))

    def answer(self) -> Answer:
        """What has come of it so far."""
        if self._world.arbiter is None:
            return self._take()
        reservation: Reservation | None = self._world.arbiter.state.reservations.get(self.name)
        if reservation is None or reservation.decided_s is None:
            return Answer(outcome=None)
        is_lack = reservation.outcome == "refused-lack"
        return Answer(
            outcome=_VERDICTS[reservation.outcome],
            kib=reservation.kib,
            missing_kib=reservation.missing_kib if is_lack else None,
            blame=tuple(reservation.blame),
        )

    def _take(self) -> Answer:
        if not self._held_kib:
            spare_kib = self._world.host.free_kib - self._world.settings.slack_kib
            if spare_kib < self._min_kib:
                return Answer(outcome=None)
            self._held_kib = self._world.host.reserve(min(self.size_kib, spare_kib))
        return Answer(outcome="granted", kib=self._held_kib)

    def release(self) -> None:
        """Give it back, or withdraw the request."""
        if self._world.arbiter is not None:
            self._world.arbiter.put(ReservationReleased(name=self.name))
        self._world.host.unreserve(self._held_kib)
        self._held_kib = 0


class Held:
    """A scenario's request from its asking to the end of its holding, and the judgement of it. Mutable."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._petition: Petition | None = None
        self._answer = Answer(outcome=None)
        self._decided_s: float | None = None
        self._is_over = False

    @property
    def awaited_kib(self) -> int:
        """What it waits for."""
        is_waiting = self._petition is not None and self._decided_s is None and not self._is_over
        return self._request.size_kib if is_waiting else 0

    @property
    def next_s(self) -> float:
        """When it has to be looked at, whatever happens."""
        if self._petition is None:
            return self._request.at_s
        if self._decided_s is None:
            return self._request.at_s + self._request.within_s
        return float("inf") if self._is_over else self._decided_s + self._request.hold_s

    def look(self, world: World) -> None:
        """Ask, hear, hold and give back, each in its time."""
        request, now_s = self._request, world.now_s
        if self._is_over or now_s < request.at_s:
            return
        if self._petition is None:
            self._petition = Petition(world, request.name, request.size_kib, request.min_kib)
        if self._decided_s is None:
            self._answer = self._petition.answer()
            if self._answer.outcome is not None:
                self._decided_s = now_s
            elif now_s >= request.at_s + request.within_s:
                self._end()
        elif now_s >= self._decided_s + request.hold_s:
            self._end()

    def _end(self) -> None:
        if self._petition is not None:
            self._petition.release()
        self._is_over = True

    def outcome(self) -> RequestOutcome:
        """What came of it."""
        request, answer = self._request, self._answer
        is_granted = answer.outcome == "granted"
        return RequestOutcome(
            name=request.name,
            at_s=request.at_s,
            size_kib=request.size_kib,
            outcome=answer.outcome,
            granted_kib=answer.kib if is_granted else None,
            missing_kib=answer.missing_kib,
            blame=answer.blame,
            took_s=None if self._decided_s is None else round(self._decided_s - request.at_s, 3),
            passed=self._passed(),
        )

    def _passed(self) -> bool | None:
        request, answer = self._request, self._answer
        if request.expect is None:
            return None
        low, high = request.missing_kib or (0, 1 << 62)
        is_missing_right = answer.missing_kib is None or low <= answer.missing_kib <= high
        is_blame_right = request.blame is None or sorted(request.blame) == sorted(answer.blame)
        return answer.outcome == request.expect and is_missing_right and is_blame_right
