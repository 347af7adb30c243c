"""The client's watches, on the real xenstored and on the embedded one alike."""

import trio

from dom0_arbiter.xen import Change, Watches, Xenstore, open_xenstore

from .any_xenstore import AnyXenstore

REPORT = "/local/domain/7/data/aerostat/report"


async def unread(xs: Xenstore, watches: Watches) -> set[str]:
    """The paths of the changes that are unread once all that was done before this call has been told.

    A daemon puts the events of a request on every connection before it takes the next request: so an answer on ours
    says that all earlier ones are here.
    """
    await xs.exists("/")
    with trio.move_on_after(0.001):
        return {change.path for change in await watches.take()}
    return set()


async def test_a_watch_tells_of_itself_first_and_then_of_each_change(store: AnyXenstore) -> None:
    async with open_xenstore(store.path) as xs, open_xenstore(store.path) as other:
        async with xs.watch("/tool") as watches:
            assert await anext(watches) == Change("/tool", "/tool")
            for change in (other.write("/tool/a", b"1"), other.mkdir("/tool/a/b"), other.remove("/tool/a/b")):
                await change
                assert (await anext(watches)).path.startswith("/tool/a")
            await other.set_perms("/tool/a", ["n0", "r7"])
            assert await anext(watches) == Change("/tool", "/tool/a")
        assert watches.paths == []


async def test_one_change_may_be_told_to_many_and_to_one_for_many_paths(store: AnyXenstore) -> None:
    async with (
        open_xenstore(store.path) as xs,
        xs.watch("/tool/a", "/tool/b") as first,
        xs.watch("/tool/a") as second,
    ):
        assert await unread(xs, first) == {"/tool/a", "/tool/b"}
        assert await unread(xs, second) == {"/tool/a"}
        await xs.write_many({"/tool/a": b"", "/tool/b": b""})
        assert await unread(xs, first) == {"/tool/a", "/tool/b"}
        assert await unread(xs, second) == {"/tool/a"}
        first.remove("/tool/a")
        await first.add("/tool/c")
        await unread(xs, first)
        await xs.write_many({"/tool/a": b"", "/tool/b": b"", "/tool/c": b""})
        assert await unread(xs, first) == {"/tool/b", "/tool/c"}
        assert await unread(xs, second) == {"/tool/a"}


async def test_domains_that_come_and_go_are_told(store: AnyXenstore) -> None:
    async with open_xenstore(store.path) as xs, xs.watch("@introduceDomain", "@releaseDomain") as watches:
        assert await unread(xs, watches) == {"@introduceDomain", "@releaseDomain"}
        await store.add(7)
        assert await unread(xs, watches) == {"@introduceDomain"}
        await store.remove(7)
        assert await unread(xs, watches) == {"@releaseDomain"}


async def test_a_transaction_is_told_when_it_is_committed_and_only_then(store: AnyXenstore) -> None:
    async with open_xenstore(store.path) as xs, xs.watch("/tool") as watches:
        await unread(xs, watches)
        async with xs.transaction() as transaction:
            await transaction.write("/tool/a", b"1")
            assert await unread(xs, watches) == set()
        assert "/tool/a" in await unread(xs, watches)


async def test_a_guests_report_comes_with_one_read(store: AnyXenstore) -> None:
    as_guest = await store.add(7)
    async with (
        open_xenstore(store.path) as xs,
        open_xenstore(as_guest) as guest,
        xs.watch(REPORT) as watches,
    ):
        await anext(watches)
        for number in range(20):
            await guest.write("data/aerostat/report", b"%d" % number)
            changes = await watches.take()
            assert {change.watch for change in changes} == {REPORT}
            assert await xs.read_many([REPORT]) == {REPORT: b"%d" % number}


async def test_a_reader_that_sleeps_delays_nobody_and_then_finds_the_newest(store: AnyXenstore) -> None:
    async with open_xenstore(store.path) as xs, xs.watch("/tool/a") as watches:
        await unread(xs, watches)
        for number in range(5000):
            await xs.write("/tool/a", b"%d" % number)
        assert await watches.take() == [Change("/tool/a", "/tool/a")]
        assert await xs.read("/tool/a") == b"4999"
        assert len(await unread(xs, watches)) <= 1
