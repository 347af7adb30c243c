"""The client's requests, on the real xenstored and on the embedded one alike."""

import random

import pytest
import trio

from dom0_arbiter.xen import (
    Conflict,
    NoSuchPath,
    PermissionRefused,
    QuotaExceeded,
    Transaction,
    Xenstore,
    XenstoreLocalError,
    XenstoreRefused,
    open_xenstore,
)

from .any_xenstore import AnyXenstore

HOME = "/local/domain/7"


async def test_values_are_kept_byte_for_byte(store: AnyXenstore) -> None:
    values = [b"", b"\0", b"x\0", b"\0\0\0", bytes(range(256)), "größe".encode(), bytes(4096 - len("/tool/largest\0"))]
    async with open_xenstore(store.path) as xs:
        for value in values:
            await xs.write("/tool/largest", value)
            assert await xs.read("/tool/largest") == value


async def test_one_byte_too_many_is_refused_by_us_and_costs_nothing(store: AnyXenstore) -> None:
    async with open_xenstore(store.path) as xs:
        await xs.write("/tool/a", b"kept")
        with pytest.raises(XenstoreLocalError, match="WRITE /tool/a: 4097 bytes"):
            await xs.write("/tool/a", bytes(4097 - len("/tool/a\0")))
        with pytest.raises(XenstoreLocalError, match="can't be a path"):
            await xs.read("/tool/a\n")
        assert await xs.read("/tool/a") == b"kept"
        assert xs.generation == 1


async def test_nodes_come_and_go(store: AnyXenstore) -> None:
    async with open_xenstore(store.path) as xs:
        with pytest.raises(NoSuchPath, match="READ /tool/a/b: ENOENT"):
            await xs.read("/tool/a/b")
        await xs.write("/tool/a/b", b"1")
        await xs.mkdir("/tool/a/b")
        await xs.mkdir("/tool/a/c/d")
        assert await xs.read("/tool/a/b") == b"1"
        assert await xs.read("/tool/a") == b""
        assert sorted(await xs.directory("/tool/a")) == ["b", "c"]
        await xs.remove("/tool/a/c")
        assert not await xs.exists("/tool/a/c/d")
        await xs.remove("/tool/a/c")
        assert await xs.directory("/tool/a/b") == []
        with pytest.raises(NoSuchPath):
            await xs.remove("/tool/x/y/z")
        with pytest.raises(NoSuchPath):
            await xs.directory("/tool/x")
        with pytest.raises(XenstoreRefused):
            await xs.remove("/")


async def test_many_are_read_and_written_at_once(store: AnyXenstore) -> None:
    values = {f"/tool/{number}": str(number).encode() for number in range(300)}
    async with open_xenstore(store.path) as xs:
        await xs.write_many(values)
        assert await xs.read_many([*values, "/tool/absent", "/tool/0"]) == values
        assert await xs.read_many([]) == {}
        await xs.write_many({})


async def test_a_directory_of_any_length_is_listed(store: AnyXenstore) -> None:
    names = {f"name-of-some-length-{number}" for number in range(1500)}
    async with open_xenstore(store.path) as xs:
        await xs.write_many({f"/tool/long/{name}": b"" for name in names})
        listed = await xs.directory("/tool/long")
        assert len(listed) == len(names)
        assert set(listed) == names


async def test_a_directory_that_changes_while_it_is_listed_is_listed_right_or_not_at_all(store: AnyXenstore) -> None:
    names = {f"name-of-some-length-{number}" for number in range(800)}
    async with open_xenstore(store.path) as xs, trio.open_nursery() as nursery:
        await xs.write_many({f"/tool/long/{name}": b"" for name in names})

        async def disturb() -> None:
            for number in range(40):
                await xs.write(f"/tool/long/other-{number}", b"")
                await trio.sleep(0.001)

        nursery.start_soon(disturb)
        for _ in range(20):
            try:
                listed = await xs.directory("/tool/long")
            except Conflict:
                continue
            assert len(listed) == len(set(listed))
            assert names <= set(listed)


async def test_permissions_are_read_set_and_inherited(store: AnyXenstore) -> None:
    as_guest = await store.add(7)
    async with open_xenstore(store.path) as xs, open_xenstore(as_guest) as guest:
        await xs.write(f"{HOME}/aerostat/grant", b"1")
        assert await xs.get_perms(f"{HOME}/aerostat/grant") == ["n0", "r7"]
        assert await guest.read("aerostat/grant") == b"1"
        await xs.set_perms(f"{HOME}/aerostat/grant", ["n0"])
        assert await xs.get_perms(f"{HOME}/aerostat/grant") == ["n0"]
        with pytest.raises(PermissionRefused, match="READ aerostat/grant: EACCES"):
            await guest.read("aerostat/grant")
        with pytest.raises(PermissionRefused):
            await guest.read_many(["aerostat/grant", "memory/target"])
        with pytest.raises(PermissionRefused):
            await guest.write_many({"data/fine": b"1", "memory/target": b"1"})
        assert await xs.read(f"{HOME}/data/fine") == b"1", "what was not refused is done"


async def test_quotas_are_named(store: AnyXenstore) -> None:
    async with open_xenstore(await store.add(7)) as guest:
        with pytest.raises(QuotaExceeded, match="data/big"):
            await guest.write("data/big", bytes(2049))


async def test_a_thousand_tasks_get_their_own_answers(store: AnyXenstore) -> None:
    async with open_xenstore(store.path) as xs:
        await xs.write_many({f"/tool/{number}": str(number).encode() for number in range(1000)})

        async def check(number: int) -> None:
            if number % 10 == 0:
                assert not await xs.exists(f"/tool/absent-{number}")
            assert await xs.read(f"/tool/{number}") == str(number).encode()

        async with trio.open_nursery() as nursery:
            for number in range(1000):
                nursery.start_soon(check, number)


async def test_cancellation_in_mid_request_never_mixes_up_answers(store: AnyXenstore) -> None:
    """As a guest, whom the daemon allows ten transactions and a hundred odd watches: what is left behind would tell."""
    dice = random.Random(7)
    async with open_xenstore(await store.add(7)) as xs:
        await xs.write_many({f"data/{number}": str(number).encode() for number in range(50)})

        async def one(number: int) -> None:
            kind = dice.randrange(4)
            if kind == 0:
                assert await xs.read(f"data/{number}") == str(number).encode()
            elif kind == 1:
                assert len(await xs.read_many(f"data/{each}" for each in range(50))) == 50
            elif kind == 2:
                async with xs.transaction() as transaction:
                    assert await transaction.read(f"data/{number}") == str(number).encode()
                    await transaction.write(f"data/{number}", b"never committed")
                    await trio.sleep_forever()
            else:
                async with xs.watch(f"data/{number}") as watches:
                    assert (await anext(watches)).path == f"data/{number}"

        async def storm() -> None:
            for _ in range(60):
                with trio.move_on_after(dice.choice([0, 0.0001, 0.0005, 0.002])):
                    await one(dice.randrange(50))

        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(storm)
        assert await xs.read_many(f"data/{number}" for number in range(50)) == {
            f"data/{number}": str(number).encode() for number in range(50)
        }
        await hold_transactions(xs, 10)
        async with xs.watch(*(f"data/{number}" for number in range(100))):
            pass
        assert xs.generation == 1


async def hold_transactions(xs: Xenstore, count: int) -> None:
    """Have `count` transactions at the same time."""
    if count:
        async with xs.transaction():
            await hold_transactions(xs, count - 1)


async def test_a_transaction_is_done_at_its_end_or_not_at_all(store: AnyXenstore) -> None:
    async with open_xenstore(store.path) as xs, open_xenstore(store.path) as other:
        async with xs.transaction() as transaction:
            await transaction.write("/tool/a", b"1")
            assert await transaction.exists("/tool/a")
            assert not await other.exists("/tool/a")
            assert not await xs.exists("/tool/a"), "the same connection, but outside"
        assert await other.read("/tool/a") == b"1"

        with pytest.raises(ZeroDivisionError):
            async with xs.transaction() as transaction:
                await transaction.write("/tool/a", b"2")
                raise ZeroDivisionError
        with trio.move_on_after(0.05):
            async with xs.transaction() as transaction:
                await transaction.write("/tool/a", b"3")
                await trio.sleep_forever()
        async with xs.transaction() as transaction:
            await transaction.write("/tool/a", b"4")
            transaction.abort()
            assert transaction.over
            with pytest.raises(XenstoreLocalError, match="is over"):
                await transaction.read("/tool/a")
        assert await other.read("/tool/a") == b"1"


async def test_a_conflict_is_named_and_nothing_is_done(store: AnyXenstore) -> None:
    async with open_xenstore(store.path) as xs:
        await xs.write("/tool/a", b"1")
        with pytest.raises(Conflict):
            async with xs.transaction() as transaction:
                await transaction.write("/tool/b", await transaction.read("/tool/a"))
                await xs.write("/tool/a", b"2")
        assert not await xs.exists("/tool/b")


async def test_transact_counts_right_though_many_count_at_once(store: AnyXenstore) -> None:
    async with open_xenstore(store.path) as xs:
        await xs.write("/tool/count", b"0")

        async def increment() -> None:
            async with open_xenstore(store.path) as mine:
                for _ in range(5):
                    await mine.transact(add_one)

        async def add_one(transaction: Transaction) -> None:
            value = int(await transaction.read("/tool/count"))
            await transaction.write("/tool/count", str(value + 1).encode())

        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(increment)
        assert await xs.read("/tool/count") == b"20"
