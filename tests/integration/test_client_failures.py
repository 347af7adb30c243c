"""The client while the real xenstored stalls, dies and comes back."""

import random
import time
from pathlib import Path

import pytest
import trio

from dom0_arbiter.xen import (
    Change,
    Watches,
    Xenstore,
    XenstoreDisconnected,
    XenstoreError,
    XenstoreTimeout,
    open_xenstore,
)

from .real_xenstored import RealXenstored


async def changes_until(watches: Watches, paths: set[str]) -> None:
    """Read changes until each of `paths` has come up."""
    while paths:
        paths = paths - {change.path for change in await watches.take()}


async def test_a_stalled_daemon_costs_each_request_its_deadline_and_no_more(xenstored: RealXenstored) -> None:
    async with open_xenstore(xenstored.path, timeout_s=0.2) as xs:
        await xs.write("/tool/a", b"before")
        xenstored.stop()
        started_s = time.monotonic()
        for request in (xs.read("/tool/a"), xs.write("/tool/a", b"late"), xs.write_if_domain_exists(7, {})):
            with pytest.raises(XenstoreTimeout, match=r"xenstored does not answer for 0.2 s"):
                await request
        assert 0.6 <= time.monotonic() - started_s < 2
        xenstored.cont()
        assert await xs.read("/tool/a") == b"late", "what had timed out was done later, and its answer was not ours"
        assert xs.generation == 1


async def test_a_caller_in_a_hurry_need_not_wait_for_the_deadline(xenstored: RealXenstored) -> None:
    async with open_xenstore(xenstored.path) as xs:
        await xs.write("/tool/a", b"1")
        xenstored.stop()
        with trio.move_on_after(0.05) as scope:
            await xs.read("/tool/a")
        assert scope.cancelled_caught
        xenstored.cont()
        assert await xs.read("/tool/a") == b"1"


async def test_after_a_stall_under_load_every_answer_is_its_own(xenstored: RealXenstored) -> None:
    async with open_xenstore(xenstored.path, timeout_s=0.1) as xs:
        await xs.write_many({f"/tool/{number}": b"%d" % number for number in range(100)})
        timeouts = 0

        async def read(number: int) -> None:
            nonlocal timeouts
            for _ in range(20):
                try:
                    assert await xs.read(f"/tool/{number}") == b"%d" % number
                except XenstoreTimeout:
                    timeouts += 1

        async with trio.open_nursery() as nursery:
            for number in range(100):
                nursery.start_soon(read, number)
            xenstored.stop()
            await trio.sleep(0.5)
            xenstored.cont()
        assert timeouts >= 100
        assert xs.generation == 1


async def test_requests_under_way_fail_at_once_when_the_daemon_dies(xenstored: RealXenstored) -> None:
    async with open_xenstore(xenstored.path) as xs:
        await xs.write("/tool/a", b"1")
        xenstored.stop()
        failed = 0

        async def ask() -> None:
            nonlocal failed
            with pytest.raises(XenstoreDisconnected, match=r"xenstored closed it|reset"):
                await xs.read("/tool/a")
            failed += 1

        with trio.fail_after(2):
            async with trio.open_nursery() as nursery:
                for _ in range(100):
                    nursery.start_soon(ask)
                await trio.sleep(0.05)
                xenstored.kill()
        assert failed == 100


async def test_a_new_request_waits_for_the_new_daemon(xenstored: RealXenstored) -> None:
    async with open_xenstore(xenstored.path) as xs:
        await xs.write("/tool/a", b"1")
        xenstored.kill()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, restart_later, xenstored)
            with pytest.raises(XenstoreDisconnected):
                await xs.write("/tool/a", b"2")  # was on its way before the loss was noticed
            assert not xs.connected
            await xs.write("/tool/a", b"3")
        assert await xs.read("/tool/a") == b"3"
        assert xs.generation == 2


def restart_later(xenstored: RealXenstored) -> None:
    time.sleep(0.3)
    xenstored.start()


async def test_watches_outlive_the_daemon_and_each_comes_up_again(xenstored: RealXenstored) -> None:
    async with open_xenstore(xenstored.path) as xs:
        paths = {f"/tool/{number}" for number in range(1500)} | {"@introduceDomain", "@releaseDomain"}
        async with xs.watch(*paths) as watches, xs.watch("/tool/dropped", "/tool/kept") as others:
            await changes_until(watches, paths)
            await changes_until(others, {"/tool/kept"})
            before = xs.generation
            xenstored.kill()
            others.remove("/tool/dropped")
            xenstored.start()
            with trio.fail_after(5):
                assert await xs.reconnected(before) == before + 1
                await changes_until(watches, paths)
                assert await others.take() == [Change("/tool/kept", "/tool/kept")]
            xenstored.add_guest(7)
            await xs.write("/tool/1234", b"")
            await changes_until(watches, {"/tool/1234", "@introduceDomain"})
            await xs.write("/tool/dropped", b"")
            await xs.write("/tool/kept", b"")
            assert await others.take() == [Change("/tool/kept", "/tool/kept")]


async def test_a_watch_can_be_added_while_the_daemon_is_away(xenstored: RealXenstored) -> None:
    async with open_xenstore(xenstored.path) as xs:
        await xs.write("/tool/a", b"")
        xenstored.kill()
        with pytest.raises(XenstoreDisconnected):
            await xs.read("/tool/a")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, restart_later, xenstored)
            async with xs.watch("/tool/a") as watches:
                assert await anext(watches) == Change("/tool/a", "/tool/a")
                await xs.write("/tool/a", b"")
                assert await anext(watches) == Change("/tool/a", "/tool/a")


async def test_a_watch_whose_registration_the_daemon_did_not_survive_is_registered_with_the_next(
    xenstored: RealXenstored,
) -> None:
    async with open_xenstore(xenstored.path) as xs:
        await xs.write("/tool/a", b"")
        xenstored.stop()
        async with trio.open_nursery() as nursery:

            async def watch() -> None:
                async with xs.watch("/tool/a") as watches:
                    assert await anext(watches) == Change("/tool/a", "/tool/a")

            nursery.start_soon(watch)
            await trio.sleep(0.05)
            await trio.to_thread.run_sync(xenstored.restart)


async def test_a_transaction_does_not_outlive_its_connection(xenstored: RealXenstored) -> None:
    async with open_xenstore(xenstored.path) as xs:
        with pytest.raises(XenstoreDisconnected):
            async with xs.transaction() as transaction:
                await transaction.write("/tool/a", b"1")
                xenstored.restart()
                await transaction.write("/tool/b", b"1")
        assert await xs.read_many(["/tool/a", "/tool/b"]) == {}


async def test_a_daemon_that_dies_again_and_again_under_load_leaves_only_named_errors(xenstored: RealXenstored) -> None:
    dice = random.Random(7)
    xenstored.add_guest(7)
    target, failures = "/local/domain/7/memory/target", 0
    rounds_after_the_last = trio.Semaphore(0)
    restarting = True
    async with open_xenstore(xenstored.path, timeout_s=1) as xs:

        async def work() -> None:
            nonlocal failures
            while True:
                try:
                    value = b"%d" % dice.randrange(10**6)
                    path = f"/tool/{value.decode()}"
                    await xs.write(path, value)
                    assert (await xs.read_many([path])).get(path) in (value, None)  # None: a new daemon, an empty store
                    await xs.write_if_domain_exists(7, {target: value})
                    async with xs.watch(path) as watches:
                        assert (await anext(watches)).path == path
                    if not restarting:
                        rounds_after_the_last.release()
                except XenstoreError:
                    failures += 1

        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(work)
            for _ in range(6):
                await trio.sleep(dice.uniform(0.05, 0.2))
                await trio.to_thread.run_sync(xenstored.restart)
            restarting = False
            with trio.fail_after(5):
                for _ in range(50):
                    await rounds_after_the_last.acquire()
            nursery.cancel_scope.cancel()
        assert failures
        assert await xs.write_if_domain_exists(7, {target: b"1"})


async def test_where_there_is_no_daemon_the_deadline_says_why(tmp_path: Path) -> None:
    async with open_xenstore(tmp_path / "nobody", timeout_s=0.1) as xs:
        with pytest.raises(
            XenstoreTimeout, match=r"READ /tool: not connected \(.*/nobody: No such file or directory\)"
        ):
            await xs.read("/tool")
        with pytest.raises(XenstoreTimeout):
            async with xs.watch("/tool"):
                pass
        assert (xs.connected, xs.generation) == (False, 0)


async def test_at_the_end_of_the_block_nobody_is_left_waiting(xenstored: RealXenstored, tmp_path: Path) -> None:
    xenstored.stop()

    async def ask(xs: Xenstore) -> None:
        with pytest.raises(XenstoreDisconnected, match="closed"):
            await xs.read("/tool")

    async def wait(xs: Xenstore) -> None:
        with pytest.raises(XenstoreDisconnected, match="closed"):
            await xs.reconnected(99)

    with trio.fail_after(2):
        async with trio.open_nursery() as nursery:
            for path in (xenstored.path, tmp_path / "nobody"):
                async with open_xenstore(path) as xs:
                    nursery.start_soon(ask, xs)
                    nursery.start_soon(wait, xs)
                    await trio.sleep(0.05)
                await ask(xs)


async def test_an_exception_of_the_block_passes_through_as_it_is(xenstored: RealXenstored) -> None:
    with pytest.raises(ZeroDivisionError):
        async with open_xenstore(xenstored.path) as xs, xs.watch("/tool"):
            raise ZeroDivisionError
