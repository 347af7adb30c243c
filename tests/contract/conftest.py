"""Fixtures: a fresh server of each kind, and clients of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.servers import Clients, Server, embedded, real
from tests.contract.wire_client import WireClient
from tests.integration.real_xenstored import compile_shim, missing


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the real daemon runs under; skips where there is none."""
    lack = missing()
    if lack is not None:
        pytest.skip(lack)
    return compile_shim(tmp_path_factory.mktemp("shim"))


@pytest.fixture(params=["embedded", "real"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A fresh xenstore without guests."""
    if request.param == "embedded":
        with embedded() as ours:
            yield ours
    else:
        with real(request.getfixturevalue("shim")) as theirs:
            yield theirs


@pytest.fixture
def clients(server: Server) -> Iterator[Clients]:
    """Makes connections, and guests where they are missing; closes them in the end."""
    made = Clients(server)
    yield made
    made.close()


@pytest.fixture
def dom0(clients: Clients) -> WireClient:
    return clients.dom0()


@pytest.fixture
def guest(clients: Clients) -> WireClient:
    """A client that is domain 5."""
    return clients.guest(5)


@pytest.fixture
def other(clients: Clients) -> WireClient:
    """A client that is domain 6."""
    return clients.guest(6)
