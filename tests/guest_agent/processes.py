"""Real agent processes for tests, and what dom0 would see of them."""

import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from protocol import (
    HELLO_KEY,
    REPORT_KEY,
    WELCOME_KEY,
    Hello,
    Report,
    Welcome,
    decode_hello,
    decode_report,
    encode_welcome,
)
from tests.integration.plain_client import PlainClient

T = TypeVar("T")
PATIENCE_S = 20.0
PATHS = [str(Path(__file__).parents[2]), sysconfig.get_path("platlib"), sysconfig.get_path("purelib")]
PYTHON = [str(getattr(sys, "_base_executable", sys.executable)), "-I", "-S", "-c"]
START = f"import sys; sys.path[:0] = {PATHS!r}; from guest_agent.main import main; sys.exit(main())"
"""An agent whose memory and time are measured runs without `site`, whose extras are not the interpreter's."""


@contextmanager
def agent(*arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """A running agent; killed in the end if it is still there."""
    command = [sys.executable, "-m", "guest_agent", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def stop(process: subprocess.Popen[str]) -> str:
    """End an agent as systemd does; return what it said on standard error. It must go at once, and with status 0."""
    began = time.monotonic()
    process.terminate()
    output, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, errors
    assert output == ""
    assert time.monotonic() - began < 5
    # Whoever may not lock memory says so; that is another test's matter.
    return "".join(line for line in errors.splitlines(keepends=True) if "not locked in memory" not in line)


def status(pid: int, field: str) -> int:
    """A number from /proc/PID/status."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{field}:")).split()[1])


def cpu_s(pid: int) -> float:
    """User and system time of a process, in the clock's steps of 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def eventually(look: Callable[[], T | None]) -> T:
    """What `look` finds, as soon as it finds anything."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            found = look()
        except FileNotFoundError:
            found = None
        if found:
            return found
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.01)


class Dom0:
    """Dom0's view of one guest."""

    def __init__(self, path: Path, domid: int) -> None:
        self._path = path
        self._domid = domid

    def _do(self, action: Callable[[PlainClient, str], T]) -> T:
        with PlainClient(self._path) as client:
            return action(client, f"/local/domain/{self._domid}")

    def hello(self) -> Hello:
        return eventually(lambda: decode_hello(self._do(lambda client, home: client.read(f"{home}/{HELLO_KEY}"))))

    def forget_hello(self) -> None:
        self._do(lambda client, home: client.remove(f"{home}/{HELLO_KEY}"))

    def report(self, wanted: Callable[[Report], bool] = lambda _: True) -> Report:
        """The guest's report, once there is one of that kind."""

        def look() -> Report | None:
            report = decode_report(self._do(lambda client, home: client.read(f"{home}/{REPORT_KEY}")))
            return report if wanted(report) else None

        return eventually(look)

    def welcome(self, welcome: Welcome | bytes) -> None:
        """Set the guest's welcome, as dom0 would."""
        value = welcome if isinstance(welcome, bytes) else encode_welcome(welcome)

        def act(client: PlainClient, home: str) -> None:
            client.write(f"{home}/{WELCOME_KEY}", value)
            client.set_perms(f"{home}/{WELCOME_KEY}", "n0", f"r{self._domid}")

        self._do(act)

    def move(self, domid: str) -> None:
        """Change the domid that the guest reads, as a migration does."""
        self._do(lambda client, home: client.write(f"{home}/domid", domid.encode()))
