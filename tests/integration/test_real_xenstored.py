"""The harness itself: what the other tests here take for granted of the daemon and of the guests it is given."""

import pytest

from .plain_client import IS_DOMAIN_INTRODUCED
from .real_xenstored import RealXenstored


def test_a_guest_is_itself_to_the_daemon(xenstored: RealXenstored) -> None:
    xenstored.add_guest(7)
    with xenstored.guest(7) as guest, xenstored.dom0() as dom0:
        guest.write("data/report", b"x")
        assert dom0.read("/local/domain/7/data/report") == b"x"
        assert dom0.perms("/local/domain/7/data/report") == ["n7"]
        assert guest.read("memory/target") == b"524288"
        for refused in ("memory/target", "newkey", "/local/domain/8", "/tool/x"):
            with pytest.raises(PermissionError):
                guest.write(refused, b"1")


def test_a_guest_has_quotas(xenstored: RealXenstored) -> None:
    xenstored.add_guest(7)
    with xenstored.guest(7) as guest:
        with pytest.raises(OSError, match="ENOSPC"):
            guest.write("data/big", bytes(2049))
        with pytest.raises(OSError, match="ENOSPC"):
            for number in range(1001):
                guest.write(f"data/{number}", b"")


def test_a_guest_comes_and_goes_with_its_watches(xenstored: RealXenstored) -> None:
    with xenstored.dom0() as dom0:
        dom0.watch("@introduceDomain", "in")
        dom0.watch("@releaseDomain", "out")
        assert [dom0.next_event(), dom0.next_event()] == [("@introduceDomain", "in"), ("@releaseDomain", "out")]
        xenstored.add_guest(7)
        assert dom0.next_event() == ("@introduceDomain", "in")
        assert dom0.request(IS_DOMAIN_INTRODUCED, b"7\0") == b"T\0"
        xenstored.remove_guest(7)
        assert dom0.next_event() == ("@releaseDomain", "out")
        assert dom0.request(IS_DOMAIN_INTRODUCED, b"7\0") == b"F\0"
        assert not dom0.exists("/local/domain/7")


def test_what_a_guests_client_leaves_behind_is_reset(xenstored: RealXenstored) -> None:
    xenstored.add_guest(7)
    with xenstored.guest(7) as guest:
        guest.watch("data")
        for _ in range(11):  # refused once more than the quota of ten are open
            guest.start_transaction()
        with pytest.raises(OSError, match="ENOSPC"):
            guest.start_transaction()
    with xenstored.guest(7) as guest:
        guest.end_transaction(guest.start_transaction())
        guest.write("data/x", b"1")
        guest.watch("control/shutdown", "mine")
        assert guest.next_event() == ("control/shutdown", "mine")


def test_a_killed_daemon_comes_back_empty_with_the_guests_made_again(xenstored: RealXenstored) -> None:
    xenstored.add_guest(7)
    with xenstored.dom0() as dom0:
        dom0.write("/tool/x", b"1")
        xenstored.kill()
        with pytest.raises(OSError, match=r"closed|reset|Broken pipe"):
            dom0.read("/tool/x")
    xenstored.start()
    with xenstored.dom0() as dom0, xenstored.guest(7) as guest:
        assert not dom0.exists("/tool/x")
        guest.write("data/report", b"y")
        assert dom0.read("/local/domain/7/data/report") == b"y"


def test_a_stopped_daemon_answers_when_it_goes_on(xenstored: RealXenstored) -> None:
    xenstored.stop()
    with xenstored.dom0() as dom0:
        dom0._socket.settimeout(0.05)
        with pytest.raises(TimeoutError):
            dom0.exists("/tool")
    xenstored.cont()
    with xenstored.dom0() as dom0:
        assert dom0.exists("/tool")


def test_many_guests_may_talk_at_once(xenstored: RealXenstored) -> None:
    domids = range(1, 51)
    for domid in domids:
        xenstored.add_guest(domid)
    guests = {domid: xenstored.guest(domid) for domid in domids}
    for number in range(20):
        for guest in guests.values():
            guest.write("data/report", str(number).encode())
    with xenstored.dom0() as dom0:
        for domid, guest in guests.items():
            assert dom0.read(f"/local/domain/{domid}/data/report") == b"19"
            guest.close()
