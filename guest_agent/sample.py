"""What the agent measures, and how the kernel's text becomes it. Pure, and blind to where the text came from."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import dataclass_transform
else:

    def dataclass_transform(**_options):
        """For type checkers only: `typing` costs 1.7 MB, `dataclasses` 2.7."""
        return lambda cls: cls


_LEVELS = (b"\nActive(file):", b"\nInactive(file):", b"\nShmem:", b"\nAnonPages:", b"\nCommitted_AS:")
_SWAP_UNUSED = (b"\nSwapFree:", b"\nSwapCached:")  # what is in memory again, and keeps its slot until slots get scarce
_UNEVICTABLE = (b"\nSUnreclaim:", b"\nKernelStack:", b"\nPageTables:", b"\nMlocked:")
_DEV, _ZRAM = b"/dev/", b"/dev/zram"
_DIGITS_MAX = 20  # of a 64-bit counter


class Torn(ValueError):
    """Text that is not whole, or not the kernel's: the sample is dropped, the next one will do."""


@dataclass_transform(kw_only_default=True)
class Record:
    """Numbers with names: keyword arguments in, a default for those left out."""

    def __init__(self, **values: int) -> None:
        self.__dict__.update(values)


class Sample(Record):
    """The levels of a guest's memory at one instant; protocol's `Report` says what each is."""

    uptime_ms: int
    total_kib: int
    free_kib: int
    available_kib: int
    file_cache_kib: int = 0
    shmem_kib: int = 0
    anon_kib: int = 0
    unevictable_kib: int = 0
    committed_kib: int = 0
    swap_total_kib: int = 0
    swap_used_kib: int = 0


class Counters(Record):
    """What is dearer to read than a sample: counters since boot, the kernel's own settings, where swap lies."""

    min_free_kib: int = 0
    balloon_target_kib: int = 0
    swap_in_total: int = 0
    swap_out_total: int = 0
    refault_file_total: int = 0
    refault_anon_total: int = 0
    oom_kill_total: int = 0
    psi_some_us_total: int = 0
    psi_full_us_total: int = 0
    swap_ram_kib: int = 0
    swap_packed_kib: int = 0


def parse_meminfo(text: bytes, uptime_ms: int) -> Sample:
    """Return the sample that /proc/meminfo spells; raise Torn if its first lines are missing, or a needed line is cut.

    Lines that this kernel lacks count as 0; MemAvailable, absent before Linux 3.14, as free + file cache − Shmem.
    """
    text = b"\n" + text
    total_kib, free_kib = _kib(text, b"\nMemTotal:"), _kib(text, b"\nMemFree:")
    if not total_kib or free_kib is None:
        raise Torn("meminfo: no MemTotal or no MemFree")
    active, inactive, shmem, anon, committed = [_kib(text, key) or 0 for key in _LEVELS]
    available_kib = _kib(text, b"\nMemAvailable:")
    if available_kib is None:
        available_kib = free_kib + max(0, active + inactive - shmem)
    swap_total_kib = _kib(text, b"\nSwapTotal:") or 0
    return Sample(
        uptime_ms=uptime_ms,
        total_kib=total_kib,
        free_kib=free_kib,
        available_kib=available_kib,
        file_cache_kib=active + inactive,
        shmem_kib=shmem,
        anon_kib=anon,
        unevictable_kib=sum([_kib(text, key) or 0 for key in _UNEVICTABLE]),
        committed_kib=committed,
        swap_total_kib=swap_total_kib,
        swap_used_kib=max(0, swap_total_kib - sum([_kib(text, key) or 0 for key in _SWAP_UNUSED])),
    )


def parse_vmstat(text: bytes, counters: Counters) -> None:
    """Fill in the counters that /proc/vmstat has; raise Torn where one is cut. Unknown ones stay 0."""
    text = b"\n" + text
    counters.swap_in_total = _number(text, b"\npswpin ", b"\n") or 0
    counters.swap_out_total = _number(text, b"\npswpout ", b"\n") or 0
    counters.refault_anon_total = _number(text, b"\nworkingset_refault_anon ", b"\n") or 0
    refault_file = _number(text, b"\nworkingset_refault_file ", b"\n")
    if refault_file is None:  # one counter for both before Linux 5.9
        refault_file = _number(text, b"\nworkingset_refault ", b"\n")
    counters.refault_file_total = refault_file or 0
    counters.oom_kill_total = _number(text, b"\noom_kill ", b"\n") or 0


def parse_pressure(text: bytes, counters: Counters) -> None:
    """Fill in the stall times that /proc/pressure/memory has; raise Torn where one is cut."""
    some, _, full = text.partition(b"\nfull ")
    counters.psi_some_us_total = _number(some + b"\n", b" total=", b"\n") or 0
    counters.psi_full_us_total = _number(full, b" total=", b"\n") or 0


def parse_zswap(text: bytes, counters: Counters) -> None:
    """Fill in what /proc/meminfo says of zswap (fs/proc/meminfo.c, since Linux 5.19); raise Torn where it is cut.

    Zswap is what its pool takes; Zswapped the size, uncompressed, of what lies there, each page with a slot of swap.
    """
    counters.swap_ram_kib = _kib(text, b"\nZswap:") or 0
    counters.swap_packed_kib = _kib(text, b"\nZswapped:") or 0


def parse_swaps(text: bytes) -> dict[str, int]:
    """Return the used KiB of every zram device in /proc/swaps (mm/swapfile.c), by its name in /sys/block.

    Raise Torn where the header is missing or a line is cut. Swap on anything else is a disk's, and not returned.
    """
    if not text.startswith(b"Filename") or not text.endswith(b"\n"):
        raise Torn("swaps: not whole")
    used_kib = {}
    for line in text.split(b"\n"):
        columns = line.split()  # file name (spaces escaped), type, size, used, priority
        if columns and columns[0].startswith(_ZRAM) and columns[0][len(_ZRAM) :].isdigit():
            used_kib[columns[0][len(_DEV) :].decode()] = _column(columns, 3, "swaps")
    return used_kib


def parse_mm_stat(text: bytes) -> int:
    """Return how many KiB a zram device takes, the allocator's losses included; raise Torn for anything else.

    mem_used_total, the third column of /sys/block/zram*/mm_stat, in bytes (Linux 4.1,
    Documentation/admin-guide/blockdev/zram.rst).
    """
    if not text.endswith(b"\n"):
        raise Torn("mm_stat: not whole")
    return _column(text.split(), 2, "mm_stat") // 1024


def parse_number(text: bytes) -> int:
    """Return the one number that files of /proc/sys and /sys hold; raise Torn for anything else."""
    return _number(b":" + text, b":", b"\n") or 0


def _kib(text: bytes, key: bytes) -> int | None:
    return _number(text, key, b" kB\n")


def _column(columns: list[bytes], index: int, name: str) -> int:
    if len(columns) <= index or len(columns[index]) > _DIGITS_MAX or not columns[index].isdigit():
        raise Torn(f"{name}: no number in column {index + 1}")
    return int(columns[index])


def _number(text: bytes, key: bytes, unit: bytes) -> int | None:
    """Return the number between key and unit, None without the key; raise Torn if something else stands there."""
    at = text.find(key)
    if at < 0:
        return None
    at += len(key)
    end = text.find(unit, at)
    try:
        number = int(text[at:end])
    except ValueError:
        number = -1
    if number < 0 or not at < end <= at + 32:  # a 64-bit counter has 20 digits, the file's columns are 8 wide
        raise Torn(f"no number after {key.strip().decode()}")
    return number
