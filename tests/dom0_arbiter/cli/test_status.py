"""`aerostat status` and `resume` say what is, what was done, and what to do where they can't."""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dom0_arbiter.cli import client
from dom0_arbiter.cli.main import aerostatd, main
from dom0_arbiter.service import SOCKET_PATH

MIB = 1024
DOMAIN: dict[str, Any] = {
    "domid": 5,
    "name": "web-1",
    "uuid": "u-5",
    "state": "ok",
    "actual_kib": 500 * MIB,
    "target_kib": 500 * MIB,
    "maxmem_kib": 501 * MIB,
    "floor_kib": 300 * MIB,
    "working_set_kib": 450 * MIB,
    "need_kib": 530 * MIB,
    "comfort_kib": 600 * MIB,
    "short_kib": 30 * MIB - 4,
    "report_age_s": 0.2,
    "last_decision": None,
}
STATUS: dict[str, Any] = {
    "host": {
        "memory_kib": 7957 * MIB,
        "free_kib": 83 * MIB,
        "slack_kib": 64 * MIB,
        "free_pool_kib": 162 * MIB,
    },
    "hypervisor": "xl",
    "domains": [DOMAIN],
    "warnings": [],
}


@contextmanager
def answering(path: Path, answers: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """An arbiter that gives these answers in turn, and notes what it was asked."""
    asked: list[dict[str, Any]] = []

    def serve(listener: socket.socket) -> None:
        for answer in answers:
            connection, _ = listener.accept()
            with connection, connection.makefile("rwb") as lines:
                asked.append(json.loads(lines.readline()))
                lines.write(json.dumps(answer).encode() + b"\n")

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        server = threading.Thread(target=serve, args=(listener,), daemon=True)
        server.start()
        yield asked
        server.join(timeout=5)


def test_a_domain_below_its_need_is_seen_to_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "s"
    with answering(path, [STATUS]):
        assert main(["status", "--socket", str(path)]) == 0
    title, heading, row, *_ = capsys.readouterr().out.splitlines()
    assert "free 83 MiB (kept: slack 64; the pool aims at 162)" in title
    assert "through xl" in title
    assert " ".join(heading.split()) == "id name state actual target maxmem floor w. set need short report"
    assert " ".join(row.split()) == "5 web-1 ok 500 500 501 300 450 530 30 0 s"


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("manual", "web-1 (domain 5): managed again"),
        ("ok", "web-1 (domain 5): nothing changed: it was not manual, but ok"),
        ("excluded", "web-1 (domain 5): nothing changed: it is excluded by the configuration"),
    ],
)
def test_resume_says_what_it_did(state: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "s"
    before = STATUS | {"domains": [DOMAIN | {"state": state}]}
    with answering(path, [before, {"kind": "resume"}]) as asked:
        assert main(["resume", "u-5", "--socket", str(path)]) == 0
    assert asked[1] == {"command": "resume", "domain": "u-5"}
    assert capsys.readouterr().out == words + "\n"


def test_who_cannot_reach_the_arbiter_is_told_what_to_look_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "--socket", str(tmp_path / "none")]) == 3
    assert "is aerostatd running?" in capsys.readouterr().err


def test_who_is_not_root_is_told_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    class Forbidden(socket.socket):
        def connect(self, _: object) -> None:
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("socket.socket", Forbidden)
    assert main(["status"]) == 3
    assert "Permission denied; run this as root" in capsys.readouterr().err


def test_the_socket_is_where_the_arbiter_has_it() -> None:
    assert client.SOCKET_PATH == SOCKET_PATH


def without(packages: Sequence[str], code: str) -> subprocess.CompletedProcess[str]:
    """Run where those packages are not installed, as far as Python can tell."""
    blocked = f"""
import importlib.abc, sys
class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in {list(packages)!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
from dom0_arbiter.cli.main import aerostatd, main
sys.exit({code})
"""
    return subprocess.run([sys.executable, "-c", blocked], capture_output=True, text=True, timeout=60, check=False)


EXTRAS = ["trio", "msgspec", "psutil", "pyxs", "rich", "plotly", "jinja2", "markupsafe"]


def test_status_as_json_needs_no_extra(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with answering(path, [STATUS]):
        done = without(EXTRAS, f'main(["status", "--json", "--socket", {str(path)!r}])')
    assert (done.returncode, done.stderr, json.loads(done.stdout)) == (0, "", STATUS)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ('main(["demo"])', "aerostat: trio is not installed: it comes with aerostat[dom0,ui]\n"),
        ('main(["bench"])', "comes with aerostat[dom0,ui]\n"),
        ('main(["simulate", "s.toml"])', "comes with aerostat[dom0,ui]\n"),
        ("aerostatd()", "aerostatd: trio is not installed: it comes with aerostat[dom0,ui]\n"),
    ],
)
def test_what_is_missing_is_named_with_the_extra_that_brings_it(code: str, words: str) -> None:
    done = without(EXTRAS, code)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith(words)
    assert done.stderr.count("\n") == 1


def test_a_table_needs_the_extra_that_draws_it(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with answering(path, [STATUS]):
        done = without(["rich"], f'main(["status", "--socket", {str(path)!r}])')
    assert done.returncode == 2
    assert done.stderr == "aerostat: rich is not installed: it comes with aerostat[dom0,ui]\n"


def test_a_module_of_our_own_that_is_missing_is_a_bug_and_seen_as_one() -> None:
    done = without(["guest_agent"], 'main(["demo"])')
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_the_arbiters_command_is_the_arbiters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dom0_arbiter.service.main.main", lambda: 7)
    assert aerostatd() == 7
