"""Any bytes are a message or the peer's fault, and nothing else."""

from binascii import b2a_base64
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import (
    REASONS,
    VALUE_BYTES_MAX,
    Grant,
    Hello,
    LocalProtocolError,
    RemoteProtocolError,
    Report,
    Welcome,
    encode_report,
)
from protocol.codec import decode, encode
from protocol.fields import Message
from tests.protocol.strategies import KINDS, json_like, messages

TYPICAL: dict[str, Any] = {
    "version": 1,
    "sequence": 123_456,
    "uptime_ms": 864_000_000,
    "flags": 0,
    "total_kib": 3_900_000,
    "free_kib": 400_000,
    "available_kib": 1_900_000,
    "file_cache_kib": 1_500_000,
    "shmem_kib": 120_000,
    "anon_kib": 1_300_000,
    "unevictable_kib": 150_000,
    "committed_kib": 4_000_000,
    "swap_total_kib": 1_000_000,
    "swap_used_kib": 100_000,
    "min_free_kib": 67_584,
    "floor_kib": 0,
    "balloon_target_kib": 4_194_304,
    "swap_in_total": 400_000,
    "swap_out_total": 500_000,
    "refault_file_total": 900_000,
    "refault_anon_total": 10_000,
    "oom_kill_total": 1,
    "psi_some_us_total": 900_000_000,
    "psi_full_us_total": 500_000_000,
    "swap_ram_kib": 30_000,
    "swap_packed_kib": 90_000,
}


def pack(items: object) -> bytes:
    return b2a_base64(msgpack.packb(items), newline=False)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_what_is_encoded_is_decoded(kind: type[Message], data: st.DataObject) -> None:
    message = data.draw(messages(kind))
    value = encode(message)
    assert len(value) <= VALUE_BYTES_MAX
    assert value.isascii()
    assert decode(kind, value) == message


@pytest.mark.parametrize("kind", KINDS)
@given(untrusted=st.binary(max_size=2 * VALUE_BYTES_MAX) | json_like.map(pack))
def test_any_bytes_are_a_message_or_the_peers_fault(kind: type[Message], untrusted: bytes) -> None:
    try:
        message = decode(kind, untrusted)
    except RemoteProtocolError as error:
        assert error.reason in REASONS
    else:
        for field in kind.FIELDS:
            field.check(message[field.index], AssertionError)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_a_flipped_bit_is_a_message_or_the_peers_fault(kind: type[Message], data: st.DataObject) -> None:
    value = bytearray(encode(data.draw(messages(kind))))
    at = data.draw(st.integers(0, len(value) - 1))
    value[at] ^= 1 << data.draw(st.integers(0, 7))
    try:
        assert type(decode(kind, bytes(value))) is kind
    except RemoteProtocolError as error:
        assert error.reason in REASONS


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data(), surplus=st.lists(json_like, max_size=5))
def test_a_newer_peers_extra_fields_are_ignored(
    kind: type[Message], data: st.DataObject, surplus: list[object]
) -> None:
    message = data.draw(messages(kind))
    value = pack([*message, *surplus])
    if len(value) <= VALUE_BYTES_MAX:
        try:
            assert decode(kind, value) == message
        except RemoteProtocolError as error:  # the surplus alone can break a limit of the codec
            assert error.reason in ("size", "msgpack")


def test_an_older_peers_missing_fields_take_their_defaults() -> None:
    value = pack([1, 7, 1000, 0, 500_000, 100_000, 200_000])
    report = decode(Report, value)
    assert report == Report(
        version=1, sequence=7, uptime_ms=1000, flags=0, total_kib=500_000, free_kib=100_000, available_kib=200_000
    )
    assert report.psi_full_us_total == 0


def test_a_report_that_ends_before_the_kinds_of_swap_has_all_of_it_on_a_disk() -> None:
    older = list(Report(**TYPICAL))[:24]
    report = decode(Report, pack(older))
    assert (report.swap_used_kib, report.swap_packed_kib, report.swap_ram_kib) == (100_000, 0, 0)
    assert list(report)[:24] == older


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"swap_ram_kib": 3_900_001}, "swap_ram_kib: at most total_kib"),
        ({"swap_packed_kib": 100_001}, "swap_packed_kib: at most swap_used_kib"),
        ({"swap_ram_kib": -1}, "swap_ram_kib: 0 to"),
        ({"swap_packed_kib": 2**40 + 1}, "swap_packed_kib: 0 to"),
    ],
)
def test_compressed_swap_beyond_its_bounds_is_refused_as_a_whole(wrong: dict[str, int], why: str) -> None:
    with pytest.raises(RemoteProtocolError, match=why) as refused:
        decode(Report, pack(list((TYPICAL | wrong).values())))
    assert refused.value.reason == "range"
    assert decode(Report, pack(list((TYPICAL | {"swap_ram_kib": 3_900_000, "swap_packed_kib": 100_000}).values())))


def test_a_message_that_ends_before_a_required_field_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="available_kib: missing"):
        decode(Report, pack([1, 7, 1000, 0, 500_000, 100_000]))


@pytest.mark.parametrize(
    ("items", "reason"),
    [
        ({}, "shape"),
        (7, "shape"),
        ([True, 0, 0, 0, 1, 0, 0], "type"),
        ([1.0, 0, 0, 0, 1, 0, 0], "type"),
        ([1, -1, 0, 0, 1, 0, 0], "range"),
        ([1, 0, 0, 0, 0, 0, 0], "range"),
        ([1, 0, 0, 0, 2**40 + 1, 0, 0], "range"),
        ([1, 0, 0, 0, 100, 101, 0], "range"),
        ([1, 0, 0, 0, 100, 0, 101], "range"),
        (["1" + "0" * 400, 0, 0, 0, 1, 0, 0], "type"),
        ([[[[[[1]]]]]], "shape"),
        ([1] * 65, "msgpack"),
    ],
)
def test_a_wrong_report_is_refused_as_a_whole_and_says_why(items: object, reason: str) -> None:
    with pytest.raises(RemoteProtocolError) as refused:
        decode(Report, pack(items))
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("untrusted", "reason"),
    [
        (b"", "size"),
        (b"A" * (VALUE_BYTES_MAX + 1), "size"),
        (b"1" + b"0" * 400, "base64"),
        (b"kwE=\n", "base64"),
        (b"-1", "base64"),
        (b"wQ==", "msgpack"),
        (b"k" + b"5OT" * 300 + b"k5M", "msgpack"),
        (pack([1, 0, 0, 0, 1, 0, 0])[:-4] + b"/w==", "msgpack"),
    ],
)
def test_bytes_that_are_no_message_are_refused_by_reason(untrusted: bytes, reason: str) -> None:
    with pytest.raises(RemoteProtocolError) as refused:
        decode(Report, untrusted)
    assert refused.value.reason == reason


def test_a_typical_report_takes_at_most_160_bytes() -> None:
    assert len(encode_report(Report(**TYPICAL))) <= 160


def test_what_is_refused_leaves_nothing_behind() -> None:
    """With msgpack 1.0.8 to 1.1.2, each of these leaves 145 KB."""
    nested = b2a_base64(b"\x9f" * 768, newline=False)
    before_kib = _resident_kib()
    for _ in range(1000):
        with pytest.raises(RemoteProtocolError):
            decode(Report, nested)
    assert _resident_kib() - before_kib < 20_000


def _resident_kib() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4


def test_we_are_told_when_we_are_wrong() -> None:
    with pytest.raises(LocalProtocolError, match="available_kib: at most total_kib"):
        Report(**(TYPICAL | {"available_kib": 4_000_000}))
    with pytest.raises(LocalProtocolError, match="agent_name: 1 to 32 printable"):
        Hello(
            version_lowest=1,
            version_highest=1,
            agent_name="",
            agent_version="1",
            os_name="L",
            os_version="6",
            capabilities=0,
            boot_id="b",
        )
    with pytest.raises(LocalProtocolError, match="version_lowest"):
        Hello(
            version_lowest=2,
            version_highest=1,
            agent_name="a",
            agent_version="1",
            os_name="L",
            os_version="6",
            capabilities=0,
            boot_id="b",
        )
    with pytest.raises(LocalProtocolError, match="interval_min_ms"):
        Welcome(version=1, reason="", interval_min_ms=100, interval_max_ms=50)
    with pytest.raises(TypeError, match="no field surplus"):
        Grant(version=1, extra_kib=0, echo_uptime_ms=0, duration_ms=0, surplus=1)  # type: ignore[call-arg]


def test_messages_cannot_be_changed() -> None:
    report = Report(**TYPICAL)
    with pytest.raises(AttributeError):
        report.flags = 1  # type: ignore[misc]
