"""The two places where the agent waits, for its next look and for xenstore's answer, and the signals that end both.

Signals are handled without a gap: one that comes just before a system call would otherwise be noticed only after it.
For the sleep a pipe that Python's own C handler writes to is polled; for calls the timer ticks on until it is heard.
"""

import os
import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable
    from types import FrameType
    from typing import TypeVar

    T = TypeVar("T")
else:
    import _signal as signal  # what `signal` wraps in enums, at the price of 0.4 MB

_TICK_S = 0.05


class Stopped(Exception):
    """SIGTERM or SIGINT came during a call."""


class DeadlinePassed(Exception):
    """The call took too long."""


class Waiter:
    """One per process, in its main thread: it takes over SIGALRM, SIGTERM, SIGINT and the interval timer."""

    __slots__ = ("_armed", "_poll", "_woken_fd", "finishing", "hung_up", "stopping")

    def __init__(self) -> None:
        self.stopping = False  # somebody asked the agent to stop
        self.finishing = False  # and it is doing its last errands: calls go on under their deadline
        self.hung_up = False  # somebody changed the settings
        self._armed = False
        self._woken_fd, wake_fd = os.pipe()
        os.set_blocking(self._woken_fd, False)
        os.set_blocking(wake_fd, False)
        signal.set_wakeup_fd(wake_fd, warn_on_full_buffer=False)
        self._poll = select.poll()
        self._poll.register(self._woken_fd, select.POLLIN)
        signal.signal(signal.SIGALRM, self._on_alarm)
        signal.signal(signal.SIGTERM, self._on_stop)
        signal.signal(signal.SIGINT, self._on_stop)

    def heed_hangups(self) -> None:
        """Take over SIGHUP too, as services do; for whoever sits at a terminal it means the end."""
        signal.signal(signal.SIGHUP, self._on_hangup)

    def watch(self, stalls_fd: int) -> None:
        """Have sleeps end when programs stall, as this descriptor says (a PSI trigger); -1: there is none."""
        if stalls_fd >= 0:
            self._poll.register(stalls_fd, select.POLLPRI)

    def sleep(self, ms: int) -> bool:
        """Wait that long, or until a signal, or a stall; return whether programs stalled."""
        stalled = False
        for fd, event in self._poll.poll(ms):
            if fd == self._woken_fd:
                os.read(fd, 4096)
            elif event & select.POLLERR:  # the trigger is gone; the kernel would say so for ever
                self._poll.unregister(fd)
            else:
                stalled = True
        return stalled

    def within(self, seconds: float, function: "Callable[..., T]", *arguments: object) -> "T":
        """Call the function; raise DeadlinePassed or Stopped out of whatever it is doing: it must bear that."""
        self._armed = True
        try:
            if self.stopping and not self.finishing:
                raise Stopped
            signal.setitimer(signal.ITIMER_REAL, seconds, _TICK_S)
            return function(*arguments)
        finally:
            self._armed = False
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _on_alarm(self, _number: int, _frame: "FrameType | None") -> None:
        if self._armed:
            self._armed = False
            raise DeadlinePassed

    def _on_hangup(self, _number: int, _frame: "FrameType | None") -> None:
        self.hung_up = True

    def _on_stop(self, _number: int, _frame: "FrameType | None") -> None:
        self.stopping = True
        if self._armed and not self.finishing:
            self._armed = False
            raise Stopped
