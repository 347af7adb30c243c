"""Whether a guest gains by lying: the same random host twice, once with one guest that reports k times its need.

What counts is what it covers of its true need while others are short of theirs: the integral of min(demand, actual)
over the seconds in which, in the host with the lie, at least one other guest in hand lacks a MiB or more; the truthful
host is integrated over the same seconds. `own` integrates each over its own such seconds: the lie that makes others
short for longer then counts twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from dom0_arbiter.simulator import Character, World
from dom0_arbiter.simulator.invariants import Violation
from tests.evaluation.figures import Cell, Figures, Options, Table, quantile, rounded
from tests.evaluation.parallel import in_parallel
from tests.invariants.hosts import LASTS_S, random_host

GUESTS_MAX = 10
GRID_S = 0.25
SHORT_KIB = 1024  # less is not worth a target's write to anybody
FACTOR_MAX = 10
NOTABLE_RATIO = 0.01  # of what it covered when truthful
WORST = 5  # shown; those whose gain is not a kill avoided come first
REASONS = 12  # shown of each life


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One life of a host, seen every GRID_S: what one guest covers and lacks, whether another is short.

    oom_kills: of its own programs. reasons: of the decisions on that guest, with their times.
    """

    covered_kib: Sequence[int]
    lacked_kib: Sequence[int]
    others_short: Sequence[bool]
    others_unmet_kib_s: float
    oom_kills: int
    reasons: Sequence[str]
    violations: Sequence[Violation]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """What a lie brought. Integrals in KiB·s; short_s: how long others were short in the host with the lie.

    lacked_kib_s: what it lacked when truthful, over the same seconds: nobody gains more. is_killed: whether the OOM
    killer took a program of it in either life; from then on its demand, which nobody hears of any more, is uncovered.
    """

    seed: int
    factor: int
    guests: int
    truthful_kib_s: float
    lacked_kib_s: float
    gain_kib_s: float
    own_gain_kib_s: float
    others_lost_kib_s: float
    short_s: float
    is_killed: bool
    reasons: Sequence[str] = ()
    truthful_reasons: Sequence[str] = ()
    violations: Sequence[str] = ()

    @property
    def ratio(self) -> float:
        """The gain over what it covered when truthful; 0 where nobody else was short."""
        return self.gain_kib_s / self.truthful_kib_s if self.truthful_kib_s else 0.0


def evaluate(options: Options) -> Figures:
    """Play the hosts twice each."""
    gains = in_parallel(play_lie, list(range(options.first, options.first + options.hosts)), chunk=10)
    told = [gain for gain in gains if gain.factor > 1]
    contended = [gain for gain in told if gain.short_s > 0]
    winners = [gain for gain in contended if gain.gain_kib_s > 0]
    worst = sorted(winners, key=lambda gain: (gain.is_killed, -gain.gain_kib_s))[:WORST]
    by_factor = [
        _row(f"k = {factor}", [gain for gain in contended if gain.factor == factor])
        for factor in range(2, FACTOR_MAX + 1)
    ]
    notes = [
        f"{len(gains)} hosts, {len(gains) - len(told)} of them controls (k = 1); others short in {len(contended)}",
        f"notable: more than {NOTABLE_RATIO:.0%} of what it covered when truthful, over the same seconds",
        "killed: its program fell to the OOM killer, truthful or lying; what it demands is lost on it from then on",
        "could_gain: it lacked something itself when truthful, over the same seconds",
        "others_lost: what the other guests left uncovered beyond what they did when all were truthful",
    ]
    for gain in worst:
        notes.append(
            f"seed {gain.seed}, k = {gain.factor}, {gain.guests} guests: gains {gain.gain_kib_s:.0f} KiB s in "
            f"{gain.short_s:g} s ({gain.ratio:.1%})"
        )
        notes += [f"    lying:    {reason}" for reason in gain.reasons[:REASONS]]
        notes += [f"    truthful: {reason}" for reason in gain.truthful_reasons[:REASONS]]
    return Figures(
        tables=[
            Table(
                name="gains",
                columns=COLUMNS,
                rows=[
                    *by_factor,
                    _row("all", contended),
                    _row("all, not killed", [gain for gain in contended if not gain.is_killed]),
                ],
            ),
            Table(
                name="worst",
                columns=(
                    "seed",
                    "factor",
                    "guests",
                    "killed",
                    "gain_kib_s",
                    "gain_ratio",
                    "short_s",
                    "others_lost_kib_s",
                ),
                rows=[
                    [
                        gain.seed,
                        gain.factor,
                        gain.guests,
                        gain.is_killed,
                        round(gain.gain_kib_s),
                        rounded(gain.ratio),
                        gain.short_s,
                        round(gain.others_lost_kib_s),
                    ]
                    for gain in worst
                ],
            ),
        ],
        violations=[text for gain in gains for text in gain.violations],
        notes=notes,
    )


COLUMNS = (
    "lie",
    "hosts",
    "killed",
    "could_gain",
    "gaining",
    "gaining_notably",
    "own_gaining_notably",
    "losing_notably",
    "gain_p50_ratio",
    "gain_p95_ratio",
    "gain_max_ratio",
    "gain_max_kib_s",
    "others_lost_p50_kib_s",
    "others_lost_p95_kib_s",
)


def _row(name: str, gains: Sequence[Gain]) -> list[Cell]:
    ratios = [gain.ratio for gain in gains]
    lost_kib_s = [gain.others_lost_kib_s for gain in gains]
    own = [gain.own_gain_kib_s / gain.truthful_kib_s for gain in gains if gain.truthful_kib_s]
    return [
        name,
        len(gains),
        sum(gain.is_killed for gain in gains),
        sum(gain.lacked_kib_s > 0 for gain in gains),
        sum(gain.gain_kib_s > 0 for gain in gains),
        sum(ratio > NOTABLE_RATIO for ratio in ratios),
        sum(ratio > NOTABLE_RATIO for ratio in own),
        sum(ratio < -NOTABLE_RATIO for ratio in ratios),
        rounded(quantile(ratios, 0.5), 4),
        rounded(quantile(ratios, 0.95), 4),
        rounded(max(ratios, default=None), 4),
        round(max((gain.gain_kib_s for gain in gains), default=0)),
        round(quantile(lost_kib_s, 0.5) or 0),
        round(quantile(lost_kib_s, 0.95) or 0),
    ]


def play_lie(seed: int) -> Gain:
    """Play one host twice. k goes round from 1 to 10 with the seed."""
    factor = 1 + seed % FACTOR_MAX
    truthful, lying = live(seed, 1), live(seed, factor)
    gain_kib_s = truthful_kib_s = lacked_kib_s = 0.0
    for index, short in enumerate(lying.others_short):
        if short:
            gain_kib_s += (lying.covered_kib[index] - truthful.covered_kib[index]) * GRID_S
            truthful_kib_s += truthful.covered_kib[index] * GRID_S
            lacked_kib_s += truthful.lacked_kib[index] * GRID_S
    own_kib_s = [
        sum(kib for kib, short in zip(run.covered_kib, run.others_short, strict=True) if short) * GRID_S
        for run in (truthful, lying)
    ]
    return Gain(
        seed=seed,
        factor=factor,
        guests=len(_host(seed)[0].guests),
        truthful_kib_s=truthful_kib_s,
        lacked_kib_s=lacked_kib_s,
        gain_kib_s=gain_kib_s,
        own_gain_kib_s=own_kib_s[1] - own_kib_s[0],
        others_lost_kib_s=lying.others_unmet_kib_s - truthful.others_unmet_kib_s,
        short_s=sum(lying.others_short) * GRID_S,
        is_killed=truthful.oom_kills + lying.oom_kills > 0,
        reasons=lying.reasons,
        truthful_reasons=truthful.reasons,
        violations=[f"seed {seed}, k = {factor}: {each}" for each in (*truthful.violations, *lying.violations)],
    )


def _host(seed: int) -> tuple[World, int]:
    """A random host of two obedient guests or more, before its arbiter starts, and which of them may lie."""
    again = seed
    while True:
        world = random_host(again, guests_max=GUESTS_MAX, obedient=True)
        in_hand = [
            domid for domid, guest in world.guests.items() if not world.settings.of_domain(guest.spec.name).excluded
        ]
        if len(in_hand) > 1:
            return world, Random(seed).choice(in_hand)
        again += 1_000_003


def live(seed: int, factor: int) -> Run:
    """Play one host to its end."""
    world, liar = _host(seed)
    if factor != 1:
        world.guests[liar].become(Character(lie_factor=float(factor)), 0.0)
    world.start_arbiter()
    others = [
        domid
        for domid, guest in world.guests.items()
        if domid != liar and not world.settings.of_domain(guest.spec.name).excluded
    ]
    covered_kib: list[int] = []
    lacked_kib: list[int] = []
    others_short: list[bool] = []
    reasons: list[str] = []
    unmet_kib_s = 0.0
    for _ in range(round(LASTS_S / GRID_S)):
        world.run(GRID_S)
        has_kib, demand_kib = _standing(world, liar)
        covered_kib.append(min(has_kib, demand_kib))
        lacked_kib.append(max(0, demand_kib - has_kib))
        lacks_kib = [max(0, need_kib - kib) for kib, need_kib in (_standing(world, domid) for domid in others)]
        others_short.append(max(lacks_kib) >= SHORT_KIB)
        unmet_kib_s += sum(lacks_kib) * GRID_S
        _note(world, liar, demand_kib, reasons)
    return Run(
        covered_kib=covered_kib,
        lacked_kib=lacked_kib,
        others_short=others_short,
        others_unmet_kib_s=unmet_kib_s,
        oom_kills=world.guests[liar].kernel.oom_kills_total,
        reasons=reasons,
        violations=world.inspector.violations,
    )


def _standing(world: World, domid: int) -> tuple[int, int]:
    """What a guest has, and what it demands as far as its owner lets it."""
    return world.host.domains[domid].actual_kib, min(world.guests[domid].demand_kib, world.ceiling_kib(domid))


def _note(world: World, domid: int, demand_kib: int, reasons: list[str]) -> None:
    domain = None if world.arbiter is None else world.arbiter.state.domains.get(domid)
    if domain is None or domain.decision is None:
        return
    decision = domain.decision
    text = f"{decision.at_s:6.2f} s: to {decision.to_kib / 1024:.1f} MiB, {decision.reason}"
    if not reasons or not reasons[-1].startswith(text):
        reasons.append(f"{text} (in truth {demand_kib / 1024:.1f} MiB)")
