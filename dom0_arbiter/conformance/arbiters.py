"""The kit's other half: judges arbiters by what xenstore shows of them, and by the targets that they set.

An arbiter has a played host to itself: guests that say what an act wants said, and balloons that obey at once.
"""

import os
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import trio

from dom0_arbiter.conformance.judging import SOCKET
from dom0_arbiter.conformance.played_guest import Guest
from dom0_arbiter.conformance.played_xl import MIB, PlayedXl
from dom0_arbiter.conformance.verdicts import ARBITER, Judgement, Verdict
from dom0_arbiter.simulator.xenstored import Refusal, XenstoreServer, serve_xenstore
from dom0_arbiter.xen import NoSuchPath, XenstoreError, open_xenstore
from protocol import (
    HELLO_KEY,
    PULSE_KEY,
    PULSE_S,
    REPORT_KEY,
    WELCOME_KEY,
    RemoteProtocolError,
    Welcome,
    decode_welcome,
    domain_path,
)

DIRECTORY = "{directory}"
STARTS_S = 30.0  # an interpreter on a busy machine takes its time
ANSWERS_S, MOVES_S = 10.0, 20.0
LOOK_S = 0.01
SILENT_HEARTBEATS = 2.5  # D5
INVALID_S = 3.0
PULSE_SLACK_S = 1.0
HELLOS = 7  # that are timed, with a flood and without
FLOOD_RATIO, FLOOD_MORE_S = 3.0, 0.25  # so much longer others may wait in a flood
FLOODS = 4  # requests under way at any time
SMALL_KIB, LARGE_KIB, STATIC_MAX_KIB, FREE_KIB = 128 * MIB, 512 * MIB, 1024 * MIB, 128 * MIB
MOVED_KIB, TIGHT_KIB = 8 * MIB, 8 * MIB
EARLY, SIMPLE, BROAD, FUTURE, GARBLED, FLOODER = range(1, 7)  # those who say hello
DONOR, SURPLUS, SHORT, QUIET, LATE = range(7, 12)  # and those between whom memory moves
SIZES_KIB = (*(SMALL_KIB,) * 6, 2 * LARGE_KIB, SMALL_KIB, SMALL_KIB, LARGE_KIB, SMALL_KIB)
SHORTEST = 7  # positions of a report that have no default
GARBAGE = (b"no base64", b"lw==", b"\xff" * 100, b"x" * 2000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A host, and the arbiter that is to manage it."""

    server: XenstoreServer
    xl: PlayedXl
    guests: dict[int, Guest]
    judgement: Judgement
    process: trio.Process
    nursery: trio.Nursery

    def welcome_of(self, domid: int) -> Welcome | None:
        """What stands there; None: nothing, or nothing valid."""
        try:
            return decode_welcome(self.server.store.read_as_dom0(f"{domain_path(domid)}/{WELCOME_KEY}"))
        except (Refusal, RemoteProtocolError):
            return None

    async def until(self, condition: Callable[[], bool], within_s: float) -> bool:
        """Wait for something; return whether it came."""
        with trio.move_on_after(within_s):
            while not condition():  # noqa: ASYNC110 - what is awaited is another process's doing
                await trio.sleep(LOOK_S)
        return condition()

    async def is_welcomed(self, domid: int, within_s: float = ANSWERS_S) -> bool:
        """Wait for a valid welcome."""
        return await self.until(lambda: self.welcome_of(domid) is not None, within_s)

    async def is_raised(self, domid: int) -> bool:
        """Wait until a domain's target is raised above what it is now."""
        before_kib = self.xl.target_kib(domid)
        return await self.until(lambda: self.xl.target_kib(domid) >= before_kib + MOVED_KIB, MOVES_S)

    async def is_lowered(self, domid: int, within_s: float) -> bool:
        """Watch whether a domain's target is lowered."""
        before_kib = self.xl.target_kib(domid)
        return await self.until(lambda: self.xl.target_kib(domid) < before_kib, within_s)


async def hellos(stage: Stage) -> None:
    """D1, D2, D4: each Hello is answered, by the versions that it names, where its guest can read it."""
    check, guests = stage.judgement.check, stage.guests
    came = await stage.is_welcomed(EARLY, STARTS_S)
    check("D1", came, f"a Hello that it found when it started was not answered within {STARTS_S:g} s")
    garbled = guests[GARBLED]
    await garbled.store.write(HELLO_KEY, GARBAGE[0])
    await guests[SIMPLE].hello()
    await guests[BROAD].hello(1, 65_535)
    await guests[FUTURE].hello(65_535, 65_535)
    for domid, what in ((SIMPLE, "of version 1"), (BROAD, "of versions 1 to 65535"), (FUTURE, "of version 65535")):
        came = await stage.is_welcomed(domid)
        check("D1", came, f"a Hello {what} was not answered within {ANSWERS_S:g} s")
    simple, broad, future = (stage.welcome_of(domid) for domid in (SIMPLE, BROAD, FUTURE))
    if simple and broad and future:
        check("D1", simple.version == 1, f"version {simple.version} for a guest that speaks version 1 alone")
        check("D1", broad.version >= 1, "version 0 for a guest that speaks all versions")
        check("D1", future.version == 0 or bool(broad.version == 65_535), f"version {future.version} of two choices")
        check("D1", bool(future.reason) or future.version != 0, "version 0 without a reason")
    check("D4", stage.welcome_of(GARBLED) is None, "an invalid Hello was answered")
    await garbled.hello()
    check("D4", await stage.is_welcomed(GARBLED), "a Hello after an invalid one was not answered")
    for domid in (SIMPLE, FUTURE):
        await _check_permissions(stage, domid)


async def _check_permissions(stage: Stage, domid: int) -> None:
    store, check = stage.guests[domid].store, stage.judgement.check
    if stage.welcome_of(domid) is None:
        return
    try:
        await store.read(WELCOME_KEY)
        owner, *others = await store.get_perms(WELCOME_KEY)
    except XenstoreError as error:
        check("D2", kept=False, fault=f"the guest cannot read Welcome: {error}")
        return
    writable = owner != "n0" or any(each[0] not in "rn" for each in others)
    check("D2", not writable, f"Welcome's permissions are {owner}, {', '.join(others)}")


async def pulse(stage: Stage) -> None:
    """D7: it lives, for every guest to see."""
    store, check = stage.guests[FUTURE].store, stage.judgement.check
    try:
        first = await store.read(PULSE_KEY)
        await trio.sleep(PULSE_S + PULSE_SLACK_S)
        second = await store.read(PULSE_KEY)
        permissions = await store.get_perms(PULSE_KEY)
    except NoSuchPath:
        check("D7", kept=False, fault="there is no Pulse")
    except XenstoreError as error:
        check("D7", kept=False, fault=f"a guest cannot read Pulse: {error}")
    else:
        check("D7", first != second, f"Pulse stood still for {PULSE_S:g} s")
        check("D7", permissions == ["r0"], f"Pulse's permissions are {', '.join(permissions)}")


async def reports(stage: Stage) -> None:
    """D3, D4: a needy guest is given memory whatever its report has too much or too little; not by invalid ones."""
    check, guests = stage.judgement.check, stage.guests
    for domid in (DONOR, SURPLUS, SHORT):
        await guests[domid].hello()
        check("D1", await stage.is_welcomed(domid), f"a Hello was not answered within {ANSWERS_S:g} s")
    stage.nursery.start_soon(guests[DONOR].keep_reporting)
    guests[SURPLUS].items = lambda report: [*report, "of a later version", {"a": [1.5, None, True]}]
    guests[SHORT].items = lambda report: report[:SHORTEST]
    for domid, what in ((SURPLUS, "with surplus positions"), (SHORT, f"of {SHORTEST} positions")):
        guests[domid].used_kib = SMALL_KIB - TIGHT_KIB
        async with trio.open_nursery() as nursery:
            nursery.start_soon(guests[domid].keep_reporting)
            given = await stage.is_raised(domid)
            check("D3", given, f"a needy guest's report {what} brought it no {MOVED_KIB >> 10} MiB in {MOVES_S:g} s")
            nursery.cancel_scope.cancel()
    await _check_version(stage)
    surplus = guests[SURPLUS]
    with trio.move_on_after(INVALID_S):
        for value in (GARBAGE[index % len(GARBAGE)] for index in count()):
            await surplus.store.write(REPORT_KEY, value)
            await trio.sleep(LOOK_S)
    surplus.used_kib = stage.xl.domains[SURPLUS].actual_kib - TIGHT_KIB
    stage.nursery.start_soon(surplus.keep_reporting)
    check("D4", await stage.is_raised(SURPLUS), "a needy guest's reports after invalid ones brought it nothing")


async def _check_version(stage: Stage) -> None:
    """Needs told in a version that was not agreed on bring nothing; told in the right one they do."""
    guest = stage.guests[GARBLED]
    await stage.guests[FUTURE].hello(65_535, 65_535)
    await guest.hello()
    if not (await stage.is_welcomed(FUTURE) and await stage.is_welcomed(GARBLED)):
        return
    if (future := stage.welcome_of(FUTURE)) is None or future.version != 0:
        return  # it speaks the last version there is
    guest.used_kib = SMALL_KIB - TIGHT_KIB
    async with trio.open_nursery() as nursery:
        guest.items = lambda report: [65_535, *report[1:]]
        nursery.start_soon(guest.keep_reporting)
        taken = await stage.until(lambda: stage.xl.target_kib(GARBLED) > SMALL_KIB, INVALID_S)
        stage.judgement.check("D4", not taken, "went by a report in version 65535")
        guest.items = list
        given = await stage.is_raised(GARBLED)
        stage.judgement.check("D4", given, "a needy guest's reports after one in version 65535 brought it nothing")
        nursery.cancel_scope.cancel()


async def flood(stage: Stage) -> None:
    """D6: one guest writes as fast as xenstore takes it; another's Hello is answered about as soon as without."""
    check, flooder = stage.judgement.check, stage.guests[FLOODER]
    calm_s = await _time_hellos(stage)
    async with trio.open_nursery() as nursery:
        for _ in range(FLOODS):
            nursery.start_soon(_flood, flooder)
        flooded_s = await _time_hellos(stage)
        nursery.cancel_scope.cancel()
    if calm_s is None or flooded_s is None:
        check("D6", flooded_s is not None or calm_s is None, "Hello was not answered while another guest flooded")
        return
    fault = f"{flooded_s:.2f} s to answer a Hello while another guest flooded, {calm_s:.2f} s before"
    check("D6", flooded_s <= FLOOD_RATIO * calm_s + FLOOD_MORE_S, fault)


async def _flood(guest: Guest) -> None:
    for value in (GARBAGE[index % len(GARBAGE)] for index in count()):
        await guest.store.write(REPORT_KEY, value)


async def _time_hellos(stage: Stage) -> float | None:
    """The median time to an answer; None where one never came."""
    times_s = []
    for _ in range(HELLOS):
        if stage.welcome_of(SIMPLE) is not None:
            stage.server.store.remove_as_dom0(f"{domain_path(SIMPLE)}/{WELCOME_KEY}")
        began_s = trio.current_time()
        await stage.guests[SIMPLE].hello()
        if not await stage.is_welcomed(SIMPLE):
            return None
        times_s.append(trio.current_time() - began_s)
    return statistics.median(times_s)


async def silence(stage: Stage) -> None:
    """D5: who has said nothing for long gives nothing for what it said, however much another needs."""
    check, guests = stage.judgement.check, stage.guests
    for domid in (QUIET, LATE):
        await guests[domid].hello()
        await stage.is_welcomed(domid)
    await guests[QUIET].report()
    welcome = stage.welcome_of(QUIET)
    if welcome is None:
        return
    await trio.sleep(SILENT_HEARTBEATS * welcome.heartbeat_ms / 1000 + 1.0)
    guests[DONOR].used_kib = guests[SURPLUS].used_kib = guests[LATE].used_kib = STATIC_MAX_KIB
    stage.nursery.start_soon(guests[LATE].keep_reporting)
    fault = "the target of a guest that had long been silent was lowered"
    check("D5", not await stage.is_lowered(QUIET, MOVES_S), fault)


async def alive(stage: Stage) -> None:
    """D4: it is still there."""
    fault = f"it ended with status {stage.process.returncode}"
    stage.judgement.check("D4", stage.process.returncode is None, fault)


Act = Callable[[Stage], Awaitable[None]]
ACTS: tuple[Act, ...] = (hellos, pulse, reports, flood, alive)
LONG_ACTS: tuple[Act, ...] = (hellos, pulse, reports, flood, silence, alive)
"""`silence` takes two and a half of the arbiter's heartbeats, and wants `reports` before it."""


async def judge_arbiter(command: Sequence[str], acts: Sequence[Act] = ACTS) -> list[Verdict]:
    """Play with an arbiter, about a minute.

    In its command `{socket}` stands for xenstore's socket, `{directory}` for a directory of its own; the environment
    has XENSTORED_PATH, and a played `xl` first on its PATH. Raises FileNotFoundError where there is no such command.
    """
    if shutil.which(command[0]) is None:
        raise FileNotFoundError(f"{command[0]}: no such command")
    judgement = Judgement(ARBITER)
    async with _stage(command, judgement) as stage:
        for act in acts:
            await act(stage)
    return judgement.verdicts()


@asynccontextmanager
async def _stage(command: Sequence[str], judgement: Judgement) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="aerostat-")))
        server = await stack.enter_async_context(serve_xenstore(directory))
        xl = PlayedXl(server, SIZES_KIB, free_kib=FREE_KIB, static_max_kib=STATIC_MAX_KIB)
        guests = {}
        for domid in xl.domains:
            store = await stack.enter_async_context(open_xenstore(server.guest_socket(domid)))
            guests[domid] = Guest(domid, store, xl)
        await guests[EARLY].hello()
        nursery = await stack.enter_async_context(trio.open_nursery())
        nursery.start_soon(xl.serve, directory)
        process = await _start(command, server, directory)
        try:
            yield Stage(server=server, xl=xl, guests=guests, judgement=judgement, process=process, nursery=nursery)
        finally:
            if process.returncode is None:
                process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()
            nursery.cancel_scope.cancel()


async def _start(command: Sequence[str], server: XenstoreServer, directory: Path) -> trio.Process:
    own = [word.replace(SOCKET, str(server.dom0_socket)).replace(DIRECTORY, str(directory)) for word in command]
    environment = {
        **os.environ,
        "XENSTORED_PATH": str(server.dom0_socket),
        "PATH": f"{directory}:{os.environ.get('PATH', os.defpath)}",
    }
    return await trio.lowlevel.open_process(own, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
