"""The figures of a played world, each beside what it comes to by hand."""

import pytest

from dom0_arbiter.policy import DomainSettings, Settings
from dom0_arbiter.simulator import Constant, Curve, GuestSpec, Steps, World
from dom0_arbiter.simulator.playing.metrics import Fairness, compute_metrics
from dom0_arbiter.simulator.playing.outcome import Number
from dom0_arbiter.simulator.scenarios.scenario import METRICS

MIB = 1024
SLACK_KIB = 64 * MIB


def world_of(*sizes_mib: int, room: int, settings: Settings | None = None, need: Curve | None = None) -> World:
    """A host with `room` MiB for guests, who need more than they ever get unless said otherwise; nobody balances."""
    world = World(total_kib=SLACK_KIB + room * MIB, settings=settings or Settings())
    for index, mib in enumerate(sizes_mib):
        world.start(
            GuestSpec(
                name=f"g{index}",
                static_max_kib=4096 * MIB,
                actual_kib=mib * MIB,
                need=need or Constant(kib=2048 * MIB),
                swap="disk",
                swap_total_kib=4096 * MIB,
            )
        )
    return world


def fairness_of(world: World, for_s: float = 30.0) -> Fairness:
    world.run(5.0)  # they have touched what they want
    fairness, until_s = Fairness(), world.now_s + for_s
    while world.now_s < until_s:
        fairness.look(world)
        world.run(0.5)
    return fairness


def figures(world: World) -> dict[str, Number]:
    return compute_metrics(world, Fairness(), None)


def test_all_figures_are_there_by_their_names() -> None:
    assert tuple(figures(world_of(512, room=1024))) == METRICS


def test_nothing_happened_nothing_is_counted() -> None:
    world = world_of(512, room=1024, need=Constant(kib=200 * MIB))
    world.run(10)
    counted = figures(world)
    assert {name: value for name, value in counted.items() if value} == {}
    assert (counted["reaction_p50_s"], counted["fairness_min_ratio"], counted["handover_s"]) == (None, None, None)


def test_the_worst_off_sets_the_ratio() -> None:
    ratio = fairness_of(world_of(1500, 500, room=2000)).min_ratio()
    assert ratio == pytest.approx(500 / 1000, abs=0.01), "each is owed a half of the room"


def test_weights_set_what_is_owed() -> None:
    by_glob = [("g0", DomainSettings(weight=300)), ("g1", DomainSettings(weight=100))]
    ratio = fairness_of(world_of(1500, 500, room=2000, settings=Settings(by_glob=by_glob))).min_ratio()
    assert ratio == pytest.approx(1.0, abs=0.01)


def test_nobody_is_owed_more_than_its_ceiling() -> None:
    by_glob = [("g0", DomainSettings(dynamic_max_kib=400 * MIB))]
    ratio = fairness_of(world_of(400, 1600, room=2000, settings=Settings(by_glob=by_glob))).min_ratio()
    assert ratio == pytest.approx(1.0, abs=0.01)


def test_who_demands_less_than_its_share_is_owed_its_demand() -> None:
    ratio = fairness_of(world_of(512, 512, room=4096, need=Constant(kib=300 * MIB))).min_ratio()
    assert ratio == 1.0


def test_what_is_unmet_is_summed_over_guests_those_that_are_gone_included() -> None:
    rising = Steps(times_s=[0.0, 5.0], amounts_kib=[300 * MIB, 700 * MIB])
    world = world_of(500, 500, room=2000, need=rising)
    world.run(15.0)
    world.destroy(1)
    world.run(10.0)
    full_s = 5.0 + 400 / 390.625  # programs touch 400,000 KiB a second
    expected = 200 * MIB * (15.0 - full_s) + 200 * MIB * (25.0 - full_s)
    counted = figures(world)["unmet_kib_s"]
    assert counted == pytest.approx(expected, rel=0.02)
    assert figures(world)["unmet_kib_s"] == counted, "to look changes nothing"


def test_guests_that_wait_for_their_start_are_unmet_with_their_whole_size() -> None:
    world = world_of(512, room=1024, need=Constant(kib=200 * MIB))
    world.await_memory(100 * MIB, held_kib=77 * MIB)
    world.run(10)
    world.await_memory(0, held_kib=0)
    world.run(10)
    assert figures(world)["unmet_kib_s"] == 1000 * MIB


def test_reactions_are_ranked_over_all_guests_with_what_lies_between_in_proportion() -> None:
    world = world_of(512, 512, room=2048, need=Constant(kib=200 * MIB))
    for domid, lasted_s in ((1, (1.0, 2.0)), (2, (3.0, 4.0))):
        world.guests[domid].score.reactions_s.extend(lasted_s)
    counted = figures(world)
    assert (counted["reaction_p50_s"], counted["reaction_p95_s"]) == (2.5, 3.85)


def test_one_reaction_is_all_quantiles() -> None:
    world = world_of(512, room=2048, need=Constant(kib=200 * MIB))
    world.guests[1].score.reactions_s.append(1.5)
    counted = figures(world)
    assert (counted["reaction_p50_s"], counted["reaction_p95_s"]) == (1.5, 1.5)


def test_swap_and_stalls_and_moves_are_the_guests_own_counters() -> None:
    world = world_of(512, room=1024)
    world.run(3)
    world.mem_set(1, 400 * MIB)
    world.run(20)
    kernel, counted = world.guests[1].kernel, figures(world)
    assert counted["swap_kib"] == 4 * (kernel.swap_in_total + kernel.swap_out_total) > 0
    assert counted["stall_s"] == pytest.approx(kernel.psi_some_us_total / 1e6, abs=0.001)
    assert counted["moved_kib"] == 512 * MIB - world.host.domains[1].actual_kib > 0
