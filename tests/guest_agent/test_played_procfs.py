"""The simulator's /proc, read by the real source: what its kernel knows arrives, and nothing else."""

from pathlib import Path

import pytest

from dom0_arbiter.simulator.demo_host.procfs import Procfs
from dom0_arbiter.simulator.guests.kernel import Kernel, Swap
from guest_agent.sources import open_source


@pytest.mark.parametrize("swap", ["none", "disk", "zram"])
def test_swap_lies_where_the_played_kernel_put_it(swap: Swap, tmp_path: Path) -> None:
    kernel = Kernel(total_kib=500_000, kernel_kib=60_000, static_max_kib=500_000, swap=swap, swap_total_kib=300_000)
    procfs = Procfs(tmp_path, boot_id="b", min_free_kib=kernel.min_free_kib)
    procfs.show(kernel)
    source = open_source("procfs", str(tmp_path))
    for swapped_kib in (0, 123_456, 4) if kernel.swap_total_kib else (0,):
        kernel.swapped_kib = swapped_kib
        procfs.show(kernel)
        assert source.read_sample(0).swap_used_kib == swapped_kib
        counters = source.read_counters()
        expected = (kernel.zram_kib, swapped_kib) if swap == "zram" else (0, 0)
        assert (counters.swap_ram_kib, counters.swap_packed_kib) == expected
    procfs.close()
