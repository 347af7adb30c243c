"""Permissions: who may do what, what a new node gets, and what an error may give away."""

import pytest

from tests.contract.servers import Clients
from tests.contract.wire_client import WireClient, refusal

MINE = "/local/domain/5/data/mine"


def test_what_is_not_said_is_forbidden(dom0: WireClient, guest: WireClient) -> None:
    dom0.write("/t/a", b"secret")
    for ask in (guest.read, guest.directory, guest.perms, guest.mkdir, guest.remove):
        assert refusal(ask, "/t/a") == "EACCES"
    assert refusal(guest.write, "/t/a", b"1") == "EACCES"
    assert refusal(guest.set_perms, "/t/a", "n5") == "EACCES"
    assert dom0.read("/t/a") == b"secret"


@pytest.mark.parametrize("letter", "nrwb")
@pytest.mark.parametrize("entry", ["its own", "everybody's"])
def test_a_letter_says_what_a_guest_may(dom0: WireClient, guest: WireClient, letter: str, entry: str) -> None:
    dom0.write("/t", b"1")
    dom0.set_perms("/t", *(["n0", f"{letter}5"] if entry == "its own" else [f"{letter}0"]))
    if letter in "rb":
        assert guest.read("/t") == b"1"
        assert guest.directory("/t") == []
        assert guest.perms("/t") == dom0.perms("/t")
    else:
        assert {refusal(ask, "/t") for ask in (guest.read, guest.directory, guest.perms)} == {"EACCES"}
    if letter in "wb":
        guest.write("/t", b"2")
        guest.write("/t/below", b"3")
        first, *rest = dom0.perms("/t")
        assert dom0.perms("/t/below") == [f"{first[0]}5", *rest]
    else:
        assert refusal(guest.write, "/t", b"2") == "EACCES"
        assert refusal(guest.write, "/t/below", b"2") == "EACCES"
    assert refusal(guest.set_perms, "/t", "n5") == "EACCES"


def test_the_first_entry_that_names_a_guest_decides(dom0: WireClient, guest: WireClient) -> None:
    dom0.write("/t", b"1")
    dom0.set_perms("/t", "b0", "n5", "r5")
    assert refusal(guest.read, "/t") == "EACCES"
    dom0.set_perms("/t", "n0", "r5", "n5")
    assert guest.read("/t") == b"1"


def test_a_guest_owns_what_it_creates(dom0: WireClient, guest: WireClient) -> None:
    guest.write("data/mine/deep", b"1")
    assert dom0.perms(MINE) == ["n5"]
    guest.set_perms("data/mine", "n5", "r6")
    guest.mkdir("data/mine/more")
    assert dom0.perms(MINE + "/more") == ["n5", "r6"]
    assert guest.perms("data/mine/deep") == ["n5"]


def test_what_dom0_creates_belongs_to_whom_the_parent_does(dom0: WireClient, guest: WireClient) -> None:
    guest.write("data/mine", b"")
    guest.set_perms("data/mine", "n5", "r6")
    dom0.write(MINE + "/a/b", b"1")
    assert dom0.perms(MINE + "/a/b") == ["n5", "r6"]
    guest.write("data/mine/a/b", b"2")


def test_an_owner_may_not_give_away_its_node_but_share_it(guest: WireClient, other: WireClient) -> None:
    guest.write("data/mine", b"1")
    assert refusal(guest.set_perms, "data/mine", "n6") == "EPERM"
    assert refusal(guest.set_perms, "data/mine", "n0") == "EPERM"
    guest.set_perms("data/mine", "n5", "b6")
    other.write(MINE, b"2")
    assert guest.read("data/mine") == b"2"
    assert refusal(other.set_perms, MINE, "n5") == "EACCES"


def test_who_may_write_a_node_may_remove_it_with_what_others_have_below(
    dom0: WireClient, guest: WireClient, other: WireClient
) -> None:
    guest.write("data/mine/own", b"1")
    guest.set_perms("data/mine", "n5", "b6")
    other.remove(MINE)
    assert guest.directory("data") == []
    dom0.write("/t/a", b"1")
    dom0.set_perms("/t", "n0", "w5")
    assert refusal(guest.remove, "/t/a") == "EACCES"
    guest.remove("/t")
    assert not dom0.exists("/t/a")


def test_a_guest_learns_whether_a_node_is_there_only_where_it_might_use_it(
    dom0: WireClient, guest: WireClient, other: WireClient
) -> None:
    guest.write("data/mine", b"1")
    assert refusal(other.read, MINE) == refusal(other.read, MINE + "x") == "EACCES"
    guest.set_perms("data/mine", "n5", "r6")
    assert refusal(other.read, MINE + "/a/b") == "ENOENT"
    assert refusal(other.write, MINE + "/a", b"") == "EACCES"
    assert refusal(other.remove, MINE + "/a") == "EACCES"
    assert refusal(guest.read, "data/x/y") == "ENOENT"
    assert refusal(guest.set_perms, "data/x", "n5") == "ENOENT"


def test_dom0_may_everything(dom0: WireClient, guest: WireClient) -> None:
    guest.write("data/mine", b"1")
    assert dom0.read(MINE) == b"1"
    dom0.set_perms(MINE, "n0")
    assert refusal(guest.read, "data/mine") == "EACCES"
    assert refusal(guest.write, "data/mine", b"2") == "EACCES"
    dom0.remove(MINE)
    assert guest.directory("data") == []


def test_the_home_that_a_toolstack_makes_is_readable_and_its_data_ones_own(guest: WireClient) -> None:
    assert guest.read("memory/target") == b"524288"
    assert guest.perms("memory/target") == ["n0", "r5"]
    for path in ("memory/target", "memory/x", "x", "/local/domain/6", "/tool/x", "control/x"):
        assert refusal(guest.write, path, b"1") == "EACCES"
    guest.write("data/a", b"1")
    guest.write("control/shutdown", b"poweroff")


@pytest.mark.parametrize("entry", ["x0", "n", "0", "n5x", "nn5", "", "N0"])
def test_an_entry_is_a_letter_and_a_domid(dom0: WireClient, entry: str) -> None:
    dom0.mkdir("/t")
    assert refusal(dom0.set_perms, "/t", entry) == "EINVAL"
    assert refusal(dom0.set_perms, "/t", "n0", entry) == "EINVAL"
    assert dom0.perms("/t") == ["n0"]


def test_an_owner_must_exist_but_others_need_not(dom0: WireClient) -> None:
    dom0.mkdir("/t")
    assert refusal(dom0.set_perms, "/t", "n77") == "ENOENT"
    dom0.set_perms("/t", "n0", "r77")
    assert dom0.perms("/t") == ["n0", "r77"]


def test_what_was_allowed_to_a_domain_before_it_was_there_does_not_count(clients: Clients, dom0: WireClient) -> None:
    dom0.write("/t", b"1")
    dom0.set_perms("/t", "n0", "r5")
    guest = clients.guest(5)
    assert refusal(guest.read, "/t") == "EACCES"
    assert dom0.perms("/t") == ["n0", "r5"]
    dom0.write("/t", b"2")
    assert refusal(guest.read, "/t") == "EACCES"
    dom0.set_perms("/t", "n0", "r5")
    assert guest.read("/t") == b"2"
