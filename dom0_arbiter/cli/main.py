"""Subcommands, and exit statuses: 0 done, 1 an expectation failed, 2 bad usage or input, 3 no arbiter to be reached.

What is imported here must need nothing beyond the standard library and `protocol`: subcommands import the rest when
they run, and whoever lacks a part is told where it comes from.
"""

import argparse
import sys
from collections.abc import Callable, Sequence

from dom0_arbiter.cli import bench, conformance, demo, replay, simulate, status
from protocol import __version__

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130  # 128 and the number of SIGINT, as shells say it
# What the packages of pyproject.toml's extras are called when they are imported.
_EXTRAS = {
    "aerostat[dom0,ui]": ("trio", "msgspec", "psutil", "pyxs", "rich"),
    "aerostat[dom0,ui,report]": ("plotly", "jinja2", "markupsafe"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, run the subcommand, return the exit status."""
    parser = argparse.ArgumentParser(prog="aerostat", description="Memory for Xen's guests, divided while they run.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for module in (status, demo, simulate, replay, bench, conformance):
        module.add_command(commands)
    options = parser.parse_args(arguments)
    try:
        return _naming_extras("aerostat", lambda: int(options.run(options)))
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has seen enough
        return 0
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def aerostatd() -> int:
    """Run the arbiter's own command, which cannot even be imported where its extra is missing."""

    def run() -> int:
        from dom0_arbiter.service.main import main as run_arbiter  # noqa: PLC0415

        return run_arbiter()

    return _naming_extras("aerostatd", run)


def _naming_extras(program: str, run: Callable[[], int]) -> int:
    """Run; where a package of an extra is not installed, say which extra, and return 2. Other ImportErrors are bugs."""
    try:
        return run()
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        for extra, packages in _EXTRAS.items():
            if package in packages:
                print(f"{program}: {package} is not installed: it comes with {extra}", file=sys.stderr)
                return EXIT_BAD_INPUT
        raise


if __name__ == "__main__":
    sys.exit(main())
