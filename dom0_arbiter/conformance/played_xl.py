"""A played hypervisor behind a played `xl`: how an arbiter that is judged sees domains, and moves them.

The command talks to this process over a Unix socket. Balloons obey at once, within what is free.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import trio

from dom0_arbiter.simulator.xenstored import XenstoreServer
from protocol import domain_path

MIB = 1024
LOOK_S = 0.02
DOM0_MIB = 1024
_SCRIPT = """#!{python}
import json, socket, sys
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect({socket!r})
    connection.sendall(json.dumps(sys.argv[1:]).encode() + b"\\n")
    answer = json.loads(connection.makefile().readline())
sys.stdout.write(answer["out"])
sys.stderr.write(answer["err"])
sys.exit(bool(answer["err"]))
"""


@dataclass(slots=True)
class Domain:
    """What Xen knows of one, KiB."""

    actual_kib: int
    maxmem_kib: int


class PlayedXl:
    """Mutable; for one event loop."""

    def __init__(self, server: XenstoreServer, sizes_kib: Sequence[int], *, free_kib: int, static_max_kib: int) -> None:
        self.free_kib = free_kib
        self._total_kib = free_kib + sum(sizes_kib)
        self._server = server
        self.domains: dict[int, Domain] = {}
        for domid, kib in enumerate(sizes_kib, 1):
            self.domains[domid] = Domain(actual_kib=kib, maxmem_kib=kib + MIB)
            server.add_domain(domid, target_kib=kib, static_max_kib=static_max_kib)

    def target_kib(self, domid: int) -> int:
        """What memory/target says."""
        return int(self._server.store.read_as_dom0(f"{domain_path(domid)}/memory/target"))

    async def serve(self, directory: Path) -> NoReturn:
        """Answer the command `xl` in that directory, and have the balloons obey."""
        path = directory / "xl.sock"
        listeners = await _listen(path)
        script = directory / "xl"
        script.write_text(_SCRIPT.format(python=sys.executable, socket=str(path)))
        script.chmod(0o755)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, self._answer, listeners)
            while True:
                for domid in self.domains:
                    self._obey(domid)
                await trio.sleep(LOOK_S)

    async def _answer(self, stream: trio.SocketStream) -> None:
        line = b""
        while not line.endswith(b"\n"):
            part = await stream.receive_some()
            if not part:
                return
            line += part
        try:
            answer = {"out": self._run(json.loads(line)), "err": ""}
        except (KeyError, ValueError) as error:
            answer = {"out": "", "err": f"this xl is played, and does not know that: {error}\n"}
        await stream.send_all(json.dumps(answer).encode() + b"\n")

    def _run(self, arguments: Sequence[str]) -> str:
        match arguments:
            case ["list"]:
                rows = [("Domain-0", 0, DOM0_MIB)]
                rows += [(f"guest-{domid}", domid, each.actual_kib // MIB) for domid, each in self.domains.items()]
                lines = [f"{name:40} {domid:5} {mib:5} {1:5} {'-b----':10} {1.0:8.1f}" for name, domid, mib in rows]
                return "\n".join(["Name ID Mem VCPUs State Time(s)", *lines, ""])
            case ["list", "-l" | "--long"]:
                return json.dumps(
                    [
                        {"domid": domid, "config": {"c_info": {"type": "pv", "name": f"guest-{domid}"}}}
                        for domid in self.domains
                    ]
                )
            case ["info"]:
                total_mib = self._total_kib // MIB + DOM0_MIB
                return (
                    f"total_memory           : {total_mib}\n"
                    f"free_memory            : {self.free_kib // MIB}\n"
                    f"xen_commandline        : dom0_mem={DOM0_MIB}M,max:{DOM0_MIB}M\n"
                )
            case ["mem-set", domid_text, size]:
                domid, kib = int(domid_text), _kib(size)
                self.domains[domid].maxmem_kib = kib + MIB
                self._server.store.write_as_dom0(f"{domain_path(domid)}/memory/target", str(kib))
                return ""
        raise ValueError(f"xl {' '.join(arguments)}")

    def _obey(self, domid: int) -> None:
        domain = self.domains[domid]
        wanted_kib = min(self.target_kib(domid), domain.maxmem_kib) - domain.actual_kib
        moved_kib = min(wanted_kib, self.free_kib)
        domain.actual_kib += moved_kib
        self.free_kib -= moved_kib


async def _listen(path: Path) -> list[trio.SocketListener]:
    listening = trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_STREAM)
    await listening.bind(str(path))
    listening.listen()
    return [trio.SocketListener(listening)]


def _kib(size: str) -> int:
    """As xl takes it: a number and a unit; MiB without one."""
    factors = {"k": 1, "m": MIB, "g": MIB * MIB}
    unit = size[-1].lower()
    return int(size[:-1]) * factors[unit] if unit in factors else int(size) * MIB
