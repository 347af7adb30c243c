"""Subcommands, and exit statuses: 0 done, 1 an expectation failed, 2 bad usage or input, 3 no arbiter to be reached."""

import argparse
import sys
from collections.abc import Sequence

from dom0_arbiter.cli import bench, demo, replay, simulate, status
from protocol import __version__


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, run the subcommand, return the exit status."""
    parser = argparse.ArgumentParser(prog="aerostat", description="Memory for Xen's guests, divided while they run.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for module in (status, demo, simulate, replay, bench):
        module.add_command(commands)
    options = parser.parse_args(arguments)
    try:
        return int(options.run(options))
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has seen enough
        return 0


if __name__ == "__main__":
    sys.exit(main())
