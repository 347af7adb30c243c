"""Both ways to Xen say the same things, and translate what goes wrong. The real ones are met in the Xen lab."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from dom0_arbiter.engine import DomainSample
from dom0_arbiter.xen import HypervisorError, NoSuchDomainError
from dom0_arbiter.xen.xc import XcHypervisor, import_xc
from dom0_arbiter.xen.xl import XlHypervisor, parse_info, parse_list, parse_types

LIST = """\
Name                                        ID   Mem VCPUs\tState\tTime(s)
Domain-0                                     0   768     1     r-----      42.3
guest with spaces                            3   256     1     -b----       4.1
(null)                                       4    31     1     --psc-       0.0
"""
INFO = """\
host                   : lab
total_memory           : 3071
free_memory            : 64
xen_commandline        : com1=115200 dom0_mem=768M,max:768M
"""


class BindingError(Exception):
    """As the binding's own: errno and text."""


class Binding:
    """The binding's shape, as xen/lowlevel/xc/xc.c returns it; domids 0 to `count`."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.maxmem: list[tuple[int, int]] = []

    def domain_getinfo(self, first: int, most: int) -> Sequence[dict[str, int]]:
        flags = {"paused": 0, "shutdown": 0, "dying": 0, "hvm": 0}
        if first > self.count:
            raise BindingError(3, "No such process")  # as seen on Xen 4.17
        last = min(self.count, first + most - 1)
        return [{"domid": n, "mem_kb": n * 4, "maxmem_kb": n * 8, **flags} for n in range(first, last + 1)]

    def physinfo(self) -> dict[str, int]:
        return {"total_memory": 1000, "free_memory": 100}

    def xeninfo(self) -> dict[str, str]:
        return {"xen_commandline": "dom0_mem=1G"}

    def domain_setmaxmem(self, domid: int, kib: int) -> None:
        if domid > self.count:
            raise BindingError(3, "No such process")
        if kib < 0:
            raise BindingError(22, "Invalid argument")
        self.maxmem.append((domid, kib))


def hypervisor_of(binding: Any) -> XcHypervisor:
    return XcHypervisor(SimpleNamespace(Error=BindingError, xc=lambda: binding))


@pytest.mark.parametrize("count", [0, 1, 1022, 1023, 1024, 2500])
def test_every_domain_is_sampled_however_many_there_are(count: int) -> None:
    assert sorted(trio.run(hypervisor_of(Binding(count)).sample).domains) == list(range(count + 1))


def test_a_sample_is_what_xen_says() -> None:
    sample = trio.run(hypervisor_of(Binding(2500)).sample)
    assert sample.domains[2500] == DomainSample(actual_kib=10_000, maxmem_kib=20_000)
    assert (sample.total_kib, sample.free_kib) == (1000, 100)


def test_the_bindings_errors_become_ours() -> None:
    hypervisor = hypervisor_of(Binding(3))
    with pytest.raises(NoSuchDomainError, match="domain 9's maxmem to 4 KiB"):
        trio.run(hypervisor.set_maxmem, 9, 4)
    with pytest.raises(HypervisorError, match="Invalid argument"):
        trio.run(hypervisor.set_maxmem, 1, -4)


def test_a_missing_binding_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(HypervisorError, match="not installed"):
        import_xc(tmp_path)


def test_xl_lists_domains() -> None:
    domains = parse_list(LIST, parse_types('[{"domid": 3, "config": {"c_info": {"type": "pvh"}}}]'), {4: 64 * 1024})
    assert domains == {
        0: DomainSample(actual_kib=768 * 1024, maxmem_kib=769 * 1024, is_maxmem_known=False),
        3: DomainSample(actual_kib=256 * 1024, maxmem_kib=257 * 1024, is_maxmem_known=False, is_hvm=True),
        4: DomainSample(actual_kib=31 * 1024, maxmem_kib=65 * 1024, is_maxmem_known=False, paused=True, shut_down=True),
    }
    assert parse_info(INFO) == (3071 * 1024, 64 * 1024)


@pytest.mark.parametrize(
    ("parse", "text"),
    [(parse_info, "nothing"), (parse_types, "{}x"), (lambda t: parse_list(t, {}, {}), "Name\nodd line\n")],
)
def test_output_that_cannot_be_read_is_an_error_not_a_guess(parse: Any, text: str) -> None:
    with pytest.raises(HypervisorError):
        parse(text)


def test_xl_is_run_and_its_failures_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    xl = tmp_path / "xl"
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(HypervisorError, match="not installed"):
        monkeypatch.setenv("PATH", str(tmp_path))
        XlHypervisor()
    xl.write_text(
        '#!/bin/sh\n[ "$1" = mem-set ] && { echo "$2 is an invalid domain identifier (rc=-6)" >&2; exit 1; }\n'
    )
    xl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    hypervisor = XlHypervisor()
    with pytest.raises(NoSuchDomainError, match="xl mem-set 7 1024k"):
        trio.run(hypervisor.set_target, 7, 1024)
    with pytest.raises(HypervisorError, match="without rewriting static-max"):
        trio.run(hypervisor.set_maxmem, 7, 1024)
