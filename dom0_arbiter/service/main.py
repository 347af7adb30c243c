"""The command `aerostatd`."""

import argparse
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import trio

from dom0_arbiter.policy import Settings
from dom0_arbiter.service.admin import SOCKET_PATH, SocketInUseError, listen_admin
from dom0_arbiter.service.config import ConfigError, read_settings
from dom0_arbiter.service.conflicts import ConflictError, check_no_rival
from dom0_arbiter.service.daemon import Arbiter
from dom0_arbiter.xen import Hypervisor, HypervisorError, find_hypervisor, open_xenstore
from protocol import __version__

CONFIG_PATH = Path("/etc/aerostat/aerostatd.toml")
EXIT_BAD_INPUT = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the arbiter until SIGTERM or SIGINT. Returns the exit status: 0, or 2 where it refused to start."""
    parser = argparse.ArgumentParser(prog="aerostatd", description="Divides a Xen host's memory among its domains.")
    parser.add_argument(
        "--config", type=Path, default=CONFIG_PATH, metavar="FILE", help="configuration (default: %(default)s)"
    )
    parser.add_argument("--verbose", action="store_true", help="log more than decisions and warnings")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.DEBUG if options.verbose else logging.INFO, format="%(message)s")
    try:
        settings = read_settings(options.config)
        hypervisor = find_hypervisor()
        check_no_rival(xen_commandline=trio.run(hypervisor.xen_commandline))
        trio.run(_serve, settings, hypervisor)
    except (ConfigError, HypervisorError, ConflictError, SocketInUseError) as error:
        print(f"aerostatd: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    return 0


async def _serve(settings: Settings, hypervisor: Hypervisor) -> None:
    listener = await listen_admin(SOCKET_PATH)
    try:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async with open_xenstore() as xenstore, trio.open_nursery() as nursery:
                nursery.start_soon(Arbiter(settings, xenstore, hypervisor).run, listener)
                await anext(signals)
                nursery.cancel_scope.cancel()
    finally:
        await trio.aclose_forcefully(listener)
        SOCKET_PATH.unlink(missing_ok=True)
