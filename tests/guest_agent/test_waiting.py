"""Deadlines and signals, in a process of their own: they belong to the whole process."""

import signal
import subprocess
import sys
import time

PRELUDE = """
import os, sys, time
from guest_agent.waiting import DeadlinePassed, Stopped, Waiter
waiter = Waiter()
never, _ = os.pipe()
def hang(): os.read(never, 1)
print('ready', flush=True)
"""


def start(code: str) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", PRELUDE + code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def result(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    with process.stdout:
        output = process.stdout.read()
    assert process.wait(timeout=20) == 0
    return output


def test_a_call_that_hangs_is_cut_short_and_the_next_one_works() -> None:
    output = result(
        start("""
for _ in range(3):
    began = time.monotonic()
    try:
        waiter.within(0.2, hang)
    except DeadlinePassed:
        assert 0.15 < time.monotonic() - began < 5
assert waiter.within(0.2, lambda: 7) == 7
time.sleep(0.4)  # nothing of the timer is left
print('fine')
""")
    )
    assert output == "fine\n"


def test_a_call_in_time_is_left_alone_however_close() -> None:
    output = result(
        start("""
lost = 0
for _ in range(300):
    try:
        waiter.within(0.001, time.sleep, 0.001)
    except DeadlinePassed:
        lost += 1
time.sleep(0.2)
print('fine')
""")
    )
    assert output == "fine\n"


def test_sigterm_ends_a_sleep_and_a_call_at_once() -> None:
    for code in (
        "waiter.sleep(60_000)\nprint(waiter.stopping)",
        "try: waiter.within(60, hang)\nexcept Stopped: print(waiter.stopping)",
        "os.kill(os.getpid(), 15)\nwaiter.sleep(60_000)\nprint(waiter.stopping)",
        "os.kill(os.getpid(), 15)\ntry: waiter.within(60, hang)\nexcept Stopped: print(waiter.stopping)",
    ):
        process = start(code)
        time.sleep(0.1)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert result(process) == "True\n"
        assert time.monotonic() - began < 5


def test_last_errands_go_on_under_their_deadline_whoever_knocks() -> None:
    process = start("""
os.kill(os.getpid(), 15)
waiter.finishing = True
assert waiter.within(1, lambda: 7) == 7
try: waiter.within(0.5, hang)
except DeadlinePassed: print('fine')
""")
    process.send_signal(signal.SIGTERM)
    assert result(process) == "fine\n"


def test_a_stall_ends_a_sleep_and_a_trigger_that_is_gone_does_not() -> None:
    # Urgent data is what poll calls POLLPRI, as a PSI trigger is; a pipe that nobody reads is in error for ever.
    output = result(
        start("""
import socket
listener = socket.create_server(('127.0.0.1', 0))
client = socket.create_connection(listener.getsockname())
server, _ = listener.accept()
waiter.watch(-1)
waiter.watch(server.fileno())
assert not waiter.sleep(50)
client.send(b'!', socket.MSG_OOB)
assert waiter.sleep(20_000)
server.recv(1, socket.MSG_OOB)
gone, broken = os.pipe()
os.close(gone)
waiter.watch(broken)
assert not waiter.sleep(20_000)
began = time.monotonic()
assert not waiter.sleep(300)
assert time.monotonic() - began > 0.25
print('fine')
""")
    )
    assert output == "fine\n"
