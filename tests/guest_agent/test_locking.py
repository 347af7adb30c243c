"""The agent stays in memory, in a process of its own: a lock is for good."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.guest_agent.processes import agent, eventually

TOUCH_KIB = 16_384
LOCK = f"""
import mmap
from guest_agent.locking import lock_memory
def locked_kib(): return next(int(line.split()[1]) for line in open("/proc/self/status") if line[:6] == "VmLck:")
def resident_kib(): return next(int(line.split()[1]) for line in open("/proc/self/status") if line[:6] == "VmRSS:")
refusal, before_kib = lock_memory(), resident_kib()
more = mmap.mmap(-1, {TOUCH_KIB} << 10)
print(refusal or locked_kib() > 0 and resident_kib() - before_kib < {TOUCH_KIB} // 2)
"""


def may_lock() -> bool:
    """Whether this user may lock memory without bounds."""
    return os.geteuid() == 0


def run(*before: str) -> str:
    done = subprocess.run([*before, sys.executable, "-c", LOCK], capture_output=True, text=True, timeout=30, check=True)
    return done.stdout.strip()


def test_what_is_touched_is_locked_and_nothing_else() -> None:
    if not may_lock():
        pytest.skip("needs to be root")
    assert run() == "True"


def test_whoever_may_not_lock_is_told_what_would_allow_it() -> None:
    before = ["prlimit", "--memlock=65536:65536"]
    if may_lock():
        before += ["setpriv", "--bounding-set=-ipc_lock", "--inh-caps=-ipc_lock"]
    assert "LimitMEMLOCK=infinity" in run(*before)


def test_the_agent_locks_itself(tmp_path: Path) -> None:
    if not may_lock():
        pytest.skip("needs to be root")
    with agent("--socket", tmp_path / "none") as process:
        eventually(lambda: int(_status(process.pid, "VmLck:")))


def _status(pid: int, name: str) -> str:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line for line in lines if line.startswith(name)).split()[1]
