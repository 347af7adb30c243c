"""The guest grows by itself as far as it was let, and no further."""

import pytest

from guest_agent.grants import REMEMBERED, Grants
from protocol import Grant, encode_grant

MIB = 1024
URGENT_KIB = 32 * MIB


def grant(*, version: int = 1, extra: int = 64, echo_ms: int = 1000, duration_ms: int = 60_000) -> bytes:
    return encode_grant(Grant(version=version, extra_kib=extra * MIB, echo_uptime_ms=echo_ms, duration_ms=duration_ms))


def granted(**changed: int) -> Grants:
    """A guest of 256 MiB, by its driver's count, reported so at 1000 ms."""
    grants = Grants()
    grants.reported(1000, 256 * MIB)
    assert grants.on_look(grant(**changed)) == ""
    return grants


def raised_mib(grants: Grants, *, available: int, target: int = 256, total: int = 200, now_ms: int = 2000) -> int:
    kib = grants.target_kib(
        now_ms=now_ms,
        target_kib=target * MIB,
        total_kib=total * MIB,
        available_kib=available * MIB,
        urgent_kib=URGENT_KIB,
    )
    return kib // MIB


def test_an_urgent_guest_takes_what_brings_it_back_to_twice_the_threshold() -> None:
    assert raised_mib(granted(), available=20) == 256 + 44


def test_it_takes_no_more_than_was_granted_beyond_the_target_of_that_report() -> None:
    assert raised_mib(granted(extra=30), available=0) == 256 + 30
    assert raised_mib(granted(extra=30), available=0, target=280) == 256 + 30
    assert raised_mib(granted(extra=30), available=0, target=286) == 0
    assert raised_mib(granted(extra=30), available=0, target=400) == 0, "dom0 has given more meanwhile"


def test_a_guest_with_headroom_takes_nothing() -> None:
    assert raised_mib(granted(), available=32) == 0


def test_what_is_on_its_way_is_not_taken_again() -> None:
    grants = granted()
    assert raised_mib(grants, available=20) == 300
    assert raised_mib(grants, available=20, target=300) == 0
    assert raised_mib(grants, available=20, target=300, total=244) == 320, "it has arrived, and was used up"


def test_a_grant_ends_with_its_time_and_with_a_resume() -> None:
    grants = granted(duration_ms=500)
    assert grants.is_granted(1499) and not grants.is_granted(1500)
    assert raised_mib(grants, available=0, now_ms=1500) == 0
    grants = granted()
    grants.void()
    assert raised_mib(grants, available=0) == 0
    assert grants.on_look(grant()) == "" and not grants.is_granted(2000), "what it was counted from is another host's"


def test_a_grant_for_a_report_that_is_forgotten_gives_nothing() -> None:
    grants = Grants()
    for count in range(REMEMBERED + 1):
        grants.reported(1000 + count, 256 * MIB + count)
    grants.on_look(grant(echo_ms=1000))
    assert not grants.is_granted(1001)
    grants.on_look(grant(echo_ms=1001))
    assert grants.is_granted(1002)


def test_however_often_it_reports_a_grant_of_ten_seconds_ago_is_known() -> None:
    grants = granted()
    for uptime_ms in range(1010, 11_000, 10):
        grants.reported(uptime_ms, 256 * MIB)
    assert grants.on_look(grant(echo_ms=1500, extra=30)) == ""
    assert raised_mib(grants, available=0, now_ms=11_000) == 256 + 30


@pytest.mark.parametrize("withdrawn", [None, grant(extra=0)])
def test_a_grant_that_is_withdrawn_is_none(withdrawn: bytes | None) -> None:
    grants = granted()
    assert grants.on_look(withdrawn) == ""
    assert not grants.is_granted(2000)


@pytest.mark.parametrize(("broken", "said"), [(b"nonsense", "malformed"), (grant(version=2, extra=8), "version 2")])
def test_a_grant_that_makes_no_sense_changes_nothing(broken: bytes, said: str) -> None:
    grants = granted()
    assert said in grants.on_look(broken)
    assert grants.is_granted(2000) and raised_mib(grants, available=20) == 300
    assert grants.on_look(broken) == "", "said once"
    assert grants.on_look(None) == "" and not grants.is_granted(2000)
