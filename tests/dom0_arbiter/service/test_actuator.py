"""In which order a plan reaches Xen and xenstore."""

from collections.abc import Awaitable, Callable
from typing import Any

import trio

from dom0_arbiter.engine import Action, SetMaxmem, WriteTarget
from dom0_arbiter.service.actuator import Actuator


class Noting:
    """Xen and xenstore in one: notes what reaches either, in order."""

    name = "noting"
    maxmem_follows_target = False

    def __init__(self) -> None:
        self.noted: list[str] = []

    async def set_maxmem(self, domid: int, maxmem_kib: int) -> None:
        self.noted.append(f"maxmem {maxmem_kib}")

    async def transact(self, function: Callable[[Any], Awaitable[Any]]) -> Any:
        return await function(self)

    async def read_many(self, paths: Any) -> dict[str, bytes]:
        return dict.fromkeys(paths, b"")

    async def write_many(self, values: dict[str, bytes]) -> None:
        self.noted += [f"target {value.decode()}" for value in values.values()]


def carried_out(*actions: Action) -> list[str]:
    noting = Noting()
    assert trio.run(Actuator(noting, noting).apply, actions) == []  # type: ignore[arg-type]
    return noting.noted


def write(target_kib: int) -> WriteTarget:
    return WriteTarget(domid=1, target_kib=target_kib)


def limit(maxmem_kib: int) -> SetMaxmem:
    return SetMaxmem(domid=1, maxmem_kib=maxmem_kib)


def test_maxmem_comes_first_to_grow_and_last_to_shrink() -> None:
    assert carried_out(limit(901), write(900)) == ["maxmem 901", "target 900"]
    assert carried_out(write(500), limit(501)) == ["target 500", "maxmem 501"]


def test_a_driver_that_is_woken_and_grown_in_one_plan_is_not_asked_beyond_its_maxmem() -> None:
    assert carried_out(write(500), limit(901), write(900)) == ["maxmem 901", "target 900"]
