"""A thousandth of what `python -m tests.protocol.fuzz` tries."""

from protocol import REASONS
from tests.protocol.fuzz import fuzz


def test_whatever_stands_in_xenstore_is_a_message_or_the_peers_fault() -> None:
    found = fuzz(2000, seed=1)
    assert found.wrong == []
    assert found.read > 100, "some of them must be good"
    assert set(found.refused) == set(REASONS), "and each way of being bad must come up"
