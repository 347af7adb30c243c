"""Text to numbers: what kernels print, what they used to print, and what they never would."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guest_agent import Counters, Sample, build_report
from guest_agent.sample import (
    Torn,
    parse_meminfo,
    parse_mm_stat,
    parse_number,
    parse_pressure,
    parse_swaps,
    parse_vmstat,
    parse_zswap,
)
from protocol import FINAL, URGENT, decode_report, encode_report
from tests.guest_agent.kernels import (
    MEMINFO_3_10,
    MEMINFO_6_1,
    MM_STAT,
    MM_STAT_4_1,
    PRESSURE,
    SWAPS,
    VMSTAT_4_19,
    VMSTAT_6_1,
    ZSWAP,
)


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


def test_what_came_back_from_swap_and_keeps_its_slot_is_not_in_swap() -> None:
    assert MEMINFO_6_1.count(b"SwapCached:            0 kB") == 1
    cached = MEMINFO_6_1.replace(b"SwapCached:            0 kB", b"SwapCached:         1000 kB")
    assert parse_meminfo(cached, 0).swap_used_kib == 68


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


def test_swaps_and_mm_stat() -> None:
    assert parse_swaps(SWAPS) == {"zram0": 600, "zram12": 44}
    assert parse_swaps(SWAPS.splitlines(keepends=True)[0]) == {}
    assert parse_swaps(SWAPS.replace(b"/dev/zram0 ", b"/dev/zramX ").replace(b"/dev/zram12", b"/tmp/zram12")) == {}
    assert (parse_mm_stat(MM_STAT), parse_mm_stat(MM_STAT_4_1)) == (248, 12)


def test_zswap_of_a_kernel_that_has_it_and_of_one_that_has_not() -> None:
    counters = Counters()
    parse_zswap(MEMINFO_3_10 + ZSWAP, counters)
    assert (counters.swap_ram_kib, counters.swap_packed_kib) == (512, 1300)
    parse_zswap(MEMINFO_3_10, counters)
    assert (counters.swap_ram_kib, counters.swap_packed_kib) == (0, 0)
    with pytest.raises(Torn):
        parse_zswap(MEMINFO_3_10 + ZSWAP[:-9], counters)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\n",
        SWAPS[1:],
        SWAPS[:-1],
        SWAPS[: SWAPS.index(b"600") + 1],  # cut: 6 would be wrong
        SWAPS[: SWAPS.index(b"\t600")] + b"\n",
        SWAPS.replace(b"600", b"-60"),
        SWAPS.replace(b"600", b"6_0"),
        SWAPS.replace(b"600", b"9" * 5000),
    ],
)
def test_torn_swaps(text: bytes) -> None:
    with pytest.raises(Torn):
        parse_swaps(text)


@pytest.mark.parametrize(
    "text", [b"", b"\n", b"1 2\n", MM_STAT[:-1], b"1 2 x\n", b"1 2 -3\n", b"1 2 " + b"9" * 21 + b"\n"]
)
def test_torn_mm_stat(text: bytes) -> None:
    with pytest.raises(Torn):
        parse_mm_stat(text)


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


SWAP_LINES = st.lists(
    st.tuples(st.sampled_from(["/dev/zram0", "/dev/zram7", "/dev/xvda2", "/swap"]), ANY_NUMBER), max_size=5
).map(lambda lines: SWAPS[:48] + "".join(f"{name} partition 9 {used} -2\n" for name, used in lines).encode())


@given(
    meminfo=st.binary() | LINES | st.integers(0, len(ZSWAP)).map(lambda end: MEMINFO_6_1 + ZSWAP[:end]),
    swaps=st.binary() | SWAP_LINES | st.integers(0, len(SWAPS)).map(lambda end: SWAPS[:end]),
    mm_stat=st.binary() | ANY_NUMBER.map(lambda number: f"1 2 {number} 4\n".encode()),
)
def test_any_texts_of_swap_can_be_reported_or_are_torn(meminfo: bytes, swaps: bytes, mm_stat: bytes) -> None:
    counters = Counters()
    try:
        parse_zswap(meminfo, counters)
        counters.swap_packed_kib += sum(parse_swaps(swaps).values())
        counters.swap_ram_kib += parse_mm_stat(mm_stat)
    except Torn:
        return
    report = build_report(parse_meminfo(MEMINFO_6_1, 0), counters, sequence=0, urgent=False)
    assert decode_report(encode_report(report)) == report


@given(*[st.integers(0, 2**64)] * 5)
def test_whenever_the_kernel_counted_what_its_guest_is_believed(
    total: int, swap_total: int, swap_used: int, ram: int, packed: int
) -> None:
    sample = Sample(
        uptime_ms=0,
        total_kib=max(1, total),
        free_kib=0,
        available_kib=0,
        swap_total_kib=swap_total,
        swap_used_kib=swap_used,
    )
    counters = Counters(swap_ram_kib=ram, swap_packed_kib=packed)
    report = build_report(sample, counters, sequence=0, urgent=False)
    assert decode_report(encode_report(report)) == report
    assert report.swap_packed_kib == min(packed, report.swap_used_kib)
    assert report.swap_ram_kib == min(ram, report.total_kib)


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
    counters.swap_ram_kib, counters.swap_packed_kib = 70_000, 200_000
    meminfo = MEMINFO_6_1.replace(b"SwapTotal:        131068", b"SwapTotal:       1131068")
    report = build_report(parse_meminfo(meminfo, 86_400_000), counters, sequence=100_000, urgent=False)
    assert report.swap_packed_kib == 200_000
    assert len(encode_report(report)) <= 160
