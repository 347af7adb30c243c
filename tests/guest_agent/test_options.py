"""The command line: a table of arguments and what becomes of them, and the command itself."""

import subprocess
import sys
from pathlib import Path

import pytest

from guest_agent.options import Options, UsageError
from tests.guest_agent.kernels import PlayedProcfs


def test_the_defaults() -> None:
    options = Options([])
    assert (options.socket, options.source, options.procfs) == (None, "procfs", "/proc")
    assert not (options.once or options.stdout or options.help or options.version)


def test_values_stand_apart_or_behind_an_equals_sign() -> None:
    for arguments in (["--socket", "/s", "--procfs", "/p"], ["--socket=/s", "--procfs=/p"]):
        options = Options(arguments)
        assert (options.socket, options.procfs) == ("/s", "/p")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("--sokcet /s", "unknown option '--sokcet': did you mean --socket?"),
        ("-x", "unknown option '-x'"),
        ("--socket", "--socket needs a value"),
        ("--socket=", "--socket needs a value"),
        ("--once=1", "--once takes no value"),
        ("--once --once", "--once is given twice"),
        ("here", "unexpected argument 'here'"),
        ("--source magic", "--source magic: procfs or psutil expected"),
        ("--stdout --socket /s", "--stdout and --socket exclude each other"),
        ("--footprint --once", "--footprint excludes --once, --stdout and --socket"),
        ("--footprint --socket /s", "--footprint excludes --once, --stdout and --socket"),
        ("--config /c --stdout", "--config means nothing with --stdout or --footprint"),
        ("--json", "--json goes with --footprint"),
        ("--source psutil --procfs /p", "--procfs means nothing with --source psutil"),
    ],
)
def test_a_wrong_command_line_says_what_is_wrong(arguments: str, complaint: str) -> None:
    with pytest.raises(UsageError) as error:
        Options(arguments.split())
    assert str(error.value) == complaint


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "guest_agent", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_bad_usage_exits_with_2_and_points_at_the_help() -> None:
    done = run("--sokcet")
    assert (done.returncode, done.stdout) == (2, "")
    assert "did you mean --socket?" in done.stderr
    assert "usage: aerostat-agent" in done.stderr
    assert "--help" in done.stderr


def test_help_names_every_option_and_version_is_one_line() -> None:
    done = run("--help")
    assert (done.returncode, done.stderr) == (0, "")
    for option in ("--socket", "--source", "--procfs", "--once", "--stdout", "--version", "--help", "Exit status"):
        assert option in done.stdout
    assert run("--version").stdout.startswith("aerostat-agent ")


def test_memory_that_cannot_be_measured_exits_with_2(tmp_path: Path) -> None:
    done = run("--procfs", str(tmp_path), "--stdout")
    assert done.returncode == 2
    assert f"{tmp_path}/meminfo: No such file or directory" in done.stderr


def test_once_on_standard_output_is_one_line_for_people(tmp_path: Path) -> None:
    PlayedProcfs(tmp_path)
    done = run("--once", "--stdout", "--procfs", str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1
    assert "total_kib=199028 free_kib=23104 available_kib=131552" in done.stdout


def test_once_without_a_xenstore_exits_with_3(tmp_path: Path) -> None:
    done = run("--once", "--socket", str(tmp_path / "nothing"))
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert "No such file or directory" in done.stderr


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    PlayedProcfs(tmp_path)
    shell = f"{sys.executable} -m guest_agent --stdout --once --procfs {tmp_path} | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout, done.stderr) == ("0\n", "")
