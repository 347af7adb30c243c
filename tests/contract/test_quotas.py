"""Quotas: each stops the guest that reaches it, and nobody else; dom0 has none."""

from tests.contract.servers import Clients
from tests.contract.wire_client import WireClient, refusal

HOME_NODES = 7
"""What a guest owns in a fresh home: control/shutdown, data, drivers, feature, hotplug, attr, error."""


def _own(guest: WireClient, count: int) -> None:
    """Create nodes until the guest owns so many, a hundred to a directory."""
    left = count - HOME_NODES
    for start in range(0, left, 101):
        directory = f"data/{start // 101}"
        guest.mkdir(directory)
        for number in range(min(100, left - start - 1)):
            guest.mkdir(f"{directory}/{number}")


def test_a_guest_owns_at_most_1000_nodes(dom0: WireClient, guest: WireClient, other: WireClient) -> None:
    _own(guest, 999)
    assert refusal(guest.write, "data/new/two", b"") == "ENOSPC"
    assert "new" not in guest.directory("data")
    guest.mkdir("data/last")
    assert refusal(guest.mkdir, "data/more") == "ENOSPC"
    assert refusal(guest.write, "data/more", b"") == "ENOSPC"
    guest.write("data/last", b"changed")
    other.mkdir("data/more")
    dom0.mkdir("/local/domain/5/data/dom0s")
    assert dom0.perms("/local/domain/5/data/dom0s") == ["n5"]
    guest.remove("data/0")
    guest.mkdir("data/more")


def test_a_transaction_that_creates_must_leave_fewer_than_1000(guest: WireClient) -> None:
    _own(guest, 998)
    for new, answer in ((2, "ENOSPC"), (1, None)):
        transaction = guest.start()
        for number in range(new):
            guest.mkdir(f"data/new{number}", transaction)
        if answer is None:
            guest.end(transaction)
        else:
            assert refusal(guest.end, transaction) == answer
    transaction = guest.start()
    guest.write("data/new0", b"changed", transaction)
    guest.end(transaction)


def test_a_transaction_learns_only_at_its_end_that_it_made_too_many(guest: WireClient) -> None:
    _own(guest, 999)
    transaction = guest.start()
    guest.mkdir("data/new/two", transaction)
    guest.mkdir("data/three", transaction)
    assert refusal(guest.end, transaction) == "ENOSPC"
    assert guest.directory("data")[-1] != "three"


def test_a_guest_at_its_limit_cannot_make_room_within_a_transaction(guest: WireClient) -> None:
    _own(guest, 1000)
    transaction = guest.start()
    guest.remove("data/0", transaction)
    assert refusal(guest.mkdir, "data/new", transaction) == "ENOSPC"
    guest.end(transaction)
    guest.mkdir("data/new")


def test_a_node_given_by_dom0_counts_for_its_owner(dom0: WireClient, guest: WireClient) -> None:
    _own(guest, 999)
    dom0.mkdir("/t")
    dom0.set_perms("/t", "n5")
    assert refusal(guest.mkdir, "data/more") == "ENOSPC"
    dom0.set_perms("/t", "n0")
    guest.mkdir("data/more")


def test_a_guests_node_has_at_most_2047_bytes(dom0: WireClient, guest: WireClient) -> None:
    """24, 8 for each permission, the value, and each child's name with its NUL."""
    guest.write("data/a", b"x" * 2015)
    assert refusal(guest.write, "data/a", b"x" * 2016) == "ENOSPC"
    assert refusal(guest.write, "data/b", b"x" * 2016) == "ENOSPC"
    assert refusal(guest.write, "data/a/b", b"") == "ENOSPC"
    assert refusal(guest.set_perms, "data/a", "n5", "r6") == "ENOSPC"
    assert guest.directory("data") == ["a"]
    assert len(guest.read("data/a")) == 2015
    guest.write("data/a", b"x" * 2007)
    guest.set_perms("data/a", "n5", "r6")
    guest.write("data/a", b"x" * 2005)
    guest.mkdir("data/a/b")
    assert refusal(guest.mkdir, "data/a/c") == "ENOSPC"
    dom0.write("/local/domain/5/data/a", b"x" * 4000)


def test_a_write_too_large_spoils_its_transaction(guest: WireClient) -> None:
    transaction = guest.start()
    guest.write("data/a", b"1", transaction)
    assert refusal(guest.write, "data/a", b"x" * 2016, transaction) == "ENOSPC"
    assert guest.read("data/a", transaction) == b"1"
    assert refusal(guest.end, transaction) == "ENOMEM"
    assert guest.directory("data") == []


def test_a_guest_has_at_most_129_watches(guest: WireClient, other: WireClient, dom0: WireClient) -> None:
    for number in range(129):
        guest.watch("data", str(number))
    assert refusal(guest.watch, "data", "more") == "E2BIG"
    assert refusal(guest.watch, "data", "0") == "EEXIST"
    guest.unwatch("data", "0")
    guest.watch("data", "more")
    other.watch("data", "t")
    for number in range(200):
        dom0.watch("/t", str(number))


def test_a_guest_has_at_most_11_transactions(guest: WireClient, other: WireClient, dom0: WireClient) -> None:
    started = [guest.start() for _ in range(11)]
    assert refusal(guest.start) == "ENOSPC"
    guest.end(started[0])
    guest.end(guest.start(), commit=False)
    other.end(other.start())
    for _ in range(50):
        dom0.start()


def test_a_guests_transaction_looks_at_most_at_1024_nodes(guest: WireClient, dom0: WireClient) -> None:
    guest.write("data/a", b"1")
    transaction = guest.start()
    for number in range(1023):  # and data, to see whether the guest may know
        assert refusal(guest.read, f"data/{number}", transaction) == "ENOENT"
    assert refusal(guest.read, "data/a", transaction) == "ENOSPC"
    assert refusal(guest.end, transaction) == "ENOMEM"
    transaction = dom0.start()
    for number in range(1100):
        assert refusal(dom0.read, f"/t/{number}", transaction) == "ENOENT"
    dom0.end(transaction)


def test_a_guest_gives_a_node_at_most_5_permissions(dom0: WireClient, guest: WireClient) -> None:
    guest.mkdir("data/a")
    assert refusal(guest.set_perms, "data/a", "n5", *["r6"] * 5) == "ENOSPC"
    guest.set_perms("data/a", "n5", *["r6"] * 4)
    dom0.set_perms("/local/domain/5/data/a", "n5", *["r6"] * 20)


def test_what_a_client_leaves_behind_counts_no_more(clients: Clients, guest: WireClient) -> None:
    for number in range(129):
        guest.watch("data", str(number))
    for _ in range(11):
        guest.start()
    guest.close()
    again = clients.guest(5)
    again.watch("data", "t")
    again.start()
