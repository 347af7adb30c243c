"""Transactions: what they see, when they conflict, and what others see of them."""

import pytest

from tests.contract.servers import Clients
from tests.contract.wire_client import WireClient, refusal


@pytest.fixture
def also(clients: Clients) -> WireClient:
    """A second client of dom0."""
    return clients.dom0()


def test_nobody_sees_a_transaction_before_its_end(dom0: WireClient, also: WireClient) -> None:
    dom0.write("/t/a", b"old")
    dom0.write("/t/b", b"old")
    also.watch("/t", "t")
    also.drain()
    transaction = dom0.start()
    dom0.write("/t/a", b"new", transaction)
    dom0.remove("/t/b", transaction)
    dom0.write("/t/c/d", b"new", transaction)
    assert dom0.read("/t/a", transaction) == b"new"
    assert dom0.directory("/t", transaction) == ["a", "c"]
    assert (also.read("/t/a"), also.directory("/t"), dom0.read("/t/a")) == (b"old", ["a", "b"], b"old")
    assert also.drain() == []
    dom0.end(transaction)
    assert (also.read("/t/a"), also.directory("/t")) == (b"new", ["a", "c"])
    assert also.drain() == [("/t/a", "t"), ("/t/b", "t"), ("/t/c/d", "t")]


def test_an_aborted_transaction_never_was(dom0: WireClient) -> None:
    dom0.write("/t/a", b"old")
    dom0.watch("/t", "t")
    dom0.drain()
    transaction = dom0.start()
    dom0.write("/t/a", b"new", transaction)
    dom0.mkdir("/t/b", transaction)
    dom0.set_perms("/t", "b0", transaction=transaction)
    dom0.end(transaction, commit=False)
    assert (dom0.read("/t/a"), dom0.directory("/t"), dom0.perms("/t")) == (b"old", ["a"], ["n0"])
    assert dom0.drain() == []


def test_a_change_of_what_was_read_is_a_conflict(dom0: WireClient, also: WireClient) -> None:
    dom0.write("/t/a", b"1")
    transaction = dom0.start()
    assert dom0.read("/t/a", transaction) == b"1"
    also.write("/t/a", b"1")
    dom0.write("/t/b", b"2", transaction)
    assert dom0.read("/t/a", transaction) == b"1"
    assert refusal(dom0.end, transaction) == "EAGAIN"
    assert not dom0.exists("/t/b")
    assert refusal(dom0.end, transaction) == "ENOENT"


@pytest.mark.parametrize("change", ["write", "create", "remove", "permissions", "sibling"])
def test_every_kind_of_change_conflicts_with_a_write(dom0: WireClient, also: WireClient, change: str) -> None:
    dom0.write("/t/a", b"1")
    transaction = dom0.start()
    dom0.write("/t/new" if change in ("create", "sibling") else "/t/a", b"2", transaction)
    match change:
        case "write":
            also.write("/t/a", b"3")
        case "create":
            also.write("/t/new", b"3")
        case "remove":
            also.remove("/t/a")
        case "permissions":
            also.set_perms("/t/a", "n0", "r0")
        case "sibling":
            also.write("/t/other", b"3")
    assert refusal(dom0.end, transaction) == "EAGAIN"


def test_a_change_elsewhere_is_none(dom0: WireClient, also: WireClient) -> None:
    dom0.write("/t/a", b"1")
    dom0.write("/t/b", b"1")
    transaction = dom0.start()
    dom0.write("/t/a", b"2", transaction)
    also.write("/t/b", b"3")
    also.mkdir("/t/b/c")
    dom0.end(transaction)
    assert (dom0.read("/t/a"), dom0.read("/t/b")) == (b"2", b"3")


def test_a_transaction_sees_a_node_as_it_is_when_it_first_looks(dom0: WireClient, also: WireClient) -> None:
    dom0.write("/t/a", b"1")
    transaction = dom0.start()
    also.write("/t/a", b"2")
    assert dom0.read("/t/a", transaction) == b"2"
    dom0.end(transaction)


def test_finding_a_node_missing_is_looking_at_it(dom0: WireClient, also: WireClient) -> None:
    dom0.mkdir("/t")
    transaction = dom0.start()
    assert refusal(dom0.read, "/t/a", transaction) == "ENOENT"
    also.write("/t/a", b"1")
    assert refusal(dom0.read, "/t/a", transaction) == "ENOENT"
    assert refusal(dom0.end, transaction) == "EAGAIN"


def test_that_a_domain_is_still_there_can_be_checked_together_with_a_write(
    dom0: WireClient, clients: Clients, guest: WireClient
) -> None:
    """A write under a domain that has died must not bring its directory back."""
    transaction = dom0.start()
    assert dom0.read("/local/domain/5/domid", transaction) == b"5"
    dom0.write("/local/domain/5/memory/target", b"1", transaction)
    clients.remove(5)
    assert refusal(dom0.end, transaction) == "EAGAIN"
    assert not dom0.exists("/local/domain/5")


def test_of_two_that_read_each_others_writes_one_wins(dom0: WireClient, also: WireClient) -> None:
    for path in ("/t/a", "/t/b"):
        dom0.write(path, b"0")
    first, second = dom0.start(), also.start()
    dom0.read("/t/a", first)
    also.read("/t/b", second)
    dom0.write("/t/b", b"1", first)
    also.write("/t/a", b"2", second)
    dom0.end(first)
    assert refusal(also.end, second) == "EAGAIN"
    assert (dom0.read("/t/a"), dom0.read("/t/b")) == (b"0", b"1")


def test_a_client_may_have_several_and_they_are_strangers_to_each_other(dom0: WireClient) -> None:
    dom0.mkdir("/t/a")
    first, second = dom0.start(), dom0.start()
    dom0.write("/t/a", b"1", first)
    assert dom0.read("/t/a", second) == b""
    dom0.end(second)
    dom0.end(first)
    assert dom0.read("/t/a") == b"1"


def test_ids_count_from_one_and_are_each_clients_own(dom0: WireClient, also: WireClient) -> None:
    assert [dom0.start(), dom0.start(), also.start()] == [1, 2, 1]
    dom0.end(1)
    assert dom0.start() == 3
    assert refusal(also.end, 2) == "ENOENT"
    assert dom0.request("RESET_WATCHES", b"\0") == b"OK\0"
    assert refusal(dom0.end, 2) == "ENOENT"
    assert dom0.start() == 4


def test_a_transaction_ends_once_and_does_not_nest(dom0: WireClient) -> None:
    transaction = dom0.start()
    assert refusal(dom0.request, "TRANSACTION_START", b"\0", transaction) == "EBUSY"
    assert refusal(dom0.request, "TRANSACTION_END", b"x\0", transaction) == "EINVAL"
    dom0.end(transaction)
    for ask in (dom0.read, dom0.mkdir, dom0.remove, dom0.directory, dom0.perms):
        assert refusal(ask, "/tool", transaction) == "ENOENT"
    assert refusal(dom0.end, transaction) == "ENOENT"
    assert refusal(dom0.end, 0) == "ENOENT"


def test_watching_is_no_part_of_a_transaction(dom0: WireClient, also: WireClient) -> None:
    transaction = dom0.start()
    assert dom0.request("WATCH", b"/t\0t\0", transaction) == b"OK\0"
    assert dom0.request("UNWATCH", b"/t\0t\0", 99) == b"OK\0"
    assert dom0.drain() == [("/t", "t")]


def test_events_follow_in_the_order_of_first_looking_each_once(dom0: WireClient) -> None:
    dom0.write("/t/r/1/2", b"")
    dom0.watch("/t", "t")
    dom0.watch("/t/r/1", "below")
    dom0.drain()
    transaction = dom0.start()
    dom0.write("/t/z", b"1", transaction)
    dom0.remove("/t/r", transaction)
    dom0.write("/t/y", b"", transaction)
    dom0.write("/t/gone", b"", transaction)
    dom0.remove("/t/gone", transaction)
    dom0.set_perms("/t/y", "n0", "r0", transaction=transaction)
    dom0.write("/t/z", b"2", transaction)
    assert dom0.drain() == []
    dom0.end(transaction)
    assert dom0.drain() == [("/t/z", "t"), ("/t/r", "t"), ("/t/r/1", "below"), ("/t/y", "t")]


def test_a_removal_from_below_does_not_silence_a_write(dom0: WireClient) -> None:
    """A watch above hears of a node that was written, then removed with its parent: of the first, it would have."""
    dom0.write("/t/a/b", b"1")
    dom0.watch("/t", "t")
    dom0.drain()
    transaction = dom0.start()
    dom0.write("/t/a/b", b"2", transaction)
    dom0.remove("/t/a", transaction)
    dom0.end(transaction)
    assert dom0.drain() == [("/t/a/b", "t"), ("/t/a", "t")]


def test_a_guest_hears_of_a_commit_only_what_it_may_read(dom0: WireClient, guest: WireClient) -> None:
    dom0.mkdir("/t")
    for path in ("/t/a", "/t/b", "/t/c"):
        dom0.write(path, b"1")
    dom0.set_perms("/t/b", "n0", "r5")
    dom0.set_perms("/t/c", "n0", "r5")
    guest.watch("/t", "t")
    guest.drain()
    transaction = dom0.start()
    dom0.write("/t/a", b"2", transaction)
    dom0.write("/t/b", b"2", transaction)
    dom0.remove("/t/c", transaction)
    dom0.end(transaction)
    assert guest.drain() == [("/t/b", "t"), ("/t/c", "t")]


def test_permissions_hold_in_a_transaction(dom0: WireClient, guest: WireClient) -> None:
    dom0.write("/t", b"1")
    transaction = guest.start()
    assert refusal(guest.read, "/t", transaction) == "EACCES"
    assert refusal(guest.write, "memory/target", b"1", transaction) == "EACCES"
    guest.write("data/a/b", b"1", transaction)
    guest.end(transaction)
    assert dom0.perms("/local/domain/5/data/a/b") == ["n5"]


def test_what_a_client_that_goes_has_open_is_gone(dom0: WireClient, also: WireClient) -> None:
    transaction = also.start()
    also.write("/t", b"1", transaction)
    also.close()
    assert not dom0.exists("/t")
