"""What happens without them: each safeguard that is switched off breaks an invariant, and nothing breaks with it on."""

from dataclasses import replace

from dom0_arbiter.policy import Settings
from dom0_arbiter.simulator import Character, Constant, GuestSpec, Spikes
from dom0_arbiter.simulator.playing.play import play
from dom0_arbiter.simulator.scenarios.scenario import Appearance, Safeguard, Scenario

MIB = 1024
GUEST = GuestSpec(
    name="idle",
    static_max_kib=1024 * MIB,
    actual_kib=512 * MIB,
    need=Constant(kib=200 * MIB),
    cache=Constant(kib=1024 * MIB),
)


def host_of(*specs: GuestSpec, expect_violated: frozenset[str] = frozenset()) -> Scenario:
    return Scenario(
        name="safeguards",
        duration_s=60.0,
        memory_kib=sum(spec.actual_kib + MIB for spec in specs) + 64 * MIB,
        settings=Settings(free_pool_kib=0),
        guests=[Appearance(spec=spec, target_kib=spec.actual_kib) for spec in specs],
        step_s=0.05,
        expect_violated=expect_violated,
    )


def broken(scenario: Scenario, *off: Safeguard) -> set[str]:
    outcome = play(replace(scenario, without=frozenset(off)), "aerostat")
    return {violation.invariant for violation in outcome.violations}


def test_giving_before_it_is_seen_free_gives_what_is_not_there() -> None:
    busy = Spikes(base_kib=300 * MIB, peak_kib=900 * MIB, every_s=20.0, for_s=8.0, first_s=10.0)
    slow = replace(GUEST, character=Character(down_kib_s=4_000))
    scenario = host_of(slow, replace(GUEST, name="busy", need=busy))
    assert broken(scenario) == set()
    assert "A" in broken(scenario, "shrink-before-grow")


def test_taking_an_inaccurate_balloon_at_its_word_promises_memory_that_is_not_there() -> None:
    inaccurate = replace(GUEST, character=Character(inaccuracy_kib=8 * MIB))
    busy = Spikes(base_kib=300 * MIB, peak_kib=800 * MIB, every_s=50.0, for_s=45.0, first_s=10.0)
    scenario = host_of(inaccurate, replace(GUEST, name="busy", need=busy))
    assert broken(scenario) == set()
    assert "A" in broken(scenario, "inaccuracy")
