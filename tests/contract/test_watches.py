"""Watches: when they fire, in which order, for whom, and what the event says."""

import pytest

from tests.contract.servers import Clients
from tests.contract.wire_client import OPERATIONS, WireClient, refusal


def test_a_watch_fires_when_it_is_set_after_the_answer(dom0: WireClient) -> None:
    request_id = dom0.send(OPERATIONS["WATCH"], b"/none/there\0token\0")
    assert dom0.receive() == (OPERATIONS["WATCH"], request_id, 0, b"OK\0")
    assert dom0.receive() == (OPERATIONS["WATCH_EVENT"], 0, 0, b"/none/there\0token\0")


def test_the_event_of_ones_own_change_comes_before_its_answer(dom0: WireClient) -> None:
    dom0.watch("/t", "token")
    dom0.drain()
    dom0.send(OPERATIONS["WRITE"], b"/t\0value")
    assert dom0.receive()[0] == OPERATIONS["WATCH_EVENT"]
    assert dom0.receive()[0] == OPERATIONS["WRITE"]


def test_a_watch_hears_of_its_node_and_all_below(dom0: WireClient, clients: Clients) -> None:
    watcher = clients.dom0()
    watcher.watch("/t/a", "a")
    watcher.watch("/", "root")
    watcher.drain()
    dom0.write("/t/a/b/c", b"1")
    assert watcher.drain() == [("/t/a/b/c", "a"), ("/t/a/b/c", "root")]
    dom0.write("/t/a", b"1")
    dom0.write("/t/ab", b"1")
    dom0.write("/t", b"1")
    assert watcher.drain() == [("/t/a", "a"), ("/t/a", "root"), ("/t/ab", "root"), ("/t", "root")]


def test_what_changes_nothing_fires_nothing_but_a_write_always_does(dom0: WireClient) -> None:
    dom0.write("/t", b"1")
    dom0.watch("/t", "t")
    dom0.drain()
    dom0.mkdir("/t")
    dom0.remove("/t/none")
    dom0.read("/t")
    assert refusal(dom0.remove, "/t/none/none") == "ENOENT"
    assert dom0.drain() == []
    dom0.write("/t", b"1")
    assert dom0.drain() == [("/t", "t")]
    dom0.set_perms("/t", "n0")
    assert dom0.drain() == [("/t", "t")]


def test_making_a_path_fires_for_the_last_part_only(dom0: WireClient) -> None:
    dom0.watch("/t", "t")
    dom0.drain()
    dom0.mkdir("/t/a/b")
    assert dom0.drain() == [("/t/a/b", "t")]


def test_removing_a_node_tells_watches_above_of_it_and_watches_below_of_themselves(dom0: WireClient) -> None:
    dom0.write("/t/a/b/c", b"1")
    dom0.write("/t/a/d", b"1")
    for path in ("/", "/t/a", "/t/a/b/c", "/t/a/b", "/t/a/none"):
        dom0.watch(path, f"on {path}")
    dom0.drain()
    dom0.remove("/t/a")
    assert dom0.drain() == [
        ("/t/a/b/c", "on /t/a/b/c"),
        ("/t/a/b", "on /t/a/b"),
        ("/t/a", "on /"),
        ("/t/a", "on /t/a"),
    ]


def test_one_change_is_told_in_the_order_of_watching(dom0: WireClient) -> None:
    order = ["/t/a", "/", "/t", "/t/a"]
    for number, path in enumerate(order):
        dom0.watch(path, str(number))
    dom0.drain()
    dom0.write("/t/a", b"1")
    assert dom0.drain() == [("/t/a", str(number)) for number in range(4)]


def test_a_watch_stays_when_its_node_goes_and_comes(dom0: WireClient) -> None:
    dom0.write("/t", b"1")
    dom0.watch("/t", "t")
    dom0.remove("/t")
    dom0.mkdir("/t")
    assert ("/t", "t") in dom0.drain()


def test_path_and_token_together_are_one_watch(dom0: WireClient) -> None:
    dom0.watch("/t", "a")
    assert refusal(dom0.watch, "/t", "a") == "EEXIST"
    dom0.watch("/t", "b")
    assert refusal(dom0.unwatch, "/t", "c") == "ENOENT"
    dom0.drain()
    dom0.unwatch("/t", "a")
    dom0.write("/t", b"1")
    assert dom0.drain() == [("/t", "b")]
    assert refusal(dom0.unwatch, "/t", "a") == "ENOENT"


@pytest.mark.parametrize("token", ["", "a b", "/t", "x" * 2000, "é\n"])
def test_a_token_comes_back_as_it_was_given(dom0: WireClient, token: str) -> None:
    dom0.watch("/t", token)
    assert dom0.drain() == [("/t", token)]


def test_an_event_that_two_watches_would_repeat_is_sent_once(dom0: WireClient) -> None:
    dom0.watch("/t", "same")
    dom0.watch("/t/a", "same")
    dom0.drain()
    dom0.write("/t/a", b"1")
    assert dom0.drain() == [("/t/a", "same")]


def test_an_event_that_does_not_fit_is_not_sent(dom0: WireClient) -> None:
    token = "x" * 4050
    dom0.watch("/t", token)
    dom0.drain()
    dom0.write("/t/" + "a" * 39, b"1")
    dom0.write("/t/" + "b" * 50, b"1")
    assert dom0.drain() == [("/t/" + "a" * 39, token)]


@pytest.mark.parametrize("path", ["", "/t/", "/t//a", "/t.a", "//", "/" + "a" * 2048, "@" + "a" * 2048])
def test_only_names_of_nodes_and_events_can_be_watched(dom0: WireClient, path: str) -> None:
    assert refusal(dom0.watch, path, "t") == "EINVAL"


def test_an_event_is_relative_if_the_watch_was(dom0: WireClient, guest: WireClient) -> None:
    guest.watch("data/a", "relative")
    guest.watch("/local/domain/5/data/a", "absolute")
    assert guest.drain() == [("data/a", "relative"), ("/local/domain/5/data/a", "absolute")]
    dom0.write("/local/domain/5/data/a/b", b"1")
    assert guest.drain() == [("data/a/b", "relative"), ("/local/domain/5/data/a/b", "absolute")]
    guest.unwatch("/local/domain/5/data/a", "relative")
    assert refusal(guest.watch, "data/a", "absolute") == "EEXIST"


def test_a_guest_hears_only_of_what_it_may_read(dom0: WireClient, guest: WireClient) -> None:
    dom0.mkdir("/t")
    guest.watch("/t", "t")
    guest.watch("/", "root")
    assert guest.drain() == [("/t", "t"), ("/", "root")]
    dom0.write("/t/a", b"1")
    dom0.write("/t", b"1")
    assert guest.drain() == []
    dom0.set_perms("/t", "n0", "r5")
    assert guest.drain() == [("/t", "t"), ("/t", "root")]
    dom0.write("/t", b"2")
    assert guest.drain() == [("/t", "t"), ("/t", "root")]


def test_who_may_read_the_parent_hears_of_the_child(dom0: WireClient, guest: WireClient) -> None:
    dom0.mkdir("/t")
    dom0.set_perms("/t", "n0", "r5")
    guest.watch("/t", "t")
    guest.drain()
    dom0.write("/t/a", b"1")
    dom0.set_perms("/t/a", "n0")
    guest.drain()
    dom0.write("/t/a", b"2")
    assert guest.drain() == [("/t/a", "t")]
    assert refusal(guest.read, "/t/a") == "EACCES"
    dom0.write("/t/a/b", b"1")
    assert guest.drain() == []


def test_who_loses_the_right_to_read_hears_of_that(dom0: WireClient, guest: WireClient) -> None:
    dom0.mkdir("/t")
    dom0.set_perms("/t", "n0", "r5")
    guest.watch("/t", "t")
    guest.drain()
    dom0.set_perms("/t", "n0")
    assert guest.drain() == [("/t", "t")]
    dom0.set_perms("/t", "n0")
    assert guest.drain() == []


def test_a_guest_hears_when_what_it_may_read_is_removed(dom0: WireClient, guest: WireClient) -> None:
    dom0.write("/t/a", b"1")
    dom0.set_perms("/t/a", "n0", "r5")
    guest.watch("/t/a", "a")
    guest.drain()
    dom0.remove("/t")
    assert guest.drain() == [("/t/a", "a")]


def test_resetting_takes_back_all_watches(dom0: WireClient, clients: Clients) -> None:
    other = clients.dom0()
    dom0.watch("/t", "a")
    dom0.watch("/", "b")
    other.watch("/t", "c")
    dom0.drain()
    assert dom0.request("RESET_WATCHES", b"\0") == b"OK\0"
    other.drain()
    other.write("/t", b"1")
    assert dom0.drain() == []
    assert other.drain() == [("/t", "c")]
    dom0.watch("/t", "a")
