"""Texts as kernels print them, shortened to the lines around those that are read; and a /proc that is played."""

from pathlib import Path

MEMINFO_6_1 = b"""\
MemTotal:         199028 kB
MemFree:           23104 kB
MemAvailable:     131552 kB
Buffers:            2184 kB
Cached:           118312 kB
SwapCached:            0 kB
Active:            21176 kB
Inactive:         128660 kB
Active(anon):        344 kB
Inactive(anon):    30260 kB
Active(file):      20832 kB
Inactive(file):    98400 kB
Unevictable:           8 kB
Mlocked:               8 kB
SwapTotal:        131068 kB
SwapFree:         130000 kB
Zswap:                 0 kB
Dirty:                12 kB
AnonPages:         29348 kB
Mapped:            24716 kB
Shmem:              1264 kB
KReclaimable:       9180 kB
Slab:              17208 kB
SReclaimable:       9180 kB
SUnreclaim:         8028 kB
KernelStack:        1088 kB
PageTables:          872 kB
SecPageTables:         3 kB
Bounce:                0 kB
CommitLimit:       99512 kB
Committed_AS:      61320 kB
VmallocTotal:   34359738367 kB
AnonHugePages:         0 kB
ShmemHugePages:        0 kB
ShmemPmdMapped:        0 kB
DirectMap4k:      786432 kB
"""

MEMINFO_3_10 = b"""\
MemTotal:        1016860 kB
MemFree:          200000 kB
Buffers:             948 kB
Cached:           300000 kB
Active(file):     150000 kB
Inactive(file):   120000 kB
SwapTotal:             0 kB
SwapFree:              0 kB
AnonPages:        400000 kB
Shmem:              8000 kB
"""

VMSTAT_6_1 = b"""\
nr_free_pages 5776
workingset_nodes 100
workingset_refault_anon 7
workingset_refault_file 1203
workingset_activate_file 900
pgpgin 400000
pgpgout 20000
pswpin 31
pswpout 267
pgfault 900000
oom_kill 2
nr_unstable 0
"""

VMSTAT_4_19 = b"nr_free_pages 5776\nworkingset_refault 555\npswpin 1\npswpout 2\noom_kill 0\n"

PRESSURE = b"""\
some avg10=1.53 avg60=0.87 avg300=0.30 total=3104520
full avg10=0.12 avg60=0.05 avg300=0.01 total=204511
"""

SWAPS = b"""\
Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority
/dev/zram0                              partition\t65532\t\t600\t\t100
/dev/zram12                             partition\t65532\t\t44\t\t100
/dev/xvda2                              partition\t1048572\t\t7000\t\t-2
/var/swap\\040file                       file\t\t32764\t\t5\t\t-3
"""

MM_STAT = b"  634880   184320   253952        0   262144        3        0       14       20\n"
MM_STAT_4_1 = b"   45056     9000    12288        0    16384        1        0\n"  # of other columns, and fewer
ZSWAP = b"Zswap:               512 kB\nZswapped:           1300 kB\n"


class PlayedProcfs:
    """A directory that looks like /proc to the agent."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        for name, text in {
            "meminfo": MEMINFO_6_1,
            "vmstat": VMSTAT_6_1,
            "pressure/memory": PRESSURE,
            "sys/vm/min_free_kbytes": b"3400\n",
            "sys/kernel/random/boot_id": b"4c1ee2a5-8d8a-4a3f-8a7e-07c3b8f1a0aa\n",
        }.items():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).write_bytes(text)

    def set_swap(self, swaps: bytes, **mm_stats: bytes) -> None:
        """Let /proc/swaps say that, and /sys/block have these devices."""
        (self.directory / "swaps").write_bytes(swaps)
        for name, text in mm_stats.items():
            (self.directory / f"sys/block/{name}").mkdir(parents=True, exist_ok=True)
            (self.directory / f"sys/block/{name}/mm_stat").write_bytes(text)

    def set_meminfo(self, text: bytes) -> None:
        """Replace meminfo, as a whole: an agent that looks meanwhile sees the one or the other."""
        new = self.directory / "meminfo.new"
        new.write_bytes(text)
        new.replace(self.directory / "meminfo")

    def set_available(self, kib: int) -> None:
        """Have so much available, and all else as before."""
        self.set_meminfo(MEMINFO_6_1.replace(b"MemAvailable:     131552 kB", b"MemAvailable: %10d kB" % kib))
