"""Fixtures: the real xenstored, or a skip that names what is missing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.servers import embedded, real

from .any_xenstore import AnyXenstore
from .real_xenstored import RealXenstored, compile_shim, missing


@pytest.fixture(scope="session")
def xenstored_shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled shim, once per session."""
    lack = missing()
    if lack is not None:
        pytest.skip(lack)
    return compile_shim(tmp_path_factory.mktemp("shim"))


@pytest.fixture
def xenstored(xenstored_shim: Path) -> Iterator[RealXenstored]:
    """A fresh real xenstored, running and without guests."""
    daemon = RealXenstored(xenstored_shim)
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.close()


@pytest.fixture(params=["embedded", "real"])
def store(request: pytest.FixtureRequest) -> Iterator[AnyXenstore]:
    """A fresh xenstore of either kind, without guests."""
    made = embedded() if request.param == "embedded" else real(request.getfixturevalue("xenstored_shim"))
    with made as server:
        yield AnyXenstore(server)
