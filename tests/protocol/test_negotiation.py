"""Peers of different ages agree on the newest version that both speak, or say that there is none."""

import pytest

from protocol import Hello, choose_version


@pytest.mark.parametrize(
    ("guest", "dom0", "chosen"),
    [
        ((1, 1), (1, 1), 1),
        ((1, 3), (1, 2), 2),
        ((1, 2), (1, 3), 2),
        ((2, 3), (1, 2), 2),
        ((2, 3), (1, 1), None),
        ((1, 1), (2, 3), None),
    ],
)
def test_the_highest_common_version_is_chosen(
    guest: tuple[int, int], dom0: tuple[int, int], chosen: int | None
) -> None:
    hello = Hello(
        version_lowest=guest[0],
        version_highest=guest[1],
        agent_name="aerostat",
        agent_version="9",
        os_name="Linux",
        os_version="6.1",
        capabilities=0,
        boot_id="b",
    )
    assert choose_version(hello, lowest=dom0[0], highest=dom0[1]) == chosen
