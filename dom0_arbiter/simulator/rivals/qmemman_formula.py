"""qmemman's arithmetic, in KiB, Xen's view, for that is what it reckons with (`current_kb` in its agent).

Sources: QubesOS/qubes-core-admin qubes/qmemman/{algo,systemstate}.py; QubesOS/qubes-linux-utils qmemman/, its agent
meminfo-writer.c and the unit that says how often, and how much is news.

Dom0 is no party here, as it is in Qubes with a boost of 350 MiB: in this world its memory is its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass

MIB = 1024
CACHE_FACTOR = 1.3
PREF_MIN_KIB = 200 * MIB
XEN_FREE_LEFT_KIB = 50 * MIB
XEN_FREE_MARGIN_RATIO = 0.9  # of that, which giving must leave
XEN_FREE_MIN_KIB = 25 * MIB  # which a start must leave
ROUNDING_RATIO = 0.999
GIVES_MIN_KIB = 10 * MIB
TRANSFER_MIN_KIB = 150 * MIB
BELOW_PREF_MIN_KIB = 15 * MIB
REQUEST_SAFETY_FACTOR = 1.05
REPORT_KB = 30_000
TIGHT_RATIO = 1.3  # used times this above the size, so from 77 % on: half of REPORT_KB is news


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """actual_kib: the larger of what it has and what it was last asked to have. used_kib: as it last reported."""

    actual_kib: int
    used_kib: int
    max_kib: int

    @property
    def pref_kib(self) -> int:
        """The preferred size: 1.3 times what is used, at most the maximum, at least 200 MiB."""
        return int(max(min(self.used_kib * CACHE_FACTOR, self.max_kib), PREF_MIN_KIB))


def is_news(used_kib: int, reported_kib: int, total_kib: int) -> bool:
    """Whether the guest's meminfo-writer reports. reported_kib 0: it has not yet."""
    change_kib = abs(used_kib - reported_kib)
    rising_while_tight = used_kib > reported_kib and used_kib * TIGHT_RATIO > total_kib
    return not reported_kib or change_kib > REPORT_KB or (rising_while_tight and change_kib > REPORT_KB / 2)


def balance(spare_kib: int, domains: Mapping[int, Domain]) -> list[tuple[int, int]]:
    """Return domids and targets, donors first. spare_kib: Xen's free memory less what is promised, less the 50 MiB."""
    if not domains:
        return []
    available_kib = spare_kib - sum(d.pref_kib - d.actual_kib for d in domains.values())
    if available_kib > 0:
        return _share_plenty(available_kib, domains)
    return _share_shortage(spare_kib, domains)


def donations(missing_kib: int, domains: Mapping[int, Domain]) -> list[tuple[int, int]]:
    """Return targets that free so much and 5 % more, from all donors in proportion; none where they have not got it."""
    over_kib = {domid: d.actual_kib - d.pref_kib for domid, d in domains.items() if d.actual_kib > d.pref_kib}
    available_kib = sum(over_kib.values())
    if available_kib < missing_kib:
        return []
    scale = REQUEST_SAFETY_FACTOR * missing_kib / available_kib
    return [(domid, int(domains[domid].actual_kib - kib * scale)) for domid, kib in over_kib.items()]


def _share_plenty(available_kib: int, domains: Mapping[int, Domain]) -> list[tuple[int, int]]:
    """Each its preferred size and a share of the rest in proportion; what exceeds a maximum goes to the others."""
    prefs_kib = sum(d.pref_kib for d in domains.values())
    targets = {
        domid: int(ROUNDING_RATIO * (d.pref_kib + d.pref_kib / prefs_kib * available_kib))
        for domid, d in domains.items()
    }
    left_kib = 0
    while True:
        for domid, d in domains.items():
            left_kib += max(0, targets[domid] - d.max_kib)
            targets[domid] = min(targets[domid], d.max_kib)
        acceptors = [domid for domid, d in domains.items() if targets[domid] < d.max_kib]
        if not acceptors or left_kib <= 0:
            break
        bonus_kib = int(ROUNDING_RATIO * left_kib / len(acceptors))
        for domid in acceptors:
            targets[domid] += bonus_kib
        left_kib = 0
    return sorted(targets.items(), key=lambda each: each[1] >= domains[each[0]].actual_kib)


def _share_shortage(spare_kib: int, domains: Mapping[int, Domain]) -> list[tuple[int, int]]:
    """Donors go to their preferred size; what is free the others get in proportion to theirs, once donors have given.

    The original takes what donors are yet to give off what it hands out, so the others wait until it has arrived.
    """
    requests = []
    acceptors = []
    for domid, d in domains.items():
        over_kib = d.actual_kib - d.pref_kib
        if over_kib <= 0 and d.actual_kib < d.max_kib:
            acceptors.append(domid)
        elif over_kib >= GIVES_MIN_KIB:
            spare_kib -= over_kib
            requests.append((domid, d.pref_kib))
    if spare_kib < 0:
        return requests
    prefs_kib = sum(domains[domid].pref_kib for domid in acceptors)
    for domid in acceptors:
        d = domains[domid]
        share_kib = d.pref_kib / prefs_kib * spare_kib
        requests.append((domid, min(int(ROUNDING_RATIO * (d.actual_kib + share_kib)), d.max_kib)))
    return requests


def is_significant(
    requests: list[tuple[int, int]], xen_free_kib: int, domains: Mapping[int, Domain], targets_kib: Mapping[int, int]
) -> bool:
    """Whether that is worth doing. targets_kib: what each was last asked to have."""
    if XEN_FREE_LEFT_KIB - xen_free_kib > BELOW_PREF_MIN_KIB:
        return True
    transfer_kib = abs(xen_free_kib - XEN_FREE_LEFT_KIB)
    for domid, kib in requests:
        last_kib = targets_kib[domid]
        transfer_kib += abs(kib - last_kib)
        if 0 < last_kib < domains[domid].pref_kib and kib - last_kib > BELOW_PREF_MIN_KIB:
            return True
    return transfer_kib > TRANSFER_MIN_KIB
