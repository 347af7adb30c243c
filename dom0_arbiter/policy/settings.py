"""What the host's owner decides; the configuration file is checked before it becomes one of these."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

from dom0_arbiter.policy.estimators import EstimatorName

DOM0, DOM0_NAME = 0, "Domain-0"  # as xl shows it

SurplusName = Literal["spread", "dom0", "keep-free"]

SLACK_MIN_KIB = 65_536  # Xen's own low-memory alarm starts at 64 MiB (xen/common/page_alloc.c, VIRQ_ENOMEM)
FREE_POOL_MAX_KIB = 262_144  # a bigger pool would pass bursts that no guest's balloon can follow anyway
POOL_BURSTS = 2  # two guests that burst at once
FREE_POOL_RATIO = 20  # at most a twentieth (5 %) of the managed total


@dataclass(frozen=True, slots=True, kw_only=True)
class Surplus:
    """What becomes of memory that nobody needs: percent of it, 0..100 each, 100 in all.

    `spread`: to guests' caches, by weight; `dom0`: to dom0's cache (where dom0 is not managed it stays free for that);
    `keep_free`: stays free for the next start.
    """

    spread: int = 0
    dom0: int = 0
    keep_free: int = 0


SURPLUS: Mapping[SurplusName, Surplus] = {
    "spread": Surplus(spread=100),
    "dom0": Surplus(dom0=100),
    "keep-free": Surplus(keep_free=100),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainSettings:
    """One domain's: weight 1..65535; dynamic_max_kib None means static-max; `group` is a label for people.

    reserved_burst_kib: room for a burst, held in the domain above its working set. boot_min_kib: its dynamic_min_kib
    while it starts, where that is more.
    grant_kib: what it may take by itself at once, if its agent can; set aside for it while nobody is short.
    estimator: what its working set is read off its reports by.
    """

    weight: int = 256
    dynamic_min_kib: int = 65_536
    dynamic_max_kib: int | None = None
    reserved_burst_kib: int = 0
    boot_min_kib: int = 0
    excluded: bool = False
    group: str = ""
    grant_kib: int = 0
    estimator: EstimatorName = "working-set"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The host's. free_pool_kib None: two bursts' worth, at most a twentieth of the managed total and 256 MiB.

    dom0: its own, if it is managed like any other domain; None leaves it alone.
    """

    slack_kib: int = SLACK_MIN_KIB
    surplus: Surplus = SURPLUS["spread"]
    free_pool_kib: int | None = None
    default: DomainSettings = field(default_factory=DomainSettings)
    by_glob: Sequence[tuple[str, DomainSettings]] = ()
    by_uuid: Mapping[str, DomainSettings] = field(default_factory=dict)  # lower case, as libxl writes them
    dom0: DomainSettings | None = None

    def of_domain(self, name: str, *, uuid: str = "") -> DomainSettings:
        """The settings of this uuid, else of the first pattern that matches the domain's name, else the default."""
        if settings := self.by_uuid.get(uuid.lower()):
            return settings
        for pattern, settings in self.by_glob:
            if fnmatchcase(name, pattern):
                return settings
        return self.default

    @property
    def may_grant(self) -> bool:
        """Whether anybody may be granted anything."""
        rules = (settings for _, settings in self.by_glob)
        return any(settings.grant_kib for settings in (self.default, *rules, *self.by_uuid.values()))

    def pool_kib(self, managed_kib: int, burst_kib: int) -> int:
        """How much memory to keep free for needs that cannot wait; burst_kib: the largest headroom of any domain."""
        if self.free_pool_kib is not None:
            return self.free_pool_kib
        return min(managed_kib // FREE_POOL_RATIO, FREE_POOL_MAX_KIB, POOL_BURSTS * burst_kib)
