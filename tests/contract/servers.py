"""The servers under the contract, behind one face: what to connect to, and domains that come and go."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Protocol

import trio

from dom0_arbiter.simulator.xenstored import XenstoreServer, serve_xenstore
from tests.contract.wire_client import WireClient
from tests.integration.real_xenstored import RealXenstored


class Server(Protocol):
    """A fresh xenstore. Domains are made and removed as by `xl`."""

    def dom0_path(self) -> Path: ...
    def guest_path(self, domid: int) -> Path: ...
    def add(self, domid: int) -> None: ...
    def remove(self, domid: int) -> None: ...


class Clients:
    """Connections to one server, closed together."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._open: list[WireClient] = []
        self._domids: set[int] = set()

    def dom0(self) -> WireClient:
        return self._connect(self.server.dom0_path())

    def guest(self, domid: int) -> WireClient:
        """Connect as a guest, which is made if it is not there. The real one's bridge takes one client at a time."""
        if domid not in self._domids:
            self.server.add(domid)
            self._domids.add(domid)
        return self._connect(self.server.guest_path(domid))

    def remove(self, domid: int) -> None:
        """The domain dies and its directories go, as by `xl destroy`."""
        self._domids.remove(domid)
        self.server.remove(domid)

    def close(self) -> None:
        for client in self._open:
            client.close()

    def _connect(self, path: Path) -> WireClient:
        client = WireClient(path)
        self._open.append(client)
        return client


class Real:
    """Xen's daemon; see tests/integration."""

    def __init__(self, daemon: RealXenstored) -> None:
        self._daemon = daemon

    def dom0_path(self) -> Path:
        return self._daemon.path

    def guest_path(self, domid: int) -> Path:
        return self._daemon.guest_path(domid)

    def add(self, domid: int) -> None:
        self._daemon.add_guest(domid)

    def remove(self, domid: int) -> None:
        self._daemon.remove_guest(domid)


class Embedded:
    """Ours, in a thread of its own, as its tests are synchronous."""

    def __init__(self, server: XenstoreServer, token: trio.lowlevel.TrioToken) -> None:
        self._server = server
        self._token = token

    def dom0_path(self) -> Path:
        return self._server.dom0_socket

    def guest_path(self, domid: int) -> Path:
        return self._server.guest_socket(domid)

    def add(self, domid: int) -> None:
        trio.from_thread.run_sync(self._server.add_domain, domid, trio_token=self._token)

    def remove(self, domid: int) -> None:
        trio.from_thread.run_sync(self._server.remove_domain, domid, trio_token=self._token)


@contextmanager
def real(shim: Path) -> Iterator[Real]:
    daemon = RealXenstored(shim)
    try:
        daemon.start()
        yield Real(daemon)
    finally:
        daemon.close()


@contextmanager
def embedded() -> Iterator[Embedded]:
    started, stop = Event(), trio.Event()
    servers: list[Embedded] = []
    failures: list[BaseException] = []

    async def serve(directory: Path) -> None:
        async with serve_xenstore(directory) as server:
            servers.append(Embedded(server, trio.lowlevel.current_trio_token()))
            started.set()
            await stop.wait()

    def run(directory: Path) -> None:
        try:
            trio.run(serve, directory)
        except BaseException as error:  # noqa: BLE001 - raised below, in the test's thread
            failures.append(error)
            started.set()

    with tempfile.TemporaryDirectory(prefix="xs-") as directory:  # a socket's address holds 107 bytes
        thread = Thread(target=run, args=(Path(directory),))
        thread.start()
        started.wait()
        try:
            if servers:
                yield servers[0]
        finally:
            if not failures:
                servers[0]._token.run_sync_soon(stop.set)
            thread.join()
            if failures:
                raise failures[0]
