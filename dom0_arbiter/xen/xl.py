"""Xen through the xl command, where its Python binding is missing: half a second a call, and whole MiB.

Only `xl mem-set` is used to change anything, because `xl mem-max` rewrites static-max: it writes the target and sets
maxmem to target + 1 MiB, so there are no grants this way.
"""

import json
import shutil
import subprocess
from collections.abc import Mapping

import trio

from dom0_arbiter.engine import DomainSample, HostSampled
from dom0_arbiter.xen.hypervisor import HypervisorError, NoSuchDomainError

MIB = 1024
_DEADLINE_S = 10.0


class XlHypervisor:
    """Runs xl from dom0 as root."""

    name = "xl"
    maxmem_follows_target = True

    def __init__(self) -> None:
        path = shutil.which("xl")
        if path is None:
            raise HypervisorError("xl is not installed")
        self._xl = path
        self._set_kib: dict[int, int] = {}  # targets that we asked for, by domid

    async def sample(self) -> HostSampled:
        """See Hypervisor.sample. What xl does not show, maxmem, is taken to be what mem-set leaves."""
        domains = parse_list(await self._run("list"), parse_types(await self._run("list", "-l")), self._set_kib)
        self._set_kib = {domid: kib for domid, kib in self._set_kib.items() if domid in domains}
        total_kib, free_kib = parse_info(await self._run("info"))
        return HostSampled(total_kib=total_kib, free_kib=free_kib, domains=domains)

    async def set_maxmem(self, domid: int, maxmem_kib: int) -> None:
        """Not possible alone."""
        raise HypervisorError(f"domain {domid}: xl cannot set maxmem to {maxmem_kib} KiB without rewriting static-max")

    async def set_target(self, domid: int, target_kib: int) -> None:
        """See Hypervisor.set_target."""
        await self._run("mem-set", str(domid), f"{target_kib}k")
        self._set_kib[domid] = target_kib

    async def xen_commandline(self) -> str:
        """See Hypervisor.xen_commandline."""
        return _fields(await self._run("info")).get("xen_commandline", "")

    async def _run(self, *arguments: str) -> str:
        command = ["xl", *arguments]
        try:
            with trio.fail_after(_DEADLINE_S):
                done = await trio.run_process(
                    [self._xl, *arguments], capture_stdout=True, capture_stderr=True, check=False
                )
        except (OSError, trio.TooSlowError, subprocess.SubprocessError) as error:
            raise HypervisorError(f"cannot run {' '.join(command)}: {error}") from error
        if done.returncode:
            text = done.stderr.decode(errors="replace").strip()
            kind = NoSuchDomainError if "invalid domain identifier" in text else HypervisorError
            raise kind(f"{' '.join(command)}: exit status {done.returncode}: {text}")
        return done.stdout.decode(errors="replace")


def parse_list(text: str, is_hvm: Mapping[int, bool], set_kib: Mapping[int, int]) -> dict[int, DomainSample]:
    """`xl list`: Name ID Mem(MiB) VCPUs State Time; the state is six letters or dashes, rbpscd."""
    domains = {}
    for line in text.splitlines()[1:]:
        try:
            _name, id_text, mem_mib, _vcpus, state, _time = line.rsplit(None, 5)
            domid, actual_kib = int(id_text), int(mem_mib) * MIB
        except ValueError as error:
            raise HypervisorError(f"xl list: cannot read the line {line!r}") from error
        domains[domid] = DomainSample(
            actual_kib=actual_kib,
            maxmem_kib=set_kib.get(domid, actual_kib) + MIB,
            is_maxmem_known=False,
            paused="p" in state,
            shut_down="s" in state or "c" in state or "d" in state,
            is_hvm=is_hvm.get(domid, False),
        )
    return domains


def parse_types(text: str) -> dict[int, bool]:
    """`xl list -l`, a JSON array: whether each domain is HVM or PVH."""
    try:
        return {int(d["domid"]): d["config"]["c_info"]["type"] != "pv" for d in json.loads(text)}
    except (ValueError, KeyError, TypeError) as error:
        raise HypervisorError(f"xl list -l: unexpected output: {error!r}") from error


def parse_info(text: str) -> tuple[int, int]:
    """`xl info`: total_memory and free_memory in MiB, the latter already less the claims."""
    fields = _fields(text)
    try:
        return int(fields["total_memory"]) * MIB, int(fields["free_memory"]) * MIB
    except (KeyError, ValueError) as error:
        raise HypervisorError(f"xl info: no memory figures: {error!r}") from error


def _fields(text: str) -> dict[str, str]:
    pairs = (line.split(":", 1) for line in text.splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}
