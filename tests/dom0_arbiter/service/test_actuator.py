"""In which order a plan reaches Xen and xenstore."""

from collections.abc import Awaitable, Callable
from typing import Any

import trio

from dom0_arbiter.engine import Action, SendGrant, SetMaxmem, WriteTarget
from dom0_arbiter.service.actuator import Actuator
from protocol import Grant


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
        self.noted += [f"{path.rpartition('/')[2]} {value.decode()}" for path, value in values.items()]

    async def set_perms(self, path: str, perms: list[str]) -> None:
        assert path.endswith("/grant") and perms == ["n0", "r1"]


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


def test_a_guest_is_told_that_its_grant_is_over_before_it_is_stopped() -> None:
    over = SendGrant(domid=1, grant=Grant(version=1, extra_kib=0, echo_uptime_ms=0, duration_ms=0))
    given = SendGrant(domid=1, grant=Grant(version=1, extra_kib=9, echo_uptime_ms=0, duration_ms=9))
    assert [each.split()[0] for each in carried_out(over, limit(501))] == ["grant", "maxmem"]
    assert [each.split()[0] for each in carried_out(limit(901), given)] == ["maxmem", "grant"]
    assert [each.split()[0] for each in carried_out(over, write(500), limit(501))][-1] == "maxmem"


class ThroughXl(Noting):
    """One whose guest has video RAM."""

    maxmem_follows_target = True

    async def set_target(self, domid: int, target_kib: int) -> None:
        self.noted.append(f"mem-set {target_kib}")

    async def read_many(self, paths: Any) -> dict[str, bytes]:
        return {path: b"16" for path in paths if path.endswith("/memory/videoram")}


def test_xl_is_told_the_video_ram_that_libxl_leaves_out_of_the_target() -> None:
    noting = ThroughXl()
    assert trio.run(Actuator(noting, noting).apply, [limit(901), write(900)]) == []  # type: ignore[arg-type]
    assert noting.noted == ["mem-set 916"]


def test_a_driver_that_is_woken_and_grown_in_one_plan_is_not_asked_beyond_its_maxmem() -> None:
    assert carried_out(write(500), limit(901), write(900)) == ["maxmem 901", "target 900"]
