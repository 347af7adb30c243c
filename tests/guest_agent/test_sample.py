"""Text to numbers: what kernels print, what they used to print, and what they never would."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guest_agent import Counters, Sample, build_report
from guest_agent.sample import Torn, parse_meminfo, parse_number, parse_pressure, parse_vmstat
from protocol import FINAL, URGENT, decode_report, encode_report
from tests.guest_agent.kernels import MEMINFO_3_10, MEMINFO_6_1, PRESSURE, VMSTAT_4_19, VMSTAT_6_1


def test_meminfo_of_a_current_kernel() -> None:
    sample = parse_meminfo(MEMINFO_6_1, 12_345)
    assert vars(sample) == {
        "uptime_ms": 12_345,
        "total_kib": 199_028,
        "free_kib": 23_104,
        "available_kib": 131_552,
        "file_cache_kib": 20_832 + 98_400,
        "shmem_kib": 1_264,
        "anon_kib": 29_348,
        "unevictable_kib": 8_028 + 1_088 + 872 + 8,  # PageTables, not SecPageTables
        "committed_kib": 61_320,
        "swap_total_kib": 131_068,
        "swap_used_kib": 1_068,
    }


def test_a_kernel_without_memavailable_gets_an_estimate_without_shared_memory() -> None:
    sample = parse_meminfo(MEMINFO_3_10, 0)
    assert sample.available_kib == 200_000 + 150_000 + 120_000 - 8_000
    assert sample.committed_kib == 0


def test_vmstat_and_pressure() -> None:
    counters = Counters()
    parse_vmstat(VMSTAT_6_1, counters)
    parse_pressure(PRESSURE, counters)
    assert (counters.swap_in_total, counters.swap_out_total, counters.oom_kill_total) == (31, 267, 2)
    assert (counters.refault_file_total, counters.refault_anon_total) == (1203, 7)
    assert (counters.psi_some_us_total, counters.psi_full_us_total) == (3_104_520, 204_511)


def test_one_refault_counter_of_older_kernels_counts_as_file() -> None:
    counters = Counters()
    parse_vmstat(VMSTAT_4_19, counters)
    assert (counters.refault_file_total, counters.refault_anon_total) == (555, 0)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\0" * 100,
        b"MemTotal:",
        b"MemTotal:              0 kB\nMemFree:               0 kB\n",
        b"MemTotal:         199028 kB\n",
        b"MemTotal:         199028 kB\nMemFree:           231",  # cut: 231 would be wrong
        MEMINFO_6_1[: MEMINFO_6_1.index(b"Shmem:") + 12],
        MEMINFO_6_1.replace(b"23104", b"-2310"),
        MEMINFO_6_1.replace(b"23104", b"9" * 400),
        MEMINFO_6_1.replace(b"23104", b"9" * 5000),
    ],
)
def test_torn_meminfo_is_no_sample(text: bytes) -> None:
    with pytest.raises(Torn):
        parse_meminfo(text, 0)


@pytest.mark.parametrize("text", [b"", b"\n", b"x\n", b"-1\n", b"12"])
def test_torn_single_numbers(text: bytes) -> None:
    with pytest.raises(Torn):
        parse_number(text)


ANY_NUMBER = st.integers(0, 10**25).map(str) | st.text("0123456789-_. x", max_size=12)
LINES = st.lists(
    st.tuples(st.sampled_from([line.split(b":")[0] for line in MEMINFO_6_1.splitlines()]), ANY_NUMBER), max_size=60
).map(lambda lines: b"".join(name + b": " + number.encode() + b" kB\n" for name, number in lines))


@given(text=st.binary() | LINES | st.integers(0, len(MEMINFO_6_1)).map(lambda end: MEMINFO_6_1[:end]))
def test_any_text_is_a_sample_that_can_be_reported_or_torn(text: bytes) -> None:
    try:
        sample = parse_meminfo(text, 0)
    except Torn:
        return
    report = build_report(sample, Counters(), sequence=0, urgent=False)
    assert decode_report(encode_report(report)) == report


@given(text=st.binary() | st.integers(0, len(VMSTAT_6_1)).map(lambda end: VMSTAT_6_1[:end]))
def test_any_text_leaves_counters_that_can_be_reported_or_is_torn(text: bytes) -> None:
    counters = Counters()
    try:
        parse_vmstat(text, counters)
        parse_pressure(text, counters)
    except Torn:
        return
    build_report(parse_meminfo(MEMINFO_6_1, 0), counters, sequence=0, urgent=False)


def test_parts_that_were_read_later_than_the_whole_are_cut_to_it() -> None:
    sample = Sample(uptime_ms=1, total_kib=1000, free_kib=1001, available_kib=1002, swap_total_kib=5, swap_used_kib=6)
    report = build_report(sample, Counters(), sequence=2**32 + 3, urgent=True, final=True)
    assert (report.free_kib, report.available_kib, report.swap_used_kib) == (1000, 1000, 5)
    assert report.sequence == 3
    assert report.flags == URGENT | FINAL


def test_a_typical_report_is_small() -> None:
    counters = Counters()
    parse_vmstat(VMSTAT_6_1, counters)
    parse_pressure(PRESSURE, counters)
    report = build_report(parse_meminfo(MEMINFO_6_1, 86_400_000), counters, sequence=100_000, urgent=False)
    assert len(encode_report(report)) <= 160
