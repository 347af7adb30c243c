"""What a host is emulated with follows from its shape."""

from itertools import pairwise
from pathlib import Path

from tests.xenlab.catalogue import BY_NAME, SERVED_IOPS
from tests.xenlab.images import Images
from tests.xenlab.machine import command

IMAGES = Images(xen=Path("/x"), kernel=Path("/k"), initramfs=Path("/i"), root=Path("/r"))


def drives(name: str, more: Path | None) -> list[str]:
    words = command(IMAGES, Path("/a"), Path("/s"), BY_NAME[name].shape, more)
    return [value for word, value in pairwise(words) if word == "-drive"]


def test_only_a_shape_with_a_disk_of_its_own_has_a_third_which_can_be_written() -> None:
    assert len(drives("spike", None)) == 2
    assert all("readonly=on" in drive for drive in drives("spike", None))
    assert drives("recover-disk", Path("/swap"))[2] == "file=/swap,format=raw,if=virtio,cache=unsafe"


def test_the_disk_that_dom0_serves_is_as_slow_as_disks_are() -> None:
    assert drives("surplus", Path("/disk"))[2].endswith(f"throttling.iops-total={SERVED_IOPS}")
