"""The scenarios by name: on which host each plays, what one run of it consists of, and how they share boots.

Plain data for both sides: the host plans boots by it, the driver in dom0 builds hosts and plays runs by it.
"""

from dataclasses import dataclass

SLACK_MIB = 64
# What `spike` may hold at T0, and what the release is judged by (MiB).
SPIKER_AT_START_MIB = 300
SPIKER_LOST_BEFORE_MIB = 330  # a guest in which a program was killed keeps 11 MiB more ever after
FREE_TOLERANCE_MIB = 16
# At T0 Xen has at most slack, the MiB of maxmem above every managed guest's target (promised to it, by invariants A and
# B together) and this much free: the least that a growth may bring each guest is 1 MiB, so that much may lie about.
MARGIN_MIB = 1
FREE_AT_START_MIB = 3
# Marks that scenarios leave, for those who judge them.
OTHERS = "others act"  # a scenario plays the operator
STORM = "storm"
CALMED = "calmed"
STANDS_STILL, GOES_ON = "the arbiter stands still", "the arbiter goes on"
HANDED_BACK = "handed back"
WATCHED = "watched"
COMFORTABLE = "comfortable"
SERVED_IOPS = 300  # a disk's, of the present day and not too busy, under an emulation that slows all else down
SHORT_BY_RATIO = 0.05  # a program that takes so much longer than at best is short of memory


@dataclass(frozen=True, slots=True, kw_only=True)
class HostShape:
    """One emulated host: three equal guests that the arbiter manages and a control guest that it does not."""

    guest_mib: int  # what each managed guest starts with
    static_max_mib: int
    managed_mib: int  # the managed guests' memory and Xen's free memory together, slack included
    guest_type: str = "pv"
    zram_mib: int = 0  # swap in each managed guest
    swap_disk_mib: int = 0  # swap on a disk of its own, in the third managed guest
    served_disk_mib: int = 0  # a slow disk, served to the third managed guest through dom0's page cache
    weights: tuple[int, int, int] = (256, 256, 256)
    surplus: str = "spread"
    grant_mib: int = 0  # what each managed guest may take by itself
    pool_mib: int = 0  # what Xen keeps free for whoever cannot wait
    freed_kib_s: int = 0  # what each managed guest's agent frees for its balloon
    dom0_cpu_weight: int = 256  # Xen's default
    dom0_mib: int = 512  # what dom0 has besides the ballast
    dom0_min_mib: int = 0  # the least that a managed dom0 keeps; 0: it is not managed


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One scenario; a run plays every variant once, each as a run of its own."""

    name: str
    shape: HostShape
    boot: str  # scenarios with the same word here share a boot
    variants: tuple[str, ...] = ("",)
    ci_runs: int = 1
    gating: bool = True
    default: bool = True  # played when nothing is named
    run_limit_s: float = 300.0  # of one run, before its machine is given up


SMALL = HostShape(guest_mib=256, static_max_mib=768, managed_mib=3 * 256 + SLACK_MIB)
# Two guests that hold 450 MiB need about 560 MiB each, a third that touches 304 MiB about 450; the rest is idle.
WIDE = HostShape(guest_mib=400, static_max_mib=1024, managed_mib=1792)
# Two guests that swap, each page a dear thing under emulation, would leave dom0 a third of the one pCPU.
CONTENDED = HostShape(
    guest_mib=256,
    static_max_mib=768,
    managed_mib=3 * 256 + SLACK_MIB,
    zram_mib=512,
    weights=(256, 768, 256),
    dom0_cpu_weight=4096,
)
# Where domains leave and come back, what they leave is kept for them: reservations are for those who ask for them.
KEPT_FREE = HostShape(guest_mib=256, static_max_mib=768, managed_mib=3 * 256 + 256 + SLACK_MIB, surplus="keep-free")
# Room for bursts, set aside for each guest or for whoever needs it first.
APART_MIB = 128
GRANTED = HostShape(
    guest_mib=256, static_max_mib=768, managed_mib=3 * (256 + APART_MIB) + SLACK_MIB, grant_mib=APART_MIB
)
POOLED = HostShape(
    guest_mib=256, static_max_mib=768, managed_mib=3 * (256 + APART_MIB) + SLACK_MIB, pool_mib=3 * APART_MIB
)
FREED = HostShape(guest_mib=256, static_max_mib=768, managed_mib=3 * 256 + SLACK_MIB, freed_kib_s=256 * 1024)
SMALL_PVH = HostShape(guest_mib=256, static_max_mib=768, managed_mib=3 * 256 + SLACK_MIB, guest_type="pvh")
STORMY = HostShape(guest_mib=256, static_max_mib=768, managed_mib=3 * 256 + SLACK_MIB, zram_mib=512)
STORMY_DISK = HostShape(guest_mib=256, static_max_mib=768, managed_mib=3 * 256 + SLACK_MIB, swap_disk_mib=512)
SERVED = HostShape(guest_mib=256, static_max_mib=768, managed_mib=3 * 256 + SLACK_MIB, served_disk_mib=128)
# One of them is filled to 680 MiB with what it reads from a disk.
GIVING = HostShape(
    guest_mib=256,
    static_max_mib=768,
    managed_mib=3 * 256 + 512 + SLACK_MIB,
    served_disk_mib=512,
    surplus="keep-free",
)
# What an operator gives and takes comes from Xen's free memory.
ROOMY = HostShape(
    guest_mib=256, static_max_mib=768, managed_mib=3 * 256 + 256 + SLACK_MIB, zram_mib=512, surplus="keep-free"
)
# Dom0 gets what no guest needs, and has some 650 MiB of that above its floor when a guest needs it.
WITH_DOM0 = HostShape(
    guest_mib=256,
    static_max_mib=768,
    managed_mib=3 * 256 + SLACK_MIB,
    surplus="dom0",
    dom0_mib=1536,
    dom0_min_mib=1024,
)
# From a pace that leaves the arbiter a second for each 10 MiB to more than an emulated guest can touch (MiB/s).
SWEPT_MIB_S = ("10", "20", "30", "40", "50")
# A program's touch, and whether dom0 stands still for the first five seconds of it.
STALLED = "-stalled"
AS_STALLED = ("private" + STALLED, "populate" + STALLED)
APART = ("private", "populate", *AS_STALLED)

SCENARIOS = (
    Scenario(name="spike", shape=SMALL, boot="spike", ci_runs=3),
    Scenario(name="spike-shared", shape=SMALL, boot="spike", variants=("shared", "tmpfs")),
    Scenario(name="spike-wide", shape=WIDE, boot="wide"),
    Scenario(name="contention", shape=CONTENDED, boot="contention"),
    Scenario(name="arbiter-killed", shape=SMALL, boot="faults"),
    Scenario(name="xenstored-stalled", shape=SMALL, boot="faults"),
    Scenario(name="spike-fast", shape=SMALL, boot="spike"),
    Scenario(name="save-restore", shape=KEPT_FREE, boot="lifecycle", variants=("shrinks", "grows")),
    Scenario(name="reboot", shape=KEPT_FREE, boot="lifecycle"),
    Scenario(name="mem-set-by-operator", shape=SMALL, boot="faults"),
    Scenario(name="spike-pvh", shape=SMALL_PVH, boot="pvh", gating=False, default=False),
    Scenario(
        name="rate-sweep", shape=SMALL, boot="sweep", variants=SWEPT_MIB_S, ci_runs=10, gating=False, default=False
    ),
    Scenario(name="recover", shape=STORMY, boot="storm", gating=False, default=False),
    Scenario(name="recover-disk", shape=STORMY_DISK, boot="storm-disk", gating=False, default=False),
    Scenario(
        name="alone",
        shape=SMALL,
        boot="alone",
        variants=("committed-as", "working-set"),
        gating=False,
        default=False,
    ),
    Scenario(name="spike-freed", shape=FREED, boot="freed", gating=False, default=False),
    Scenario(name="spike-stalled", shape=SMALL, boot="stalled", variants=AS_STALLED, gating=False, default=False),
    Scenario(name="spike-granted", shape=GRANTED, boot="granted", variants=APART, gating=False, default=False),
    Scenario(name="spike-pooled", shape=POOLED, boot="pooled", variants=APART, gating=False, default=False),
    Scenario(
        name="giving",
        shape=GIVING,
        boot="giving",
        variants=("left-alone", "freed"),
        gating=False,
        default=False,
        run_limit_s=600.0,
    ),
    Scenario(
        name="hogs",
        shape=STORMY_DISK,
        boot="storm-disk",
        variants=("", "killable", "unlocked", "ordinary", "unpromised", "bare"),
        gating=False,
        default=False,
        run_limit_s=600.0,
    ),
    Scenario(name="surplus", shape=SERVED, boot="served", gating=False, default=False, run_limit_s=900.0),
    Scenario(name="dom0-managed", shape=WITH_DOM0, boot="dom0", gating=False, default=False),
    Scenario(name="estimators", shape=ROOMY, boot="bisection", gating=False, default=False, run_limit_s=1500.0),
)
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
