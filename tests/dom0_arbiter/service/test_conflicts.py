"""Two balancers on one host undo each other's work, so the second one does not start."""

from pathlib import Path

import pytest

from dom0_arbiter.service.conflicts import ConflictError, check_no_rival

FIXED = "console=com1 dom0_mem=768M,max:768M"


def check(tmp_path: Path, conf: str, commandline: str) -> None:
    path = tmp_path / "xl.conf"
    path.write_text(conf)
    check_no_rival(xl_conf=path, rivals={}, xen_commandline=commandline)


@pytest.mark.parametrize(
    ("conf", "commandline"),
    [
        ('autoballoon="off"', ""),
        ("autoballoon=0", ""),
        ("", FIXED),
        ('#autoballoon="on"', FIXED),
        ('autoballoon="auto"', FIXED),
    ],
)
def test_a_dom0_of_fixed_size_is_fine(tmp_path: Path, conf: str, commandline: str) -> None:
    check(tmp_path, conf, commandline)


@pytest.mark.parametrize(
    ("conf", "commandline", "said"),
    [
        ('autoballoon="on"', FIXED, 'must be "off"'),
        ("", "dom0_mem=768M", "without dom0_mem"),
        ('autoballoon="auto"', "", "without dom0_mem"),
    ],
)
def test_xl_that_would_balloon_dom0_is_refused(tmp_path: Path, conf: str, commandline: str, said: str) -> None:
    with pytest.raises(ConflictError, match=said):
        check(tmp_path, conf, commandline)


def test_a_rival_is_named(tmp_path: Path) -> None:
    socket = tmp_path / "qmemman.sock"
    socket.touch()
    with pytest.raises(ConflictError, match="qmemman"):
        check_no_rival(xl_conf=tmp_path / "none", rivals={socket: "qmemman"}, xen_commandline=FIXED)
