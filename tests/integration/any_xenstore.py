"""The real xenstored or the embedded one, for async tests of what a client may expect of both."""

from pathlib import Path

import trio

from tests.contract.servers import Server


class AnyXenstore:
    """A fresh xenstore; `path` is dom0's socket. Domains come and go as by `xl`."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.path = server.dom0_path()

    async def add(self, domid: int) -> Path:
        """Make a domain; returns the socket on which a client is that domain."""
        await trio.to_thread.run_sync(self._server.add, domid)
        return self._server.guest_path(domid)

    async def remove(self, domid: int) -> None:
        await trio.to_thread.run_sync(self._server.remove, domid)
