"""Directed ballooning by Committed_AS: what processes committed, what the kernel holds, and no less than a minimum."""

from dom0_arbiter.simulator.rivals.committed_as import kernel_reserve_kib, minimum_kib, next_total_kib
from tests.dom0_arbiter.simulator.rivals.worlds import MIB, actual_mib, guest_spec, world_of


def test_the_minimum_is_the_table_of_its_source() -> None:
    # 8 + 64/2, 40 + 256/4, 104 + 1024/8, 296 + 4096/32
    for most, least in ((64, 40), (256, 104), (1024, 232), (4096, 424)):
        assert minimum_kib(most * MIB) == least * MIB


def test_the_reserve_of_a_gib_is_6_mib() -> None:
    assert kernel_reserve_kib(1024 * MIB) == 6 * MIB  # 1.5 * sqrt(1,048,576 * 16) = 1.5 * 4096


def test_up_at_once_down_by_a_tenth_of_the_gap_not_below_the_minimum() -> None:
    assert next_total_kib(400, 800, 100) == 800
    assert next_total_kib(800, 300, 100) == 750
    assert next_total_kib(800, 300, 500) == 770  # a tenth of the way to 500


def test_a_spike_is_covered_exactly_and_no_cache_is_left() -> None:
    world, _ = world_of(guest_spec("busy", has=300, need=600, swap=1024, cache=400), total=2000, name="committed-as")
    world.run(10)
    assert abs(actual_mib(world, 1) - 600) < 1
    assert world.guests[1].kernel.cache_kib < 10 * MIB


def test_where_memory_is_short_the_growing_share_what_is_free_above_slack() -> None:
    specs = [guest_spec(name, has=400, need=900, swap=1024) for name in ("a", "b")]
    world, _ = world_of(*specs, total=1064, name="committed-as")
    world.run(10)
    assert abs(actual_mib(world, 1) - 500) < 1 and abs(actual_mib(world, 2) - 500) < 1
    assert world.host.free_kib >= 64 * MIB
