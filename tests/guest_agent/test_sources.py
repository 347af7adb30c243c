"""Where measurements come from: files that stay open, are replaced, go away or were never there; and psutil."""

import errno
import os
import select
import subprocess
import sys
from collections import namedtuple
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from guest_agent import build_hello, build_report
from guest_agent.sources import SourceError, open_source, procfs
from protocol import (
    HAS_BALLOON,
    HAS_PSI,
    HAS_VMSTAT,
    TAKES_GRANTS,
    Report,
    decode_hello,
    decode_report,
    encode_hello,
    encode_report,
)
from tests.guest_agent.kernels import MEMINFO_6_1, MM_STAT, MM_STAT_4_1, SWAPS, ZSWAP, PlayedProcfs

if TYPE_CHECKING:
    from guest_agent.sources import Source


@pytest.fixture
def played(tmp_path: Path) -> PlayedProcfs:
    return PlayedProcfs(tmp_path)


def test_this_machines_own_procfs() -> None:
    source = open_source("procfs", "/proc")
    first, second = source.read_sample(1), source.read_sample(2)
    assert 0 < first.available_kib <= first.total_kib
    assert first.total_kib == second.total_kib
    counters = source.read_counters()
    assert counters.min_free_kib > 0
    assert source.capabilities & HAS_VMSTAT
    build_report(first, counters, sequence=0, urgent=False)
    assert source.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    build_hello(
        os_name=source.os_name, os_version=source.os_version, boot_id=source.boot_id, capabilities=source.capabilities
    )


def test_all_that_a_procfs_has(played: PlayedProcfs) -> None:
    source = open_source("procfs", str(played.directory))
    assert source.capabilities == HAS_VMSTAT | HAS_PSI  # and no balloon: it would be this machine's
    counters = source.read_counters()
    assert (counters.min_free_kib, counters.oom_kill_total, counters.psi_full_us_total) == (3400, 2, 204_511)
    assert source.boot_id == "4c1ee2a5-8d8a-4a3f-8a7e-07c3b8f1a0aa"


def test_a_played_procfs_is_no_place_for_triggers(played: PlayedProcfs) -> None:
    pressure = played.directory / "pressure" / "memory"
    before = pressure.read_bytes()
    assert open_source("procfs", str(played.directory)).open_stalls() == -1
    assert pressure.read_bytes() == before


def test_the_kernel_takes_a_trigger_where_it_has_psi() -> None:
    source = open_source("procfs", "/proc")
    if not source.capabilities & HAS_PSI or os.geteuid():
        pytest.skip("needs a kernel with PSI, and to be root")
    fd = source.open_stalls()
    try:
        assert fd >= 0
        poll = select.poll()
        poll.register(fd, select.POLLPRI)
        assert not [event for _, event in poll.poll(0) if event & select.POLLERR]
    finally:
        os.close(fd)


def test_without_the_right_to_it_no_trigger_is_had(monkeypatch: pytest.MonkeyPatch) -> None:
    source = open_source("procfs", "/proc")
    monkeypatch.setattr(procfs, "STALLS", (b"some 1 1\0",))  # no kernel allows such a window
    assert source.open_stalls() == -1


def test_cache_is_freed_first_and_what_would_go_to_a_disk_never(
    played: PlayedProcfs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[bytes] = []
    cache_kib = 4096
    knows_swappiness = True
    monkeypatch.setattr(procfs, "ZSWAP", str(tmp_path / "none"))

    def reclaim(text: bytes) -> bool:
        asked.append(text)
        if b"swappiness" in text:
            if not knows_swappiness:
                raise OSError(errno.EINVAL, "Invalid argument")
            return int(text.partition(b"K")[0]) <= cache_kib
        return True

    monkeypatch.setattr(procfs, "_reclaim", reclaim)
    swaps = played.directory / "swaps"
    disk = "/dev/xvdc partition 512 0 -1\n"
    heading, zram = "Filename Type Size Used Priority\n", "/dev/zram0 partition 512 0 100\n"
    for lines, may_swap in ((heading, True), (heading + zram, True), (heading + zram + disk, False)):
        swaps.write_text(lines)
        knows_swappiness = True
        source = open_source("procfs", str(played.directory))
        asked.clear()
        assert source.free_memory(4096)
        assert asked == [b"4096K swappiness=0"]
        assert source.free_memory(8192) == may_swap
        assert (asked[-1] == b"8192K") == may_swap
        knows_swappiness = False
        for _ in range(2):
            asked.clear()
            assert source.free_memory(4096) == may_swap
        assert asked == [b"4096K"] * may_swap, "an old kernel is asked once"
    (tmp_path / "none").write_text("Y\n")
    source = open_source("procfs", str(played.directory))
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(10):
        assert source.free_memory(4096), "zswap keeps it in memory"
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 1, "of what it opens to know that, it keeps one"


def test_what_memory_reclaim_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    source = open_source("procfs", "/proc")
    monkeypatch.setattr(procfs, "RECLAIM", str(tmp_path / "none"))
    with pytest.raises(SourceError, match="none: No such file"):
        source.free_memory(1024)
    (tmp_path / "none").touch()
    assert source.free_memory(1024)
    assert (tmp_path / "none").read_bytes() == b"1024K swappiness=0"
    assert not source.can_free, "there is no balloon here"


def test_a_balloon_that_may_be_written_takes_grants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    balloon = tmp_path / "target_kb"
    balloon.write_text("262144\n")
    monkeypatch.setattr(procfs, "BALLOON", str(balloon))
    source = open_source("procfs", "/proc")
    assert source.capabilities & HAS_BALLOON and source.capabilities & TAKES_GRANTS
    source.write_balloon_kib(300_000)
    assert balloon.read_text().strip() == "300000"
    assert source.read_balloon_kib() == source.read_counters().balloon_target_kib == 300_000
    balloon.unlink()
    with pytest.raises(SourceError, match="target_kb: No such file"):
        source.write_balloon_kib(1)
    balloon.write_text("1")
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert not open_source("procfs", "/proc").capabilities & TAKES_GRANTS, "a container's /sys is read-only"


def kinds_of_swap(source: "Source") -> tuple[int, int]:
    """What a source says that compressed swap takes, and what lies in it."""
    source.read_sample(0)
    counters = source.read_counters()
    return counters.swap_ram_kib, counters.swap_packed_kib


def test_this_machines_own_swap() -> None:
    source = open_source("procfs", "/proc")
    sample = source.read_sample(0)
    swaps = [line.split() for line in Path("/proc/swaps").read_text().splitlines()[1:]]
    zrams = [columns for columns in swaps if columns[0].startswith("/dev/zram")]
    meminfo = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    packed_kib = sum(int(columns[3]) for columns in zrams) + int(meminfo.get("Zswapped", "0 kB").split()[0])
    ram_kib, said_packed_kib = kinds_of_swap(source)
    assert abs(said_packed_kib - packed_kib) <= sample.swap_total_kib // 100  # others may be swapping meanwhile
    assert (ram_kib > 0) <= (sample.swap_total_kib > 0)


@pytest.mark.skipif(not Path("/sys/block/zram0/mm_stat").exists(), reason="no zram here")
def test_this_machines_own_mm_stat(played: PlayedProcfs) -> None:
    (played.directory / "sys/block").symlink_to("/sys/block")
    played.set_swap(b"".join(SWAPS.splitlines(keepends=True)[:2]))
    source = open_source("procfs", str(played.directory))
    taken_kib = int(Path("/sys/block/zram0/mm_stat").read_text().split()[2]) // 1024
    for _ in range(2):
        ram_kib, packed_kib = kinds_of_swap(source)
        assert abs(ram_kib - taken_kib) <= taken_kib // 10  # others may be swapping meanwhile
        assert packed_kib == 600


def test_swap_in_zram_and_zswap_is_told_from_swap_on_a_disk(played: PlayedProcfs) -> None:
    played.set_swap(SWAPS, zram0=MM_STAT, zram1=MM_STAT, zram12=MM_STAT_4_1)  # zram1 is no swap, but a file system
    source = open_source("procfs", str(played.directory))
    assert kinds_of_swap(source) == (248 + 12, 600 + 44)
    (played.directory / "meminfo").write_bytes(MEMINFO_6_1.replace(b"Zswap:                 0 kB\n", ZSWAP))
    assert kinds_of_swap(source) == (248 + 12 + 512, 600 + 44 + 1300)


def test_devices_come_and_go_with_swapon_and_swapoff(played: PlayedProcfs) -> None:
    lines = SWAPS.splitlines(keepends=True)
    played.set_swap(lines[0] + lines[3])
    source = open_source("procfs", str(played.directory))
    assert kinds_of_swap(source) == (0, 0)
    before = len(list(Path("/proc/self/fd").iterdir()))
    played.set_swap(SWAPS, zram0=MM_STAT, zram12=MM_STAT_4_1)
    assert kinds_of_swap(source) == (260, 644)
    played.set_swap(lines[0] + lines[2])
    assert kinds_of_swap(source) == (12, 44)
    played.set_swap(lines[0])
    assert kinds_of_swap(source) == (0, 0)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_device_whose_cost_is_not_known_counts_as_a_disk(played: PlayedProcfs) -> None:
    played.set_swap(SWAPS, zram12=MM_STAT_4_1)
    source = open_source("procfs", str(played.directory))
    assert kinds_of_swap(source) == (12, 44)
    played.set_swap(SWAPS, zram0=MM_STAT)
    assert kinds_of_swap(source) == (260, 644)


def test_without_swap_nobody_asks_where_it_lies(played: PlayedProcfs) -> None:
    played.set_swap(b"torn", zram0=b"torn")
    source = open_source("procfs", str(played.directory))
    (played.directory / "meminfo").write_bytes(
        MEMINFO_6_1.replace(b"SwapTotal:        131068", b"SwapTotal:             0")
    )
    assert kinds_of_swap(source) == (0, 0)
    (played.directory / "meminfo").write_bytes(MEMINFO_6_1)
    with pytest.raises(SourceError, match="swaps"):
        kinds_of_swap(source)


def test_a_procfs_with_nothing_but_meminfo_is_enough(played: PlayedProcfs) -> None:
    for name in ("vmstat", "pressure/memory", "sys/vm/min_free_kbytes", "sys/kernel/random/boot_id"):
        (played.directory / name).unlink()
    source = open_source("procfs", str(played.directory))
    assert source.capabilities == 0
    assert source.boot_id
    build_report(source.read_sample(0), source.read_counters(), sequence=0, urgent=False)


def test_a_directory_without_meminfo_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="meminfo: No such file"):
        open_source("procfs", str(tmp_path))


def test_a_replaced_file_is_noticed(played: PlayedProcfs) -> None:
    source = open_source("procfs", str(played.directory))
    played.set_available(77)
    assert source.read_sample(0).available_kib == 77
    (played.directory / "meminfo").write_bytes(b"MemTotal: 10 kB\nMemFree: 5 kB\n")  # in place
    assert source.read_sample(0).total_kib == 10


def test_a_file_that_goes_away_is_an_error_until_it_is_back(played: PlayedProcfs) -> None:
    source = open_source("procfs", str(played.directory))
    meminfo = played.directory / "meminfo"
    meminfo.rename(played.directory / "elsewhere")
    meminfo.symlink_to(played.directory / "nowhere")
    (played.directory / "elsewhere").unlink()
    with pytest.raises(SourceError, match="No such file"):
        source.read_sample(0)
    meminfo.unlink()
    played.set_available(5)
    assert source.read_sample(0).available_kib == 5


def test_torn_files_are_errors(played: PlayedProcfs) -> None:
    played.set_swap(SWAPS, zram0=MM_STAT)
    source = open_source("procfs", str(played.directory))
    for name, read in (
        ("meminfo", lambda: source.read_sample(0)),
        ("vmstat", source.read_counters),
        ("sys/vm/min_free_kbytes", source.read_counters),
        ("swaps", lambda: kinds_of_swap(source)),
        ("sys/block/zram0/mm_stat", lambda: kinds_of_swap(source)),
    ):
        path = played.directory / name
        whole = path.read_bytes()
        path.write_bytes(b"MemTotal: 10\npswpin \n")
        with pytest.raises(SourceError):
            read()
        path.write_bytes(whole)
        read()


def test_no_descriptors_are_lost(played: PlayedProcfs) -> None:
    played.set_swap(SWAPS, zram0=MM_STAT)
    source = open_source("procfs", str(played.directory))
    kinds_of_swap(source)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(50):
        played.set_available(5)
        source.read_sample(0)
        source.read_counters()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_file_of_more_than_a_page_is_read_whole(played: PlayedProcfs) -> None:
    vmstat = played.directory / "vmstat"
    vmstat.write_bytes(b"".join(b"nr_something_%d 0\n" % n for n in range(3000)) + b"oom_kill 9\n")
    assert open_source("procfs", str(played.directory)).read_counters().oom_kill_total == 9


def test_psutil_measures_the_same_and_claims_no_more_than_it_has() -> None:
    psutil, procfs = open_source("psutil", ""), open_source("procfs", "/proc")
    sample, other = psutil.read_sample(0), procfs.read_sample(0)
    assert sample.total_kib == other.total_kib
    assert abs(sample.available_kib - other.available_kib) < other.total_kib // 10
    assert not vars(psutil.read_counters())  # all swap is on a disk, for all it knows
    assert psutil.capabilities == 0
    build_report(sample, psutil.read_counters(), sequence=0, urgent=False)
    assert psutil.os_name == "Linux"
    assert psutil.boot_id


GIB = 1 << 30
# What psutil 7 hands out there, field by field (psutil/_pswindows.py, psutil/_psbsd.py); a guest of 8 and of 4 GiB.
WINDOWS_MEMORY = namedtuple("WINDOWS_MEMORY", "total available percent used free")
WINDOWS_SWAP = namedtuple("WINDOWS_SWAP", "total used free percent sin sout")
FREEBSD_MEMORY = namedtuple(
    "FREEBSD_MEMORY", "total available percent used free active inactive buffers cached shared wired"
)


def test_windows_figures_as_psutil_has_them_make_a_report(monkeypatch: pytest.MonkeyPatch) -> None:
    # On Windows free is available: standby pages count as both.
    memory = WINDOWS_MEMORY(8 * GIB - 4096, 5 * GIB, 37.5, 3 * GIB - 4096, 5 * GIB)
    swap = WINDOWS_SWAP(2 * GIB, GIB // 2, 2 * GIB - GIB // 2, 25.0, 0, 0)
    report = _reported(monkeypatch, "Windows", "11", memory, swap)
    assert (report.total_kib, report.free_kib, report.available_kib) == (8 * GIB // 1024 - 4, 5 << 20, 5 << 20)
    assert (report.swap_total_kib, report.swap_used_kib) == (2 << 20, 1 << 19)
    measured = {"version", "uptime_ms", "total_kib", "free_kib", "available_kib", "swap_total_kib", "swap_used_kib"}
    claimed = {field.name for field in report.FIELDS if report[field.index]}
    assert claimed == measured, "what psutil does not know there is 0"


def test_windows_without_a_page_file_makes_a_report_too(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = WINDOWS_MEMORY(4 * GIB, GIB, 75.0, 3 * GIB, GIB)
    report = _reported(monkeypatch, "Windows", "2022Server", memory, WINDOWS_SWAP(0, 0, 0, 0.0, 0, 0))
    assert (report.swap_total_kib, report.swap_used_kib) == (0, 0)
    memory = WINDOWS_MEMORY(4 * GIB, GIB, 75.0, 3 * GIB, GIB)
    report = _reported(monkeypatch, "Windows", "11", memory, WINDOWS_SWAP(GIB, GIB + 9000, -9000, 100.0, 0, 0))
    assert report.swap_used_kib == report.swap_total_kib, "a percentage that was rounded up"


def test_freebsds_figures_as_psutil_has_them_make_a_report(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = FREEBSD_MEMORY(
        4 * GIB, 2 * GIB, 50.0, 2 * GIB, GIB, GIB, 3 * GIB // 4, GIB // 8, GIB // 4, GIB // 16, GIB // 2
    )
    report = _reported(monkeypatch, "FreeBSD", "14.1-RELEASE", memory, WINDOWS_SWAP(GIB, 0, GIB, 0.0, 5, 7))
    assert (report.file_cache_kib, report.shmem_kib) == ((GIB // 4 + GIB // 8 - GIB // 16) // 1024, GIB // 16 // 1024)
    assert (report.swap_in_total, report.swap_out_total) == (0, 0), "not claimed, so not said"


def _reported(
    monkeypatch: pytest.MonkeyPatch, system: str, release: str, memory: tuple[object, ...], swap: tuple[object, ...]
) -> Report:
    """What dom0 reads of such a guest."""
    monkeypatch.setattr("psutil.virtual_memory", lambda: memory)
    monkeypatch.setattr("psutil.swap_memory", lambda: swap)
    monkeypatch.setattr("platform.system", lambda: system)
    monkeypatch.setattr("platform.release", lambda: release)
    source = open_source("psutil", "")
    hello = build_hello(
        os_name=source.os_name, os_version=source.os_version, boot_id=source.boot_id, capabilities=source.capabilities
    )
    hello = decode_hello(encode_hello(hello))
    assert (hello.os_name, hello.os_version, hello.capabilities) == (system, release, 0)
    report = build_report(source.read_sample(7), source.read_counters(), sequence=0, urgent=False)
    return decode_report(encode_report(report))


def test_without_psutil_its_source_says_what_is_missing() -> None:
    code = "import sys; sys.modules['psutil'] = None; import guest_agent.sources as s; s.open_source('psutil', '')"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert "SourceError: --source psutil" in run.stderr


def test_the_psutil_path_imports_nothing_that_only_posix_has() -> None:
    code = (
        "import sys\n"
        "import psutil, platform\n"  # psutil itself knows its platform
        "posix_only = 'fcntl resource grp pwd termios tty pty syslog spwd crypt nis _posixshmem _ctypes'\n"
        "for name in posix_only.split(): sys.modules[name] = None\n"
        "from guest_agent import Cadence, Session, build_hello, build_report, alone, grants, shrinking, tunables\n"
        "from guest_agent.sources import open_source\n"
        "open_source('psutil', '').read_sample(0)\n"
        "assert 'guest_agent.sources.procfs' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], timeout=30, check=True)
