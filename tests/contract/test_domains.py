"""Domains: how they come, what is said of it, and what stays of them when they die."""

import pytest

from tests.contract.servers import Clients
from tests.contract.wire_client import Closed, WireClient, refusal


def test_a_domain_is_introduced_and_released(clients: Clients, dom0: WireClient) -> None:
    assert dom0.request("IS_DOMAIN_INTRODUCED", b"5\0") == b"F\0"
    dom0.watch("@introduceDomain", "in")
    dom0.watch("@releaseDomain", "out")
    assert dom0.drain() == [("@introduceDomain", "in"), ("@releaseDomain", "out")]
    clients.guest(5)
    assert dom0.drain() == [("@introduceDomain", "in")]
    assert dom0.request("IS_DOMAIN_INTRODUCED", b"5\0") == b"T\0"
    clients.remove(5)
    assert dom0.drain() == [("@releaseDomain", "out")]
    assert dom0.request("IS_DOMAIN_INTRODUCED", b"5\0") == b"F\0"
    assert not dom0.exists("/local/domain/5")


def test_events_of_domains_are_not_of_nodes(clients: Clients, dom0: WireClient) -> None:
    dom0.watch("/", "t")
    clients.guest(5)
    clients.remove(5)
    assert not [path for path, _ in dom0.drain() if path.startswith("@")]


def test_dom0_and_self_are_always_introduced(dom0: WireClient) -> None:
    for domid in (0, 0x7FF0):
        assert dom0.request("IS_DOMAIN_INTRODUCED", b"%d\0" % domid) == b"T\0"
    assert dom0.request("IS_DOMAIN_INTRODUCED", b"no number\0") == b"T\0"


def test_anybody_may_ask_where_a_domain_lives(dom0: WireClient, guest: WireClient) -> None:
    for client in (dom0, guest):
        assert client.request("GET_DOMAIN_PATH", b"5\0") == b"/local/domain/5\0"
        assert client.request("GET_DOMAIN_PATH", b"1234\0") == b"/local/domain/1234\0"


def test_only_what_the_hypervisor_has_can_be_introduced_or_released(dom0: WireClient) -> None:
    assert refusal(dom0.request, "INTRODUCE", b"9\x001\x001\0") == "EINVAL"
    assert refusal(dom0.request, "RELEASE", b"9\0") == "ENOENT"
    assert refusal(dom0.request, "RELEASE", b"0\0") == "EINVAL"


def test_introducing_again_resets_the_connection(dom0: WireClient, guest: WireClient) -> None:
    dom0.watch("@introduceDomain", "in")
    guest.watch("data", "t")
    guest.start()
    guest.drain()
    dom0.drain()
    assert dom0.request("INTRODUCE", b"5\x001\x005\0") == b"OK\0"
    assert dom0.drain() == []
    dom0.write("/local/domain/5/data", b"1")
    assert guest.drain() == []
    assert refusal(guest.end, 1) == "ENOENT"


def test_guests_hear_of_domains_only_if_allowed(clients: Clients, dom0: WireClient, guest: WireClient) -> None:
    for name in ("@introduceDomain", "@releaseDomain"):
        guest.watch(name, "t")
    assert guest.drain() == [("@introduceDomain", "t"), ("@releaseDomain", "t")]
    clients.guest(6)
    clients.remove(6)
    assert guest.drain() == []
    for name in ("@introduceDomain", "@releaseDomain"):
        dom0.set_perms(name, "n0", "r5")
    clients.guest(6)
    assert guest.drain() == [("@introduceDomain", "t")]
    clients.remove(6)
    assert guest.drain() == [("@releaseDomain", "t")]


def test_what_a_domain_owned_goes_with_it_wherever_it_was(dom0: WireClient, guest: WireClient) -> None:
    dom0.write("/t/mine", b"1")
    dom0.write("/t/mine/a/dom0s", b"1")
    dom0.set_perms("/t/mine", "n5")
    dom0.write("/t/not", b"1")
    guest.write("data/a", b"1")
    dom0.watch("/t", "t")
    dom0.watch("/t/mine/a/dom0s", "below")
    dom0.watch("/local/domain/5", "home")
    dom0.watch("@releaseDomain", "out")
    dom0.drain()
    assert dom0.request("RELEASE", b"5\0") == b"OK\0"
    # /local comes after /t: both hang from the root in the order of their making.
    events = dom0.drain()
    assert [event for event in events if event[1] in ("t", "below")] == [("/t/mine/a/dom0s", "below"), ("/t/mine", "t")]
    assert ("/local/domain/5/data", "home") in events
    assert events[-1] == ("@releaseDomain", "out")
    assert dom0.directory("/t") == ["not"]
    assert not dom0.exists("/local/domain/5/data")
    assert dom0.read("/local/domain/5/domid") == b"5"


def test_a_released_domain_is_not_heard_any_more(dom0: WireClient, guest: WireClient) -> None:
    guest.watch("memory/target", "t")
    guest.drain()
    dom0.request("RELEASE", b"5\0")
    dom0.write("/local/domain/5/memory/target", b"1")
    guest._socket.settimeout(0.1)
    try:
        guest.read("memory/target")
    except (Closed, TimeoutError):
        pass
    else:
        raise AssertionError("answered")
    assert dom0.request("IS_DOMAIN_INTRODUCED", b"5\0") == b"F\0"
    assert refusal(dom0.request, "RELEASE", b"5\0") == "ENOENT"


def test_the_next_domain_of_that_number_inherits_nothing(clients: Clients, dom0: WireClient, guest: WireClient) -> None:
    dom0.write("/t", b"secret")
    dom0.set_perms("/t", "n0", "r5")
    assert guest.read("/t") == b"secret"
    clients.remove(5)
    again = clients.guest(5)
    assert refusal(again.read, "/t") == "EACCES"
    assert dom0.perms("/t") == ["n0", "r5"]
    dom0.write("/t", b"new")
    assert refusal(again.read, "/t") == "EACCES"
    again.watch("/t", "t")
    again.drain()
    dom0.write("/t", b"new")
    assert again.drain() == []


@pytest.mark.parametrize("entries", [("n0", "r5"), ("n5",)])
def test_the_next_domain_of_that_number_hears_nothing_either(
    clients: Clients, dom0: WireClient, entries: tuple[str, ...]
) -> None:
    clients.guest(5).close()
    dom0.set_perms("@releaseDomain", *entries)
    clients.remove(5)
    again = clients.guest(5)
    again.watch("@releaseDomain", "t")
    again.drain()
    clients.guest(6)
    clients.remove(6)
    assert again.drain() == []


def test_the_next_domain_of_that_number_has_its_own_quota(clients: Clients, guest: WireClient) -> None:
    for number in range(50):
        for below in range(19):
            guest.mkdir(f"data/{number}/{below}")
        if number == 48:
            break
    clients.remove(5)
    again = clients.guest(5)
    assert again.directory("data") == []
    for number in range(49):
        for below in range(19):
            again.mkdir(f"data/{number}/{below}")


def test_writing_below_a_dead_domain_brings_its_directory_back(clients: Clients, dom0: WireClient) -> None:
    """The trap that a transaction avoids (see test_transactions)."""
    clients.guest(5)
    clients.remove(5)
    dom0.write("/local/domain/5/memory/target", b"1")
    assert dom0.directory("/local/domain/5") == ["memory"]


def test_a_domain_that_dies_takes_its_open_transactions_along(clients: Clients, dom0: WireClient) -> None:
    guest = clients.guest(5)
    transaction = guest.start()
    guest.write("data/a", b"1", transaction)
    dom0.watch("/local/domain", "t")
    dom0.drain()
    clients.remove(5)
    assert ("/local/domain/5/data/a", "t") not in dom0.drain()
