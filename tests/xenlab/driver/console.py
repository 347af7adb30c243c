"""A guest's console as a command channel: one line out, one line back, and nothing in between while nobody asks."""

import itertools
import json
import os
import select
import termios
import threading
import time
import tty
from collections.abc import Callable
from typing import Any

from tests.xenlab.driver.hypervisor import GuestFailed

Answer = dict[str, Any]
_ids = itertools.count(1)


class Job:
    """A command under way in a guest."""

    def __init__(self, guest: str, command: str) -> None:
        self.command = command
        self.parts: list[Answer] = []  # what it said on the way
        self._guest = guest
        self._touched = threading.Event()
        self._done = threading.Event()
        self._answer: Answer = {}
        self._touch: Answer = {}

    def hear(self, mark: str, answer: Answer) -> None:
        """A line that the guest said of this command."""
        if mark == "+":
            self._touch = answer
            self.parts.append(answer)
        else:
            self._answer = answer
            self._done.set()
        self._touched.set()

    def wait(self, timeout_s: float) -> Answer:
        """The answer; GuestFailed where none comes, or the guest says that it cannot."""
        if not self._done.wait(timeout_s):
            raise GuestFailed(f"{self._guest}: no answer to {self.command!r} within {timeout_s:.0f} s")
        if "error" in self._answer:
            raise GuestFailed(f"{self._guest}: {self.command!r}: {self._answer['error']}")
        return self._answer

    def wait_touched(self, timeout_s: float) -> Answer:
        """What `touch` says when everything is touched, or its answer where it never got there."""
        if not self._touched.wait(timeout_s):
            raise GuestFailed(f"{self._guest}: {self.command!r}: not touched within {timeout_s:.0f} s")
        return self._touch or self._answer

    @property
    def done(self) -> bool:
        """Whether the answer is there."""
        return self._done.is_set()


class Console:
    """The pty that xenconsoled keeps for a domain; `jobs` are what the guest was asked before, and may yet answer."""

    def __init__(self, name: str, terminal: str, jobs: dict[str, Job]) -> None:
        self._name = name
        self._jobs = jobs
        self._fd = os.open(terminal, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self._fd, termios.TCSANOW)
        self._closed = False
        self.other_lines: list[str] = []
        threading.Thread(target=self._listen, name=f"console {name}", daemon=True).start()

    def send(self, command: str) -> Job:
        """Start a command."""
        job = Job(self._name, command)
        word = str(next(_ids))
        self._jobs[word] = job
        try:
            os.write(self._fd, f"{word} {command}\n".encode())
        except OSError as error:
            raise GuestFailed(f"{self._name}: its console is gone: {error}") from error
        return job

    def close(self) -> None:
        """The domain is gone, or has another console."""
        self._closed = True

    def _listen(self) -> None:
        rest = b""
        while not self._closed:
            if not select.select([self._fd], [], [], 1.0)[0]:
                continue
            try:
                got = os.read(self._fd, 65536)
            except OSError:  # xenconsoled closed its side: the domain is gone
                break
            if not got:
                break
            *lines, rest = (rest + got).split(b"\n")
            for line in lines:
                self._hear(line.decode(errors="replace").strip())
        os.close(self._fd)

    def _hear(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        if line.startswith("@") and rest.startswith("{"):
            number = word[1:].rstrip("+")
            try:
                answer = json.loads(rest)
            except ValueError:
                answer = {"error": f"unreadable answer {rest[:200]!r}"}
            if number in self._jobs:
                self._jobs[number].hear(word[1 + len(number) :], answer)
        elif line:
            self.other_lines.append(line[:400])


def wait_until(condition: Callable[[], bool], timeout_s: float, every_s: float = 0.1) -> bool:
    """Whether a condition came true in time."""
    end_s = time.time() + timeout_s
    while not condition():
        if time.time() > end_s:
            return False
        time.sleep(every_s)
    return True
