"""Messages: each is answered once, in order, whatever it says; what breaks the framing breaks the connection."""

import pytest

from tests.contract.servers import Clients
from tests.contract.wire_client import HEADER, OPERATIONS, Closed, Refused, WireClient, refusal

EVERYTHING_WITH_A_PATH = ["DIRECTORY", "READ", "GET_PERMS", "MKDIR", "RM"]


def test_an_answer_repeats_type_request_and_transaction(dom0: WireClient) -> None:
    transaction = dom0.start()
    dom0.send_bytes(HEADER.pack(OPERATIONS["READ"], 0xFFFFFFFF, transaction, 6) + b"/tool\0")
    assert dom0.receive() == (OPERATIONS["READ"], 0xFFFFFFFF, transaction, b"")
    dom0.send_bytes(HEADER.pack(OPERATIONS["READ"], 0, 77, 6) + b"/tool\0")
    assert dom0.receive() == (OPERATIONS["ERROR"], 0, 77, b"ENOENT\0")


@pytest.mark.parametrize("domid", [0, 5])
def test_many_requests_at_once_are_answered_in_order(clients: Clients, domid: int) -> None:
    client = clients.guest(domid) if domid else clients.dom0()
    sent = [client.send(OPERATIONS["GET_DOMAIN_PATH"], b"%d\0" % number) for number in range(100)]
    for number, request_id in enumerate(sent):
        assert client.receive() == (OPERATIONS["GET_DOMAIN_PATH"], request_id, 0, b"/local/domain/%d\0" % number)


def test_a_message_may_come_in_pieces(dom0: WireClient) -> None:
    message = HEADER.pack(OPERATIONS["WRITE"], 9, 0, 5) + b"/t\0ab"
    for start in range(len(message)):
        dom0.send_bytes(message[start : start + 1])
    assert dom0.receive() == (OPERATIONS["WRITE"], 9, 0, b"OK\0")
    assert dom0.read("/t") == b"ab"


@pytest.mark.parametrize("name", EVERYTHING_WITH_A_PATH)
@pytest.mark.parametrize("payload", [b"", b"/tool", b"/tool\0\0", b"/tool\0x", b"\0"])
def test_one_string_means_one_nul_at_the_end(dom0: WireClient, name: str, payload: bytes) -> None:
    """Ours says EINVAL; the daemon refuses too, with whatever error it met last."""
    assert refusal(dom0.request, name, payload)


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        *[("WRITE", b""), ("WRITE", b"/t"), ("WATCH", b"/t\0"), ("WATCH", b"/t\0t\0x\0"), ("WATCH", b"/t\0t")],
        *[("UNWATCH", b"/t\0"), ("SET_PERMS", b"/tool\0"), ("SET_PERMS", b""), ("DIRECTORY_PART", b"/tool\0")],
        *[("TRANSACTION_END", b""), ("TRANSACTION_END", b"T"), ("TRANSACTION_END", b"t\0"), ("RELEASE", b"5")],
        *[("INTRODUCE", b"5\x001\0"), ("INTRODUCE", b"5\x001\x000\0"), ("IS_DOMAIN_INTRODUCED", b"5")],
        *[("GET_DOMAIN_PATH", b""), ("GET_DOMAIN_PATH", b"1\0\0"), ("CONTROL", b"no such command\0")],
    ],
)
def test_wrong_arguments_are_refused(dom0: WireClient, name: str, payload: bytes) -> None:
    assert refusal(dom0.request, name, payload) == "EINVAL"


@pytest.mark.parametrize("operation", [OPERATIONS["WATCH_EVENT"], OPERATIONS["ERROR"], 20, 23, 0xFFFFFFFF])
def test_an_unknown_operation_is_named_so(dom0: WireClient, operation: int) -> None:
    dom0.send(operation, b"")
    assert dom0.receive()[3] == b"ENOSYS\0"


@pytest.mark.parametrize("name", ["CONTROL", "INTRODUCE", "RELEASE", "IS_DOMAIN_INTRODUCED"])
def test_what_is_dom0s_is_refused_to_a_guest(guest: WireClient, name: str) -> None:
    assert refusal(guest.request, name, b"6\x001\x001\0") == "EACCES"


def test_a_payload_may_have_4096_bytes_and_no_more(dom0: WireClient, clients: Clients) -> None:
    dom0.write("/t", b"x" * 4093)
    assert len(dom0.read("/t")) == 4093
    for length in (4097, 0xFFFFFFFF):
        victim = clients.dom0()
        victim.send(OPERATIONS["WRITE"], b"/u\0", length=length)
        with pytest.raises(Closed):
            victim.receive()
    assert not dom0.exists("/u")


def test_a_guest_that_breaks_the_framing_is_disconnected_alone(guest: WireClient, other: WireClient) -> None:
    guest.send(OPERATIONS["WRITE"], b"data/x\0" + bytes(4090))
    with pytest.raises(Closed):
        guest.receive()
    other.write("data/x", b"1")


def test_an_answer_that_does_not_fit_is_refused(dom0: WireClient) -> None:
    for number in range(130):
        dom0.mkdir(f"/t/{number:031}")
    assert refusal(dom0.directory, "/t") == "E2BIG"
    names, offset = [], 0
    while True:
        generation, nul, part = dom0.request("DIRECTORY_PART", b"/t\0%d\0" % offset).partition(b"\0")
        assert generation.isdigit()
        assert nul
        if part.endswith(b"\0\0"):
            names += part[:-2].split(b"\0")
            break
        names += part[:-1].split(b"\0")
        offset += len(part)
    assert names == [b"%031d" % number for number in range(130)]


def test_parts_of_a_directory_tell_whether_it_changed(dom0: WireClient) -> None:
    dom0.mkdir("/t/a")
    first = dom0.request("DIRECTORY_PART", b"/t\x000\0").split(b"\0")
    assert first[1:] == [b"a", b"", b""]
    assert dom0.request("DIRECTORY_PART", b"/t\x000\0").split(b"\0") == first
    assert dom0.request("DIRECTORY_PART", b"/t\x002\0") == first[0] + b"\0\0"
    dom0.mkdir("/t/b")
    assert dom0.request("DIRECTORY_PART", b"/t\x000\0").split(b"\0")[0] != first[0]


def test_a_client_that_goes_in_mid_message_harms_nobody(clients: Clients, dom0: WireClient) -> None:
    for data in (b"", b"\0" * 5, HEADER.pack(OPERATIONS["WRITE"], 1, 0, 9) + b"/t\0"):
        victim = clients.dom0()
        victim.send_bytes(data)
        victim.close()
    victim = clients.dom0()
    victim.watch("/t", "t")
    victim.close()
    dom0.write("/t", b"1")
    with pytest.raises(Refused):
        dom0.read("/u")
