"""Hosts nobody would think of: sizes, weights, demands, characters and fates drawn at random, the same from a seed."""

from collections.abc import Callable
from dataclasses import replace
from random import Random

from dom0_arbiter.policy import SURPLUS, DomainSettings, Settings
from dom0_arbiter.simulator import Character, Constant, Curve, GuestSpec, Steps, World

MIB = 1024
GUESTS_MAX = 50
CALM_S = 14.0  # after each change of demand, so that there is a time when everything must have settled
LASTS_S = 8.0 + 2 * CALM_S
WEIGHTS = (64, 128, 256, 256, 256, 512, 1024, 65_535)


def random_host(
    seed: int, *, guests_max: int = GUESTS_MAX, obedient: bool = False, with_reserves: bool = False
) -> World:
    """A host with guests, before its arbiter starts. `obedient`: all do what they are asked and speak the truth.

    with_reserves: some owners reserve room for bursts and starts.
    """
    draw = Random(seed)
    count = min(guests_max, max(1, int(draw.expovariate(1 / 12))))
    owner = Random(~seed)  # apart, so that a seed's guests stay what they were
    by_glob = [(f"guest{index}", _settings(draw)) for index in range(count)]
    if with_reserves:
        by_glob = [(name, _with_reserves(owner, each)) for name, each in by_glob]
    settings = Settings(
        by_glob=by_glob,
        slack_kib=draw.choice((64, 64, 100, 256)) * MIB,
        surplus=SURPLUS[draw.choice(("spread", "spread", "keep-free"))],
        free_pool_kib=draw.choice((None, None, 0, 64 * MIB)),
    )
    specs = [_spec(draw, name, each, obedient=obedient) for name, each in by_glob]
    spare_kib = _pages(int(sum(spec.actual_kib for spec in specs) * draw.choice((0.0, 0.05, 0.3))))
    total_kib = sum(spec.actual_kib for spec in specs) + settings.slack_kib + spare_kib + count * MIB
    world = World(total_kib=total_kib, settings=settings, seed=seed)
    for spec in specs:
        world.start(spec)
    return world


def _settings(draw: Random) -> DomainSettings:
    return DomainSettings(
        weight=draw.choice(WEIGHTS),
        dynamic_min_kib=draw.choice((64, 64, 128, 256)) * MIB,
        dynamic_max_kib=draw.choice((None, None, None, 700 * MIB)),
        excluded=draw.random() < 0.03,
    )


def _with_reserves(draw: Random, settings: DomainSettings) -> DomainSettings:
    return replace(
        settings,
        reserved_burst_kib=draw.choice((0, 0, 0, 64, 256)) * MIB,
        boot_min_kib=draw.choice((0, 0, 0, 256, 512)) * MIB,
    )


def _spec(draw: Random, name: str, settings: DomainSettings, *, obedient: bool) -> GuestSpec:
    static_max_kib = draw.choice((512, 768, 1024, 2048, 4096, 8192)) * MIB
    actual_kib = _pages(min(static_max_kib, int(draw.triangular(192, 4096, 384)) * MIB))
    swap_total_kib = draw.choice((0, 0, static_max_kib // 4, static_max_kib))
    is_hvm = draw.random() < 0.3
    start_kib = min(160 * MIB, actual_kib)
    return GuestSpec(
        name=name,
        static_max_kib=static_max_kib,
        actual_kib=actual_kib,
        need=_need(draw, start_kib, actual_kib, static_max_kib),
        cache=Constant(kib=draw.choice((0, 64 * MIB, static_max_kib))),
        kernel_kib=draw.choice((24, 32, 48)) * MIB,
        swap="disk" if swap_total_kib else "none",
        swap_total_kib=swap_total_kib,
        is_hvm=is_hvm,
        target_offset_kib=draw.choice((64, 1024 + 64)) if is_hvm else 0,
        maxmem_kib=draw.choice((None, None, actual_kib + 64, static_max_kib)),
        character=Character() if obedient else _character(draw, actual_kib),
    )


def _need(draw: Random, low_kib: int, actual_kib: int, static_max_kib: int) -> Curve:
    """Begins with what it can have; then a change now and then, at times that many guests share."""
    times_s, amounts_kib = [0.0], [draw.randint(low_kib, max(low_kib, actual_kib * 9 // 10))]
    for time_s in (8.0, 8.0 + CALM_S):
        if draw.random() < 0.5:
            times_s.append(time_s + draw.choice((0.0, 0.0, 0.3, 1.0)))
            amounts_kib.append(draw.randint(low_kib, min(static_max_kib, actual_kib * 2)))
    return Steps(times_s=times_s, amounts_kib=amounts_kib)


def _character(draw: Random, actual_kib: int) -> Character:
    if draw.random() < 0.6:
        return Character()
    return draw.choice(
        (
            Character(up_kib_s=20_000, down_kib_s=8_000),
            Character(dead=True),
            Character(moving_s=draw.uniform(0.5, 3), stuck_s=draw.uniform(1, 15)),
            Character(never_below_kib=actual_kib * 3 // 4),
            Character(never_above_kib=actual_kib + 40 * MIB),
            Character(inaccuracy_kib=draw.choice((64, 512, 4096))),
            Character(grows_kib_s=draw.choice((10_000, 500_000))),
            Character(silent_from_s=draw.choice((0.0, 5.0, 9.0, 20.0))),
            Character(lie_factor=draw.choice((0.5, 1.5, 3.0, 10.0))),
            Character(paused_s=((draw.uniform(3, 10), draw.uniform(10, 20)),)),
            Character(crash_at_s=draw.uniform(1, 30)),
        )
    )


def _pages(kib: int) -> int:
    return kib - kib % 4


def live(seed: int) -> World:
    """Play a random host, obedient or not, to its end, with what the world does to it; its inspector tells the rest."""
    draw = Random(seed)
    is_calm = draw.random() < 0.4
    world = random_host(seed, obedient=is_calm or draw.random() < 0.2, with_reserves=True)
    world.start_arbiter()
    fate = [] if is_calm else sorted(draw.uniform(1, LASTS_S) for _ in range(draw.randrange(1, 8)))
    for at_s in fate:
        world.run(at_s - world.now_s)
        draw.choice(BLOWS)(world, draw)
    world.run(LASTS_S - world.now_s)
    if not is_calm and draw.random() < 0.1:
        world.run(200.0, settled_dt_s=1.0)  # until the silent are known to be silent
    return world


def _restart(world: World, draw: Random) -> None:
    world.kill_arbiter()
    world.run(draw.choice((0.05, 0.5, 4.0)))
    world.start_arbiter()


def _start(world: World, draw: Random) -> None:
    """What `xl create` does: it takes what it needs from free memory, slack included, or fails."""
    actual_kib = _pages(int(world.host.free_kib * draw.uniform(0.3, 1.0)))
    static_max_kib = max(actual_kib, draw.choice((512, 2048, 8192)) * MIB)
    if actual_kib < max(128 * MIB, static_max_kib // 32):  # the page structs of its maximum alone take half of that
        return
    is_hvm = draw.random() < 0.5
    world.start(
        GuestSpec(
            name=f"late{world.now_s:.3f}",
            static_max_kib=static_max_kib,
            actual_kib=actual_kib,
            need=Constant(kib=min(100 * MIB, actual_kib // 2)),
            is_hvm=is_hvm,
            target_offset_kib=64 if is_hvm else 0,
            unsettled_kib=min(static_max_kib - actual_kib, 400 * MIB) if is_hvm else 0,
            character=Character(silent_from_s=draw.choice((0.0, float("inf")))),
        )
    )


def _destroy(world: World, draw: Random) -> None:
    if len(world.guests) > 1:
        world.destroy(_any(world, draw))


def _mem_set(world: World, draw: Random) -> None:
    if world.guests:
        domid = _any(world, draw)
        world.mem_set(domid, _pages(int(world.host.domains[domid].actual_kib * draw.uniform(0.8, 1.2))))


def _mem_max(world: World, draw: Random) -> None:
    if world.guests:
        domid = _any(world, draw)
        world.set_maxmem(domid, world.guests[domid].spec.static_max_kib)


def _save(world: World, draw: Random) -> None:
    if world.guests:
        domid = _any(world, draw)
        world.save(domid)
        world.run(draw.uniform(0.1, 3.0))
        if domid in world.guests:
            world.resume(domid)


def _pause(world: World, draw: Random) -> None:
    if world.guests:
        domid = _any(world, draw)
        world.pause(domid, is_paused=True)
        world.run(draw.uniform(0.1, 3.0))
        if domid in world.guests:
            world.pause(domid, is_paused=False)


def _fail(world: World, draw: Random) -> None:
    if world.guests:
        world.failing.add(_any(world, draw))


def _any(world: World, draw: Random) -> int:
    return draw.choice(list(world.guests))


BLOWS: tuple[Callable[[World, Random], None], ...] = (
    _restart,
    _start,
    _start,
    _destroy,
    _mem_set,
    _mem_max,
    _save,
    _pause,
    _fail,
)
