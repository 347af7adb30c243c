"""The disk that carries what is under test: our wheel with its dependencies, packaging's files, the lab's own programs.

Built anew for every run and mounted read-only at /app by dom0 and by guests; the root disk's links lead there, so that
things stand where packages put them: /usr/lib/aerostat, /usr/bin/aerostat*, /etc/aerostat.
"""

import configparser
import hashlib
import shutil
import sys
import tempfile
import tomllib
from pathlib import Path

from tests.xenlab import tools
from tests.xenlab.images import make_disk

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCES = ("protocol", "guest_agent", "dom0_arbiter", "pyproject.toml", "README.md", "LICENSE")
DISK_MIB = 96
# Debian 12's interpreter, whatever runs this.
PYTHON_TAGS = ("--only-binary=:all:", "--python-version=3.11", "--implementation=cp", "--platform=manylinux2014_x86_64")
LAUNCHER = """#!/usr/bin/python3
import sys
sys.path.insert(0, "/usr/lib/aerostat")
from {module} import {function}
sys.exit({function}())
"""


def build_app_disk(cache: Path, disk: Path) -> None:
    """Write the disk image; raise LabError where the wheel, a dependency or the C program does not build."""
    with tempfile.TemporaryDirectory(dir=cache, prefix="app-") as name:
        tree = Path(name) / "tree"
        private = tree / "usr/lib/aerostat"
        shutil.copytree(_dependencies(cache), private)
        _install_wheel(Path(name), private)
        _install_commands(private, tree / "usr/bin")
        (tree / "etc/aerostat").mkdir(parents=True)
        shutil.copy(REPOSITORY / "packaging/etc/aerostatd.toml", tree / "etc/aerostat/aerostatd.toml")
        _install_lab(tree / "lab")
        make_disk(tree, disk, DISK_MIB)


def exec_start(unit: str) -> list[str]:
    """How a unit in packaging/systemd starts its program: its command line, with the scheduling and the standing before
    the OOM killer that the unit asks for. LabError where it has none.
    """
    path = REPOSITORY / "packaging/systemd" / unit
    try:
        parser = configparser.ConfigParser(interpolation=None, strict=False, comment_prefixes=("#", ";"))
        parser.optionxform = str  # type: ignore[assignment,method-assign]  # systemd's keys are case-sensitive
        parser.read_string(path.read_text())
        service = parser["Service"]
        command = service["ExecStart"].lstrip("-@:+!").split()
        standing = ["choom", "-n", service.get("OOMScoreAdjust", "0"), "--"]
        if service.get("CPUSchedulingPolicy") == "rr":
            standing += ["chrt", "--rr", service["CPUSchedulingPriority"]]
    except (OSError, KeyError, configparser.Error) as error:
        raise tools.LabError(f"{path}: no ExecStart= to start the program by: {error}") from error
    return [*standing, *command]


def _pip(*arguments: str | Path) -> None:
    tools.run(sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", *arguments)


def _dependencies(cache: Path) -> Path:
    """Third-party packages for both sides, cached by what pyproject.toml asks for."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(one for extra in ("guest", "dom0") for one in project["optional-dependencies"][extra]),
    ]
    key = hashlib.sha256("\n".join([*PYTHON_TAGS, *wanted]).encode()).hexdigest()[:16]
    folder = cache / "dependencies" / key
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix="dependencies-") as name:
            target = Path(name) / "target"
            _pip("install", "--target", target, *PYTHON_TAGS, *wanted)
            target.rename(folder)
    return folder


def _install_wheel(scratch: Path, private: Path) -> None:
    # From a copy: building in place would litter the checkout and pick up what earlier builds left in it.
    source = scratch / "source"
    source.mkdir()
    for name in SOURCES:
        if (REPOSITORY / name).is_dir():
            shutil.copytree(REPOSITORY / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(REPOSITORY / name, source / name)
    _pip("wheel", "--no-deps", "-w", scratch / "wheel", source)
    wheel = next((scratch / "wheel").glob("aerostat-*.whl"))
    _pip("install", "--target", private, "--no-deps", *PYTHON_TAGS, wheel)
    shutil.rmtree(private / "bin", ignore_errors=True)  # scripts for the interpreter that ran pip


def _install_commands(private: Path, target: Path) -> None:
    target.mkdir(parents=True)
    entry_points = configparser.ConfigParser()
    entry_points.read(next(private.glob("aerostat-*.dist-info")) / "entry_points.txt")
    for command, where in entry_points["console_scripts"].items():
        module, function = where.split(":")
        (target / command).write_text(LAUNCHER.format(module=module, function=function))
        (target / command).chmod(0o755)


def _install_lab(target: Path) -> None:
    target.mkdir()
    sources = sorted(Path(__file__).with_name("guest").glob("*.c"))
    tools.run("gcc", "-static", "-O2", "-Wall", "-Wextra", "-Werror", "-o", target / "labtool", *sources)
    tests = target / "python/tests"
    ignore = shutil.ignore_patterns("__pycache__", "recipe", "guest", "test_*")
    shutil.copytree(Path(__file__).parent, tests / "xenlab", ignore=ignore)
    shutil.copy(REPOSITORY / "tests/__init__.py", tests)
