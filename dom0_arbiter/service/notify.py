"""Tells the service manager how we are: sd_notify(3), the protocol being one datagram of lines."""

import os
import socket


def notify(*lines: str) -> None:
    """Send lines such as READY=1 to the socket that $NOTIFY_SOCKET names; without one, nobody asked."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # Linux's abstract namespace
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
        try:
            manager.sendto("\n".join(lines).encode(), address)
        except OSError:
            # The manager watches us, not we it: without news from us it acts by its own settings.
            return
