"""Hello, welcome, and hello again."""

from guest_agent import DEFAULTS, Session
from guest_agent.session import LOOK_MOST_MS
from protocol import Welcome, encode_welcome

WELCOME = Welcome(version=1, reason="", heartbeat_ms=1234)


def greeted() -> Session:
    session = Session()
    session.said_hello(0)
    session.on_look(1000, domid=b"5", untrusted_welcome=encode_welcome(WELCOME))
    return session


def test_hello_comes_first_and_the_arbiter_gets_a_second_to_answer() -> None:
    session = Session()
    hello_due_at_first = session.hello_due
    session.said_hello(0)
    assert (hello_due_at_first, session.hello_due) == (True, False)
    assert not session.look_due(999, reporting=True)
    assert session.look_due(1000, reporting=False)


def test_a_welcome_holds_and_is_looked_at_again_only_with_reports() -> None:
    session = greeted()
    assert session.settings == WELCOME
    assert not session.hello_due
    assert not session.look_due(1999, reporting=True)
    assert session.look_due(2000, reporting=True)
    assert not session.look_due(100_000, reporting=False)


def test_without_an_arbiter_hello_is_said_again_and_again_but_more_and_more_seldom() -> None:
    session, hellos_ms = Session(), []
    for now_ms in range(0, 600_000, 100):
        if session.look_due(now_ms, reporting=False) and not session.hello_due:
            session.on_look(now_ms, domid=b"5", untrusted_welcome=None)
        if session.hello_due:
            session.said_hello(now_ms)
            hellos_ms.append(now_ms)
    assert hellos_ms[:5] == [0, 1000, 3000, 7000, 15_000]
    assert hellos_ms[-1] - hellos_ms[-2] == LOOK_MOST_MS
    assert session.settings == DEFAULTS


def test_a_welcome_that_went_away_means_defaults_and_hello_again() -> None:
    session = greeted()
    session.on_look(2000, domid=b"5", untrusted_welcome=None)
    assert session.settings == DEFAULTS
    assert session.hello_due


def test_a_new_domid_means_hello_again() -> None:
    session = greeted()
    session.on_look(2000, domid=b"5", untrusted_welcome=encode_welcome(WELCOME))
    assert not session.hello_due
    session.on_look(3000, domid=b"17", untrusted_welcome=encode_welcome(WELCOME))
    assert session.hello_due


def test_an_unreadable_domid_means_nothing() -> None:
    session = greeted()
    session.on_look(2000, domid=None, untrusted_welcome=encode_welcome(WELCOME))
    session.on_look(3000, domid=b"5", untrusted_welcome=encode_welcome(WELCOME))
    assert not session.hello_due


def test_no_version_in_common_means_quiet_until_there_is_one() -> None:
    session = greeted()
    refusal = encode_welcome(Welcome(version=0, reason="speaks 2 to 3"))
    assert "speaks 2 to 3" in session.on_look(2000, domid=b"5", untrusted_welcome=refusal)
    quiet_then = session.quiet
    assert session.wait_ms(2000) == LOOK_MOST_MS
    assert session.look_due(2000 + LOOK_MOST_MS, reporting=False)
    assert session.on_look(70_000, domid=b"5", untrusted_welcome=encode_welcome(WELCOME)) == ""
    assert (quiet_then, session.quiet) == (True, False)
    assert session.wait_ms(70_000) == 0


def test_a_welcome_that_makes_no_sense_changes_nothing() -> None:
    for value in (b"", b"garbage", encode_welcome(Welcome(version=2, reason=""))):
        session = greeted()
        assert session.on_look(2000, domid=b"5", untrusted_welcome=value)
        assert session.settings == WELCOME
        assert not session.quiet
        assert not session.hello_due


def test_a_new_connection_means_hello_again_and_a_look_without_waiting_for_a_report() -> None:
    session = greeted()
    session.start_over()
    assert session.hello_due
    session.said_hello(5000)
    assert session.look_due(6000, reporting=False)
    assert session.settings == WELCOME  # until the look says otherwise
