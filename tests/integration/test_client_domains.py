"""Writes below a domain that may be gone: what happens without the guard, and with it."""

import trio

from dom0_arbiter.xen import NoSuchPath, Transaction, open_xenstore

from .any_xenstore import AnyXenstore

HOME = "/local/domain/7"
TARGET = f"{HOME}/memory/target"


async def test_a_plain_write_brings_a_dead_domains_directory_back_to_life(store: AnyXenstore) -> None:
    await store.add(7)
    async with open_xenstore(store.path) as xs:
        await store.remove(7)
        assert not await xs.exists(HOME)
        await xs.write(TARGET, b"1")
        assert await xs.exists(HOME), "this is what the guard is for"


async def test_a_guarded_write_reaches_the_living_and_not_the_dead(store: AnyXenstore) -> None:
    await store.add(7)
    async with open_xenstore(store.path) as xs:
        assert await xs.write_if_domain_exists(7, {TARGET: b"262144", f"{HOME}/aerostat/grant": b"x"})
        assert await xs.read_many([TARGET, f"{HOME}/aerostat/grant"]) == {
            TARGET: b"262144",
            f"{HOME}/aerostat/grant": b"x",
        }
        await store.remove(7)
        assert not await xs.write_if_domain_exists(7, {TARGET: b"131072"})
        assert not await xs.exists(HOME)


async def test_a_domain_that_dies_between_check_and_write_stays_dead(store: AnyXenstore) -> None:
    await store.add(7)
    checks = 0
    async with open_xenstore(store.path) as xs:

        async def check_then_write(transaction: Transaction) -> bool:
            nonlocal checks
            checks += 1
            try:
                await transaction.read(f"{HOME}/domid")
            except NoSuchPath:
                transaction.abort()
                return False
            await store.remove(7)
            await transaction.write(TARGET, b"1")
            return True

        assert not await xs.transact(check_then_write)
        assert checks == 2, "the first was a conflict"
        assert not await xs.exists(HOME)


async def test_guarded_writes_get_through_while_the_guest_writes_as_it_can(store: AnyXenstore) -> None:
    as_guest = await store.add(7)
    async with (
        open_xenstore(store.path) as xs,
        open_xenstore(as_guest) as guest,
        trio.open_nursery() as nursery,
    ):

        async def flood() -> None:
            while True:
                await guest.write("data/aerostat/report", b"x" * 100)

        nursery.start_soon(flood)
        for number in range(50):
            assert await xs.write_if_domain_exists(7, {TARGET: b"%d" % number, f"{HOME}/aerostat/grant": b"x"})
        nursery.cancel_scope.cancel()


async def test_many_domains_may_be_written_at_the_same_time(store: AnyXenstore) -> None:
    domids = range(1, 31)
    for domid in domids:
        await store.add(domid)
    written: list[bool] = []
    async with open_xenstore(store.path) as xs:

        async def write(domid: int) -> None:
            values = {f"/local/domain/{domid}/memory/target": b"1", f"/local/domain/{domid}/aerostat/grant": b"x"}
            written.append(await xs.write_if_domain_exists(domid, values))

        async with trio.open_nursery() as nursery:
            for domid in domids:
                nursery.start_soon(write, domid)
    assert written == [True] * len(domids)
