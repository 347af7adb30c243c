"""The arbiter under test: started as its unit starts it, with a configuration of the scenario's own."""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.xenlab.catalogue import SLACK_MIB, HostShape
from tests.xenlab.driver.console import wait_until

SOCKET = "/run/aerostat/aerostatd.sock"
ANSWER_WITHIN_S = 10.0
_CONFIGURATION = """[host]
slack_kib = {slack_kib}

[policy]
surplus = "{surplus}"
free_pool_kib = {pool_kib}

[default]
dynamic_min_kib = 65536
grant_kib = {grant_kib}

[[domain]]
match = "control"
excluded = true
"""
_WEIGHT = """
[[domain]]
match = "{name}"
weight = {weight}
"""


_DOM0 = """
[dom0]
managed = true
dynamic_min_kib = {least_kib}
dynamic_max_kib = {most_kib}
"""


class Arbiter:
    """One process at a time; its log runs on over restarts."""

    def __init__(self, command: list[str], shape: HostShape) -> None:
        self.log = Path("/var/log/aerostatd.log")
        self.log.touch()
        self._configuration = Path("/run/aerostatd.toml")
        self._configuration.write_text(
            _CONFIGURATION.format(
                slack_kib=SLACK_MIB << 10,
                surplus=shape.surplus,
                pool_kib=shape.pool_mib << 10,
                grant_kib=shape.grant_mib << 10,
            )
            + "".join(_WEIGHT.format(name=f"g{index}", weight=weight) for index, weight in enumerate(shape.weights, 1))
        )
        self._command = _with_configuration(command, self._configuration)
        self._process: subprocess.Popen[bytes] | None = None

    def manage_dom0(self, *, least_kib: int, most_kib: int) -> None:
        """Put dom0 into its hands, from its next start on."""
        with self._configuration.open("a") as configuration:
            configuration.write(_DOM0.format(least_kib=least_kib, most_kib=most_kib))

    def start(self) -> None:
        """Start it; it may take seconds to import what it needs under emulation."""
        with self.log.open("ab") as log:
            log.write(f"--- started at {time.time():.3f}: {' '.join(self._command)}\n".encode())
            log.flush()
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def kill(self) -> None:
        """SIGKILL: no last word."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """It stands still for the length of a block."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    @property
    def exit_status(self) -> int | None:
        """None while it runs."""
        return None if self._process is None else self._process.poll()

    @property
    def pid(self) -> int:
        """Its process; ValueError where none was started."""
        if self._process is None:
            raise ValueError("the arbiter was not started")
        return self._process.pid

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """One request over its admin socket; OSError or ValueError where it does not answer."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(ANSWER_WITHIN_S)
            connection.connect(SOCKET)
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as lines:
                answer: dict[str, Any] = json.loads(lines.readline())
        return answer

    def status(self) -> dict[str, Any] | None:
        """What it says of itself and its domains; None where it does not answer."""
        try:
            return self.ask({"command": "status"})
        except (OSError, ValueError):
            return None

    def state_of(self, domid: int) -> str | None:
        """The one word that status has for a domain; None where it has none, or does not answer."""
        domains = (self.status() or {}).get("domains", [])
        return next((str(domain["state"]) for domain in domains if domain["domid"] == domid), None)

    def wait_running(self, timeout_s: float = 60.0) -> bool:
        """Whether it answers on its socket in time."""
        return wait_until(lambda: self.status() is not None, timeout_s, every_s=0.5)


def _with_configuration(command: list[str], configuration: Path) -> list[str]:
    """The unit's command line with its configuration file replaced."""
    words = list(command)
    if "--config" in words:
        words[words.index("--config") + 1] = str(configuration)
        return words
    return [*words, "--config", str(configuration)]
