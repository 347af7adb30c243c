"""One request at a time under a deadline: against the daemons, and against ones that answer nonsense."""

import os
import pty
import socket
import struct
import subprocess
import sys
import threading
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from guest_agent.waiting import DeadlinePassed
from guest_agent.xenstore import Refused, Xenstore, XenstoreError
from tests.contract.servers import Server

HEADER = struct.Struct("=IIII")
READ, WRITE, WATCH_EVENT, ERROR = 2, 11, 15, 16


class Patience:
    """In place of the process's timer: these tests have a thread for the peer, and deadlines are in test_waiting."""

    def within(self, seconds: float, function: Callable[..., object], *arguments: object) -> object:
        return function(*arguments)


class Impatience(Patience):
    def within(self, seconds: float, function: Callable[..., object], *arguments: object) -> object:
        raise DeadlinePassed


def connect(path: Path | str) -> Xenstore:
    return Xenstore(str(path), Patience())  # type: ignore[arg-type]


class Peer:
    """A xenstored that answers as it is told: `answer` gets (operation, request id) and returns raw bytes."""

    def __init__(self, path: Path, answer: Callable[[int, int], bytes]) -> None:
        self.path = path
        self.connections = 0
        self._answer = answer
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            with client:
                while header := client.recv(16):
                    operation, request_id, _, size = HEADER.unpack(header)
                    client.recv(size, socket.MSG_WAITALL)
                    reply = self._answer(operation, request_id)
                    if not reply:
                        break
                    client.sendall(reply)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)


def reply(operation: int, request_id: int, payload: bytes) -> bytes:
    return HEADER.pack(operation, request_id, 0, len(payload)) + payload


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Callable[[Callable[[int, int], bytes]], Peer]]:
    peers: list[Peer] = []

    def make(answer: Callable[[int, int], bytes]) -> Peer:
        peers.append(Peer(tmp_path / f"{len(peers)}", answer))
        return peers[-1]

    yield make
    for each in peers:
        each.close()


PeerMaker = Callable[[Callable[[int, int], bytes]], Peer]


def test_a_guests_keys_are_written_and_read(server: Server) -> None:
    server.add(5)
    store = connect(server.guest_path(5))
    store.write("data/aerostat/hello", b"any bytes \x00\xff")
    assert store.read("data/aerostat/hello") == b"any bytes \x00\xff"
    assert store.read("domid") == b"5"
    assert store.read("aerostat/welcome") is None
    with pytest.raises(Refused, match="EACCES"):
        store.write("aerostat/welcome", b"x")
    store.write("data/aerostat/report", b"after a refusal, on the same connection")
    store.close()


def test_other_replies_and_events_are_passed_over(peer: PeerMaker) -> None:
    def answer(operation: int, request_id: int) -> bytes:
        stale = reply(operation, request_id ^ 1, b"stale")
        event = reply(WATCH_EVENT, request_id, b"path\0token\0")
        return stale + event + reply(operation, request_id, b"right")

    store = connect(peer(answer).path)
    assert store.read("a") == b"right"
    store.close()


@pytest.mark.parametrize(
    "answer",
    [
        lambda operation, request_id: b"",  # closes
        lambda operation, request_id: HEADER.pack(operation, request_id, 0, 5000),
        lambda operation, request_id: reply(WRITE, request_id, b"OK\0"),
        lambda operation, request_id: reply(99, request_id, b""),
    ],
)
def test_a_peer_that_answers_nonsense_is_left_and_met_anew(
    peer: PeerMaker, answer: Callable[[int, int], bytes]
) -> None:
    there = peer(answer)
    store = connect(there.path)
    for attempt in (1, 2):
        with pytest.raises(XenstoreError):
            store.read("a")
        with pytest.raises(XenstoreError):
            store.read("a")
        assert there.connections == 2 * attempt
    store.close()


def test_errors_that_nobody_ever_heard_of_are_refusals(peer: PeerMaker) -> None:
    store = connect(peer(lambda _, request_id: reply(ERROR, request_id, b"E\xff\0")).path)
    with pytest.raises(Refused):
        store.read("a")
    store.close()


def test_no_xenstore_no_answer_and_too_long_a_value_are_named(tmp_path: Path, peer: PeerMaker) -> None:
    with pytest.raises(XenstoreError, match="No such file"):
        connect(tmp_path / "nothing").read("a")
    with pytest.raises(XenstoreError, match="does not answer within 5 s"):
        Xenstore("x", Impatience()).read("a")  # type: ignore[arg-type]
    store = connect(peer(lambda operation, request_id: reply(operation, request_id, b"")).path)
    with pytest.raises(XenstoreError, match="4096"):
        store.write("a", bytes(4080))
    with pytest.raises(XenstoreError):
        store.write("a", bytes(5000))
    store.write("a", bytes(4078))
    store.close()


def test_a_device_gets_each_request_in_one_write_and_empty_replies_are_not_read() -> None:
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    writes: list[bytes] = []

    def answer() -> None:
        for value in (b"", b"value"):
            message = os.read(ours, 8192)
            writes.append(message)
            operation, request_id, _, size = HEADER.unpack(message[:16])
            assert size == len(message) - 16
            os.write(ours, reply(operation, request_id, value))

    thread = threading.Thread(target=answer)
    thread.start()
    store = connect(os.ttyname(theirs))
    assert store.read("a") == b""
    assert store.read("a") == b"value"
    thread.join()
    store.close()
    os.close(ours)
    os.close(theirs)
    assert len(writes) == 2


def test_pyxs_is_whole_for_who_imports_it_before_or_after_us() -> None:
    ours = "import guest_agent.packets as ours, sys; assert ours.Op.READ == 2\n"
    check = (
        "import pyxs, pyxs._internal; assert pyxs.Client and pyxs._internal.Packet and pyxs.exceptions.InvalidPath\n"
    )
    bare = "assert not [name for name in sys.modules if name.startswith('pyxs')]\n"
    for code in (ours + bare + check, check + ours + check):
        subprocess.run([sys.executable, "-c", code], timeout=30, check=True)
