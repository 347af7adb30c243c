"""The JSON of `aerostat status`: what the docs turn on is in it, and so is the way by which Xen is reached."""

import logging
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from dom0_arbiter.engine import Domain, State
from dom0_arbiter.engine.balloon import Balloon
from dom0_arbiter.engine.domains import Domains
from dom0_arbiter.engine.pace import UNKNOWN, Pace
from dom0_arbiter.policy import Demand, DomainSettings, Settings
from dom0_arbiter.service.status import describe
from dom0_arbiter.xen import HypervisorError, find_hypervisor, sample_dom0

MIB = 1024


def domain_of(target_kib: int | None, need_kib: int | None) -> Domain:
    balloon = demand = None
    if target_kib is not None:
        balloon = Balloon(
            target_kib=target_kib,
            actual_kib=target_kib,
            maxmem_kib=target_kib + MIB,
            asked_s=0.0,
            progressed_s=0.0,
            changed_s=0.0,
        )
    if need_kib is not None:
        demand = Demand(
            floor_kib=1,
            working_set_kib=2,
            secured_kib=2,
            pressing_kib=2,
            need_kib=need_kib,
            surge_kib=need_kib,
            comfort_kib=need_kib,
            least_kib=1,
        )
    return Domain(
        domid=1,
        uuid="u",
        name="web",
        static_max_kib=2**20,
        settings=DomainSettings(),
        xenstore_target_kib=target_kib or 0,
        introduced_s=0.0,
        balloon=balloon,
        demand=demand,
    )


@pytest.mark.parametrize(
    ("target_kib", "need_kib", "short_kib"),
    [
        (100 * MIB, 130 * MIB, 30 * MIB),
        (100 * MIB, 100 * MIB + 3, 0),  # less than a page
        (100 * MIB, 40 * MIB, 0),
        (100 * MIB, None, None),  # it never reported
        (None, 40 * MIB, None),  # Xen was not looked at yet
    ],
)
def test_need_and_what_is_lacking_are_told(target_kib: int | None, need_kib: int | None, short_kib: int | None) -> None:
    state = State(settings=Settings(), domains=Domains([domain_of(target_kib, need_kib)]))
    told = describe(state, now_s=1.0, started_s=0.0, dom0=sample_dom0(), hypervisor="xl")
    (domain,) = told["domains"]
    assert (domain["need_kib"], domain["short_kib"]) == (need_kib, short_kib)
    assert told["hypervisor"] == "xl"


@pytest.mark.parametrize(("up", "shown_kib_s"), [(UNKNOWN, None), (Pace(lately_kib_s=(1234.5,)), 1234)])
def test_the_paces_of_balloons_are_told_once_they_are_known(up: Pace, shown_kib_s: int | None) -> None:
    known = domain_of(100 * MIB, 40 * MIB)
    assert known.balloon is not None
    state = State(settings=Settings(), domains=Domains([replace(known, balloon=replace(known.balloon, up=up))]))
    told = describe(state, now_s=1.0, started_s=0.0, dom0=sample_dom0(), hypervisor="xl")
    (domain,) = told["domains"]
    assert (domain["balloon_up_kib_s"], domain["balloon_down_kib_s"]) == (shown_kib_s, None)


class BindingError(Exception):
    """As the binding's own."""


def refuse() -> Any:
    raise BindingError(1, "xc_interface_open failed: Permission denied")


def not_installed() -> Any:
    raise HypervisorError("xen.lowlevel.xc is not installed for this Python")


def test_a_binding_that_cannot_be_opened_is_an_error_that_xl_does_not_hide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dom0_arbiter.xen.find.import_xc", lambda: SimpleNamespace(Error=BindingError, xc=refuse))
    monkeypatch.setattr("dom0_arbiter.xen.find.XlHypervisor", lambda: pytest.fail("xl was asked"))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(HypervisorError, match=r"Permission denied.*run this as root"):
        find_hypervisor()


def test_xl_is_taken_where_there_is_no_binding_and_that_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("dom0_arbiter.xen.find.import_xc", not_installed)
    monkeypatch.setattr("shutil.which", lambda _: "/usr/sbin/xl")
    caplog.set_level(logging.WARNING, logger="aerostat.xen")
    assert find_hypervisor().name == "xl"
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "not installed for this Python" in record.getMessage()


def test_the_binding_is_taken_where_there_is_one_and_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("dom0_arbiter.xen.find.import_xc", lambda: SimpleNamespace(Error=BindingError, xc=object))
    caplog.set_level(logging.INFO, logger="aerostat.xen")
    assert find_hypervisor().name == "xen.lowlevel.xc"
    assert [record.getMessage() for record in caplog.records] == ["Xen through xen.lowlevel.xc"]


def test_both_are_named_where_there_is_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dom0_arbiter.xen.find.import_xc", not_installed)
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(HypervisorError, match=r"xen.lowlevel.xc is not installed.*xl is not installed"):
        find_hypervisor()
