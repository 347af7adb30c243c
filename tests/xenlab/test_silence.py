"""The longest silence of a storm is measured from its beginning to its end, whoever else was heard."""

import pytest

from tests.xenlab.catalogue import CALMED, STORM
from tests.xenlab.made_runs import made_run, report
from tests.xenlab.silence import compute_silence


@pytest.mark.parametrize(
    ("said_s", "longest_s"),
    [
        ((105.0, 111.0, 123.0, 133.0, 139.0), 12.0),  # in between
        ((100.0, 125.0, 130.0), 15.0),  # before the first
        ((111.0, 121.0, 131.0, 150.0), 10.0),
        ((111.0, 121.0), 19.0),  # after the last
        ((), 30.0),
    ],
)
def test_the_longest_silence(said_s: tuple[float, ...], longest_s: float) -> None:
    events = [report(at_s, 50) for at_s in said_s] + [report(120.0, 50, domid=2)]
    run = made_run(marks=[(STORM, 110.0), (CALMED, 140.0)], events=sorted(events, key=lambda event: float(event[0])))
    found = compute_silence(run)
    assert found is not None
    assert found.storm_s == pytest.approx(30.0)
    assert found.longest_s == pytest.approx(longest_s)
    assert found.reports_total == sum(110.0 <= at_s <= 140.0 for at_s in said_s)


def test_a_run_without_a_storm_has_no_silence() -> None:
    assert compute_silence(made_run()) is None
    assert compute_silence(made_run(marks=[(STORM, 110.0)])) is None
