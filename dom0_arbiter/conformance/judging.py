"""Plays all acts at once, each with a process of the agent's own, and returns the verdicts."""

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import trio

from dom0_arbiter.conformance.acts import ACTS, Act, Stage
from dom0_arbiter.conformance.overhearing import Overheard
from dom0_arbiter.conformance.verdicts import AGENT, Judgement, Verdict
from dom0_arbiter.simulator.xenstored import Session, XenstoreServer, serve_xenstore

SOCKET = "{socket}"
FIRST_DOMID = 1


async def judge_agent(command: Sequence[str], acts: Sequence[Act] = ACTS) -> list[Verdict]:
    """Play with an agent, about a minute; `{socket}` in its command stands for the Unix socket it is to use.

    Raises FileNotFoundError where there is no such command.
    """
    if shutil.which(command[0]) is None:
        raise FileNotFoundError(f"{command[0]}: no such command")
    judgement = Judgement(AGENT)
    with tempfile.TemporaryDirectory(prefix="aerostat-") as directory:
        async with serve_xenstore(Path(directory)) as server:
            heard: dict[int, Overheard] = {}

            def overhear(session: Session, operation: int, payload: bytes) -> None:
                if session.domain.domid in heard:
                    heard[session.domain.domid].hear(operation, payload)

            server.store.overhear = overhear
            for domid in range(FIRST_DOMID, FIRST_DOMID + len(acts)):
                heard[domid] = Overheard(domid, judgement)
                server.add_domain(domid)
            async with trio.open_nursery() as nursery:
                for overheard, act in zip(heard.values(), acts, strict=True):
                    nursery.start_soon(_play, act, command, server, overheard)
    return judgement.verdicts()


async def _play(act: Act, command: Sequence[str], server: XenstoreServer, overheard: Overheard) -> None:
    own = [word.replace(SOCKET, str(server.guest_socket(overheard.domid))) for word in command]
    process = await trio.lowlevel.open_process(own, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    stage = Stage(server=server, process=process, overheard=overheard)
    try:
        await act(stage)
    finally:
        if process.returncode is None:
            process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
