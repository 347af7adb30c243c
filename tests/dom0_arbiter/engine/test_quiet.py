"""A quiet host is not thought about, and nothing is missed by that."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dom0_arbiter.engine import (
    Balloon,
    Decision,
    Domain,
    DomainSample,
    HostSampled,
    ReportReceived,
    ShutdownObserved,
    State,
)
from dom0_arbiter.engine.domains import Domains
from dom0_arbiter.engine.needs import demand_of
from dom0_arbiter.engine.quiet import QUIET_AT_MOST_S
from dom0_arbiter.policy import MARGIN_KIB, DomainSettings, Settings, observe_report
from dom0_arbiter.simulator import arbiter as simulated
from protocol import FINAL, Report, Welcome
from tests.dom0_arbiter.engine.watch import NEVER_S, Watch
from tests.invariants.hosts import live

MIB = 1024
NOW_S = 1000.0
SIZE_KIB, OFFSET_KIB = 512 * MIB, 40 * MIB
PLAYED = range(30)


@pytest.mark.parametrize("seed", PLAYED)
def test_a_quiet_look_misses_nothing_on_a_random_host(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated, "step", Watch().step)
    live(seed)


def report(uptime_ms: int = 1, *, used: int = 200, total: int = 512, swapped: int = 0, flags: int = 0) -> Report:
    """Amounts in MiB; total as Xen sees it."""
    available_kib = (total - used) * MIB - OFFSET_KIB
    return Report(
        version=1,
        sequence=1,
        uptime_ms=uptime_ms,
        flags=flags,
        total_kib=total * MIB - OFFSET_KIB,
        free_kib=available_kib,
        available_kib=available_kib,
        swap_total_kib=512 * MIB,
        swap_used_kib=swapped * MIB,
        balloon_target_kib=SIZE_KIB,
    )


ago = st.sampled_from((0.0, 0.3, 0.7, 1.5, 4.0, 9.8, 10.5, 15.0, 19.5, 29.5, 39.5, 55.0, 59.5, 70.0, 115.0))
past = ago.map(lambda seconds: NOW_S - seconds)
soon = st.sampled_from((NEVER_S, NOW_S - 1, NOW_S + 0.4, NOW_S + 2.5, NOW_S + 7.0))
reports = st.builds(
    report,
    uptime_ms=st.integers(100_000, 200_000),
    used=st.sampled_from((195, 199, 200, 200, 201, 210, 440)),
    total=st.sampled_from((512, 512, 512, 500, 640)),
    swapped=st.sampled_from((0, 0, 100)),
    flags=st.sampled_from((0, 0, 0, FINAL)),
)


@st.composite
def domains(draw: st.DrawFn, domid: int) -> Domain:
    """One about which anything may become due."""
    balloon = Balloon(
        target_kib=SIZE_KIB + draw(st.sampled_from((0, 0, 0, -64, 512, 1023, 64 * MIB, -64 * MIB))),
        actual_kib=SIZE_KIB,
        maxmem_kib=SIZE_KIB + draw(st.sampled_from((0, MARGIN_KIB, 65 * MIB))),
        asked_s=draw(past),
        progressed_s=draw(past),
        changed_s=draw(past),
        unchanged_s=draw(st.sampled_from((NEVER_S, NOW_S - 20))),
        shrink_asked=draw(st.booleans()),
        nudges=draw(st.integers(0, 2)),
        failures=draw(st.integers(0, 1)),
        failed_phase=draw(st.sampled_from(("resting", "growing", "shrinking"))),
        retry_s=draw(soon),
    )
    told = report(used=draw(st.sampled_from((200, 200, 420))), swapped=draw(st.sampled_from((0, 0, 100))))
    known = Domain(
        domid=domid,
        uuid=str(domid),
        name=f"d{domid}",
        static_max_kib=2 * SIZE_KIB,
        settings=DomainSettings(
            boot_min_kib=draw(st.sampled_from((0, 300 * MIB, SIZE_KIB))),
            reserved_burst_kib=draw(st.sampled_from((0, 0, 100 * MIB))),
        ),
        starts_until_s=draw(st.none() | soon),
        xenstore_target_kib=balloon.target_kib - draw(st.sampled_from((0, 0, 64))),
        is_hvm=draw(st.booleans()),
        is_settled=draw(st.booleans()),
        resized_s=draw(past),
        frozen_until_s=draw(soon),
        introduced_s=draw(past),
        balloon=balloon,
        is_manual=draw(st.integers(0, 9)) == 0,
        history=draw(st.none() | st.just(observe_report(None, told, draw(past)))),
        welcome=Welcome(version=1, reason="", heartbeat_ms=draw(st.sampled_from((4_000, 20_000, 60_000)))),
        is_provisional=draw(st.integers(0, 4)) == 0,
        memory_offset_kib=draw(st.sampled_from((OFFSET_KIB, OFFSET_KIB, OFFSET_KIB + 100 * MIB))),
        decision=draw(st.none() | st.just(Decision(domid=domid, at_s=0.0, from_kib=0, to_kib=0, reason=""))),
    )
    demand = demand_of(known, NOW_S)
    return replace(known, demand=demand, planned=demand)


def host_of(*known: Domain) -> tuple[State, HostSampled]:
    """A host that was looked at a second ago, and looks the same still."""
    samples = {}
    for domain in known:
        assert domain.balloon is not None
        samples[domain.domid] = DomainSample(
            actual_kib=domain.balloon.actual_kib, maxmem_kib=domain.balloon.maxmem_kib, is_hvm=domain.is_hvm
        )
    promised_kib = sum(d.balloon.promised_kib for d in known if d.balloon is not None)
    sample = HostSampled(total_kib=8 * SIZE_KIB, free_kib=promised_kib + 64 * MIB, domains=samples)
    state = State(settings=Settings(free_pool_kib=0), domains=Domains(known), sample=sample, looked_s=NOW_S - 1)
    return state, replace(sample)


@settings(max_examples=400)
@given(
    domains(1),
    domains(2),
    st.lists(st.none() | st.tuples(st.integers(1, 2), reports, st.booleans()), min_size=3, max_size=12),
    st.lists(st.sampled_from((0.05, 0.3, 1.0, 1.0, 2.9)), min_size=12, max_size=12),
)
def test_a_quiet_look_misses_nothing_whatever_is_about_to_become_due(
    one: Domain, two: Domain, said: list[tuple[int, Report, bool] | None], waits_s: list[float]
) -> None:
    watch, now_s = Watch(), NOW_S
    state, sample = host_of(one, two)
    state, _, _ = watch.step(state, [sample], now_s)
    for news, wait_s in zip(said, waits_s, strict=False):
        now_s += wait_s
        if news is not None:
            domid, told, found = news
            state, _, _ = watch.step(state, [ReportReceived(domid=domid, report=told, found=found)], now_s)
        state, _, _ = watch.step(state, [replace(sample)], now_s)


def at_rest(domid: int) -> Domain:
    """A domain that has all it needs, and has been heard lately."""
    long_s = NOW_S - 100
    known = Domain(
        domid=domid,
        uuid=str(domid),
        name=f"d{domid}",
        static_max_kib=2 * SIZE_KIB,
        settings=DomainSettings(),
        xenstore_target_kib=SIZE_KIB,
        introduced_s=long_s,
        balloon=Balloon(
            target_kib=SIZE_KIB,
            actual_kib=SIZE_KIB,
            maxmem_kib=SIZE_KIB + MARGIN_KIB,
            asked_s=long_s,
            progressed_s=long_s,
            changed_s=long_s,
        ),
        history=observe_report(None, report(), NOW_S - 5),
        welcome=Welcome(version=1, reason=""),
        memory_offset_kib=OFFSET_KIB,
    )
    demand = demand_of(known, NOW_S)
    return replace(known, demand=demand, planned=demand)


def quiet_host(**more: object) -> tuple[State, HostSampled, Watch]:
    """Two domains at rest, looked at just now; what is not so at rest with the first."""
    watch = Watch()
    state, sample = host_of(replace(at_rest(1), **more), at_rest(2))  # type: ignore[arg-type]
    state, plan, _ = watch.step(state, [sample], NOW_S)
    assert not plan.actions
    assert watch.quiet_total == 0
    return state, sample, watch


def test_a_look_that_shows_the_same_as_before_is_a_quiet_one() -> None:
    state, sample, watch = quiet_host()
    after, plan, _ = watch.step(state, [replace(sample)], NOW_S + 1)
    assert watch.quiet_total == 1
    assert after.looked_s == NOW_S + 1
    assert plan.look_again_s == 1.0


def test_a_look_that_shows_anything_else_is_not() -> None:
    state, sample, watch = quiet_host()
    watch.step(state, [replace(sample, free_kib=sample.free_kib - 4)], NOW_S + 1)
    assert watch.quiet_total == 0


def test_a_waver_leaves_the_quiet_for_a_while_and_is_taken_in_then() -> None:
    state, sample, watch = quiet_host()
    state, _, _ = watch.step(state, [ReportReceived(domid=1, report=report(9_000, used=201))], NOW_S + 0.5)
    state, _, _ = watch.step(state, [replace(sample)], NOW_S + 1)
    assert watch.quiet_total == 1
    state, _, _ = watch.step(state, [replace(sample)], NOW_S + 0.5 + QUIET_AT_MOST_S)
    assert watch.quiet_total == 1
    assert state.domains[1].planned == state.domains[1].demand


def test_the_quiet_ends_where_a_report_leaves_somebody_short() -> None:
    state, sample, watch = quiet_host()
    state, plan, _ = watch.step(state, [ReportReceived(domid=1, report=report(9_000, used=460))], NOW_S + 0.5)
    assert plan.look_again_s == 0
    watch.step(state, [replace(sample)], NOW_S + 0.5)
    assert watch.quiet_total == 0


@pytest.mark.parametrize(
    ("more", "told", "found"),
    [
        pytest.param({}, report(9_000, total=511, used=199), False, id="its size changed"),
        pytest.param({}, report(9_000, flags=FINAL), False, id="its agent stops"),
        pytest.param({}, report(9_000), True, id="may be of another size"),
        pytest.param({"history": observe_report(None, report(), NOW_S - 200)}, report(9_000), False, id="was silent"),
    ],
)
def test_the_quiet_ends_with_a_report_of_more_than_a_demand(more: dict[str, object], told: Report, found: bool) -> None:
    state, sample, watch = quiet_host(**more)
    state, _, _ = watch.step(state, [ReportReceived(domid=1, report=told, found=found)], NOW_S + 0.5)
    watch.step(state, [replace(sample)], NOW_S + 1)
    assert watch.quiet_total == 0


def test_the_quiet_ends_with_anything_but_a_report() -> None:
    state, sample, watch = quiet_host()
    watch.step(state, [ShutdownObserved(domid=1), replace(sample)], NOW_S + 1)
    assert watch.quiet_total == 0
