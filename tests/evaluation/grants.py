"""What a grant brings over the shared free pool, and what it costs, with dom0 prompt, slow and stalled.

Six guests without swap burst in turn, 350 MiB within a second. A grant is memory set aside for one guest, which its
agent takes at once; the pool is the same memory for whoever comes first, by way of dom0.
"""

from dataclasses import dataclass

from dom0_arbiter.policy import SURPLUS, DomainSettings, Settings
from dom0_arbiter.simulator import Character, GuestSpec, Spikes, World
from tests.evaluation.figures import Cell, Figures, Options, Table
from tests.evaluation.parallel import in_parallel

MIB = 1024
GUESTS = 6
SLACK_KIB, SPARE_KIB = 64 * MIB, 700 * MIB
GRANTS_MIB = (0, 32, 64, 128)
PROMPT, SLOW, STALLED = "prompt", "slow (1 s)", "stalled"
SETTLED_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One world: how large the grants, how dom0 is, and how long it is watched once it has settled."""

    grant_mib: int
    dom0: str
    lasts_s: float


def evaluate(options: Options) -> Figures:
    """Play every size of grant with every state of dom0."""
    lasts_s = 120.0 if options.duration_s is None else options.duration_s
    cases = [Case(grant_mib=mib, dom0=dom0, lasts_s=lasts_s) for dom0 in (PROMPT, SLOW, STALLED) for mib in GRANTS_MIB]
    found = in_parallel(play_grants, cases)
    columns = ("dom0", "grant_mib", "unmet_kib_s", "oom_kills", "moved_kib", "idle_kib")
    return Figures(
        tables=[Table(name="grants", columns=columns, rows=[cells for cells, _ in found])],
        violations=[text for _, texts in found for text in texts],
        notes=["idle_kib: mean of what was free or set aside beyond the slack, and so of no use to anybody"],
    )


def play_grants(case: Case) -> tuple[list[Cell], list[str]]:
    """Return one row, and what was violated."""
    settings = Settings(
        slack_kib=SLACK_KIB, surplus=SURPLUS["keep-free"], default=DomainSettings(grant_kib=case.grant_mib * MIB)
    )
    world = World(total_kib=SLACK_KIB + GUESTS * 600 * MIB + SPARE_KIB, settings=settings, seed=1)
    for number in range(GUESTS):
        bursts = Spikes(
            base_kib=350 * MIB, peak_kib=700 * MIB, every_s=30.0, for_s=5.0, first_s=SETTLED_S + 5.0 * (number + 1)
        )
        world.start(
            GuestSpec(
                name=f"guest-{number + 1}",
                static_max_kib=2048 * MIB,
                actual_kib=560 * MIB,
                need=bursts,
                character=Character(takes_grants=case.grant_mib > 0),
            )
        )
    world.start_arbiter()
    world.run(SETTLED_S)
    if case.dom0 == SLOW:
        world.arbiter_every_s = 1.0
    elif case.dom0 == STALLED:
        world.kill_arbiter()
    idle_kib_s = 0.0
    while world.now_s < SETTLED_S + case.lasts_s:
        world.run(0.5)
        idle_kib_s += 0.5 * max(0, world.host.free_kib - SLACK_KIB)
    scores = [guest.score for guest in world.guests.values()]
    cells: list[Cell] = [
        case.dom0,
        case.grant_mib,
        round(sum(score.unmet_kib_s for score in scores)),
        world.oom_kills_total,
        sum(score.moved_kib for score in scores),
        round(idle_kib_s / case.lasts_s),
    ]
    return cells, [f"{case}: {each}" for each in world.inspector.violations]
