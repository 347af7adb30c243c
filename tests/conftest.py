"""Async tests run under trio, each for a minute at most; a slow machine is no failure of a property."""

import inspect

import pytest
import trio
from hypothesis import HealthCheck, settings

settings.register_profile("searching", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# The gate tries the same examples each time; `--hypothesis-profile searching` looks for new ones.
settings.register_profile("patient", settings.get_profile("searching"), derandomize=True)
settings.load_profile("patient")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an `async def test_...` as the main task of a trio loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(pyfuncitem.obj).parameters}

    async def limited() -> None:
        with trio.fail_after(60):
            await pyfuncitem.obj(**arguments)

    trio.run(limited)
    return True
