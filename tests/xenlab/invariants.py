"""The invariants (docs/how-it-works.md) that Xen's own figures can show, judged over one run from T0 on.

A: what guests may still take, and slack, is free. B: maxmem is raised before a growth is asked, by a MiB more. G:
nothing is written under a domain that is gone. K: memory/target covers what a guest took by itself within a second.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from tests.xenlab.catalogue import GOES_ON, OTHERS, STANDS_STILL
from tests.xenlab.timeline import TARGET, Sample, Timeline

MARGIN_KIB = 1024  # maxmem above the target of a growth
# A sample's calls are some ms apart: what is wrong in one sample only was on its way.
SAMPLES_MIN = 2
SAMPLE_SLACK_KIB = 256
NEAR_S = 0.1  # between what the arbiter saw of a domain and its write
# By which, in a starved dom0, writes follow looks, guests hear of writes, and our own recorder does: guests were seen
# to grow 1.2 and 1.5 s before the recorder's watch told of the target that asked them to.
LAG_S = 2.0
COVERED_WITHIN_S = 1.0
COVER_KIB = 256  # PVH guests have 64 KiB more than their target
# Whoever else resizes domains breaks A before the arbiter can know; so long it has to put things right.
OTHERS_EXCUSED_S = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One invariant that did not hold; `at_s` is since T0."""

    invariant: str
    at_s: float
    domain: str | None
    detail: str


def find_violations(timeline: Timeline, slack_kib: int) -> list[Violation]:
    """Everything that did not hold."""
    if timeline.t0_s is None:
        return []
    judged = [sample for sample in timeline.samples if sample.at_s >= timeline.t0_s]
    return [
        *_promises(timeline, judged, slack_kib),
        *_growths_forbidden(timeline),
        *_ghosts(timeline),
        *_uncovered(timeline, judged),
    ]


def _promises(timeline: Timeline, judged: list[Sample], slack_kib: int) -> Iterator[Violation]:
    excused = [at_s for name, at_s in timeline.marks if name == OTHERS]

    def missing_kib(sample: Sample) -> int:
        if any(at_s <= sample.at_s <= at_s + OTHERS_EXCUSED_S for at_s in excused):
            return 0
        promised_kib = sum(
            max(0, size.maxmem_kib - size.mem_kib)
            for domid, size in sample.domains.items()
            if domid in timeline.managed and size.live
        )
        return promised_kib + slack_kib - max(sample.free_before_kib, sample.free_after_kib)

    for stretch in _stretches(judged, lambda sample: missing_kib(sample) > SAMPLE_SLACK_KIB):
        if len(stretch) >= SAMPLES_MIN:
            lasted_s = stretch[-1].at_s - stretch[0].at_s
            worst_kib = max(missing_kib(sample) for sample in stretch)
            yield _violation(
                timeline,
                "A",
                stretch[0].at_s,
                None,
                f"{worst_kib} KiB promised beyond what is free, for {lasted_s:.2f} s",
            )


def _growths_forbidden(timeline: Timeline) -> Iterator[Violation]:
    for write in timeline.writes:
        if (
            write.key != TARGET
            or write.domid not in timeline.managed
            or write.kib is None
            or write.at_s < (timeline.t0_s or 0.0)
        ):
            continue
        around = [
            (sample.at_s, sample.domains[write.domid])
            for sample in timeline.samples
            if abs(sample.at_s - write.at_s) < NEAR_S and write.domid in sample.domains
        ]
        had_kib = [
            sample.domains[write.domid].mem_kib
            for sample in timeline.samples
            if write.at_s - LAG_S <= sample.at_s <= write.at_s and write.domid in sample.domains
        ]
        if write.kib <= max(had_kib, default=write.kib):
            continue  # no growth: at most it keeps what it had as the arbiter looked, and was about to give
        maxmem_kib = max([size.maxmem_kib for _, size in around] + [write.maxmem_kib or 0])
        if maxmem_kib < write.kib + MARGIN_KIB:
            detail = f"target {write.kib} KiB asked with maxmem {maxmem_kib} KiB"
            yield _violation(timeline, "B", write.at_s, timeline.managed[write.domid], detail)


def _ghosts(timeline: Timeline) -> Iterator[Violation]:
    for path in timeline.facts.get("ghosts", []):
        yield _violation(
            timeline, "G", timeline.ended_s, None, f"{path} stands in xenstore, and there is no such domain"
        )


def _follows_from_s(timeline: Timeline, grew_s: float) -> float:
    """From when on the arbiter could follow a guest's own growth: a scenario may have stopped it."""
    marks = dict(timeline.marks)
    goes_on_s = marks.get(GOES_ON, grew_s)
    return max(grew_s, goes_on_s) if marks.get(STANDS_STILL, goes_on_s) <= grew_s else grew_s


def _uncovered(timeline: Timeline, judged: list[Sample]) -> Iterator[Violation]:
    for domid, name in timeline.managed.items():
        writes = [w for w in timeline.writes if w.domid == domid and w.key == TARGET and w.kib is not None]
        # A domain that came later is judged from the first target that libxl writes for it.
        is_first = timeline.domids.get(name) == domid
        target_kib = timeline.facts.get("targets_kib", {}).get(name) if is_first else None
        since_s, had_kib, before_kib = None, 0, None
        replaced: list[tuple[float, int]] = []  # when a target was replaced, and what it was: a guest may not know yet
        for sample in judged:
            while writes and writes[0].at_s <= sample.at_s:
                write = writes.pop(0)
                replaced += [(write.at_s, target_kib)] if target_kib is not None else []
                target_kib = write.kib
            replaced = [(at_s, kib) for at_s, kib in replaced if sample.at_s - at_s <= LAG_S]
            size = sample.domains.get(domid)
            if size is None or target_kib is None:
                since_s, before_kib = None, None
                continue
            asked_kib = max([kib for _, kib in replaced], default=0)
            grew = before_kib is not None and size.mem_kib > max(before_kib, asked_kib + COVER_KIB)
            before_kib = size.mem_kib
            if size.mem_kib <= target_kib + COVER_KIB or size.mem_kib < had_kib:
                since_s, had_kib = None, 0
            elif since_s is None and grew:
                since_s, had_kib = sample.at_s, size.mem_kib
            elif since_s is not None and sample.at_s > _follows_from_s(timeline, since_s) + COVERED_WITHIN_S + LAG_S:
                detail = f"has {size.mem_kib} KiB, target {target_kib} KiB"
                yield _violation(timeline, "K", since_s, name, detail)
                break


def _stretches(samples: Iterable[Sample], wrong: Callable[[Sample], bool]) -> Iterator[list[Sample]]:
    stretch: list[Sample] = []
    for sample in samples:
        if wrong(sample):
            stretch.append(sample)
        elif stretch:
            yield stretch
            stretch = []
    if stretch:
        yield stretch


def _violation(timeline: Timeline, invariant: str, at_s: float, domain: str | None, detail: str) -> Violation:
    return Violation(invariant=invariant, at_s=round(at_s - (timeline.t0_s or 0.0), 3), domain=domain, detail=detail)
