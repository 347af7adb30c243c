"""Watch events that wait to be read: never many, never unfair."""

from collections.abc import Sequence

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from dom0_arbiter.xen import Change, Watches, XenstoreLocalError, XenstoreTimeout
from dom0_arbiter.xen.watches import UNREAD_PATHS_MAX, Watch, WatchTable


class Daemon:
    """Hears what is registered, and can be made to refuse."""

    def __init__(self) -> None:
        self.table = WatchTable()
        self.watches = Watches(self.table, self.register, self.unregister)
        self.tokens: dict[str, str] = {}
        self.answers = True

    async def register(self, watches: Sequence[Watch]) -> None:
        self.tokens |= {watch.path: watch.token for watch in watches}
        await trio.lowlevel.checkpoint()
        if not self.answers:
            raise XenstoreTimeout("no answer")

    def unregister(self, watches: Sequence[Watch]) -> None:
        for watch in watches:
            self.tokens.pop(watch.path)

    def fire(self, watch: str, path: str) -> None:
        self.table.route(self.tokens[watch], path)


async def test_unread_changes_of_one_path_are_one_and_the_first_come_is_first_read() -> None:
    daemon = Daemon()
    await daemon.watches.add("/a", "/b")
    for watch, path in [("/b", "/b/1"), ("/a", "/a"), ("/b", "/b/2"), ("/b", "/b/1"), ("/a", "/a")]:
        daemon.fire(watch, path)
    assert await daemon.watches.take() == [Change("/b", "/b/1"), Change("/b", "/b/2"), Change("/a", "/a")]
    daemon.fire("/a", "/a")
    assert await daemon.watches.take() == [Change("/a", "/a")]


async def test_a_flooded_watch_keeps_few_events_and_loses_none() -> None:
    daemon = Daemon()
    await daemon.watches.add("/a")
    for number in range(100_000):
        daemon.fire("/a", f"/a/{number}")
    changes = await daemon.watches.take()
    assert len(changes) <= UNREAD_PATHS_MAX
    assert changes[0] == Change("/a", "/a"), "what stands for those that were too many"
    assert changes[-1] == Change("/a", "/a/99999")


async def test_a_flooded_watch_does_not_delay_the_others() -> None:
    daemon = Daemon()
    await daemon.watches.add("/flood", "/quiet")
    for number in range(50):
        daemon.fire("/flood", f"/flood/{number}")
    daemon.fire("/quiet", "/quiet")
    assert [(await anext(daemon.watches)).watch for _ in range(3)] == ["/flood", "/quiet", "/flood"]


async def test_a_reader_waits_and_is_woken() -> None:
    daemon = Daemon()
    await daemon.watches.add("/a")
    read: list[Change] = []

    async def reader() -> None:
        async for change in daemon.watches:
            read.append(change)  # noqa: PERF401 - endless

    async with trio.open_nursery() as nursery:
        nursery.start_soon(reader)
        for path in ("/a/1", "/a/2"):
            await wait_all_tasks_blocked()
            daemon.fire("/a", path)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert read == [Change("/a", "/a/1"), Change("/a", "/a/2")]


async def test_after_its_removal_nothing_of_a_watch_is_heard() -> None:
    daemon = Daemon()
    await daemon.watches.add("/a", "/b")
    token = daemon.tokens["/a"]
    for path in ("/a", "/b"):
        daemon.fire(path, path)
    daemon.watches.remove("/a", "/never-watched")
    daemon.table.route(token, "/a")  # was on its way
    assert await daemon.watches.take() == [Change("/b", "/b")]
    assert list(daemon.tokens) == daemon.watches.paths == ["/b"]


async def test_a_token_is_never_used_twice() -> None:
    daemon = Daemon()
    await daemon.watches.add("/a")
    old = daemon.tokens["/a"]
    daemon.watches.remove("/a")
    await daemon.watches.add("/a")
    daemon.table.route(old, "/a/of-the-old-watch")
    daemon.fire("/a", "/a")
    assert await daemon.watches.take() == [Change("/a", "/a")]


async def test_watches_that_could_not_be_added_are_not_there() -> None:
    daemon = Daemon()
    await daemon.watches.add("/kept")
    with pytest.raises(XenstoreLocalError):
        await daemon.watches.add("/a", "/b b")
    daemon.answers = False
    with pytest.raises(XenstoreTimeout):
        await daemon.watches.add("/a", "/kept")
    with trio.move_on_after(0):
        await daemon.watches.add("/a")
    assert list(daemon.tokens) == daemon.watches.paths == ["/kept"]
    assert [watch.path for watch in daemon.table.all()] == ["/kept"]
