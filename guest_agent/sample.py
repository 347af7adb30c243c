"""What the agent measures, and how the kernel's text becomes it. Pure, and blind to where the text came from."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import dataclass_transform
else:

    def dataclass_transform(**_options):
        """For type checkers only: `typing` costs 1.7 MB, `dataclasses` 2.7."""
        return lambda cls: cls


_LEVELS = (b"\nActive(file):", b"\nInactive(file):", b"\nShmem:", b"\nAnonPages:", b"\nCommitted_AS:")
_UNEVICTABLE = (b"\nSUnreclaim:", b"\nKernelStack:", b"\nPageTables:", b"\nMlocked:")


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
    """What is dearer to read than a sample: counters since boot, and the kernel's own settings."""

    min_free_kib: int = 0
    balloon_target_kib: int = 0
    swap_in_total: int = 0
    swap_out_total: int = 0
    refault_file_total: int = 0
    refault_anon_total: int = 0
    oom_kill_total: int = 0
    psi_some_us_total: int = 0
    psi_full_us_total: int = 0


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
        swap_used_kib=max(0, swap_total_kib - (_kib(text, b"\nSwapFree:") or 0)),
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


def parse_number(text: bytes) -> int:
    """Return the one number that files of /proc/sys and /sys hold; raise Torn for anything else."""
    return _number(b":" + text, b":", b"\n") or 0


def _kib(text: bytes, key: bytes) -> int | None:
    return _number(text, key, b" kB\n")


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
