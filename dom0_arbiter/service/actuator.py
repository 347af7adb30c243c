"""Carries out plans: maxmem through the hypervisor, targets and welcomes through xenstore."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

from dom0_arbiter.engine import Action, ActionFailed, SendGrant, SendWelcome, SetMaxmem, WriteTarget
from dom0_arbiter.policy import DOM0
from dom0_arbiter.xen import Hypervisor, HypervisorError, NoSuchDomainError, Transaction, Xenstore, XenstoreError
from protocol import GRANT_KEY, WELCOME_KEY, domain_path, encode_grant, encode_welcome

Write = WriteTarget | SendWelcome | SendGrant
log = logging.getLogger("aerostat.actuator")


class Actuator:
    """One transaction carries all the writes of a plan: each costs xenstore, and us, several messages.

    A domain whose maxmem could not be raised gets no target: above maxmem its driver would give up for an hour. Dom0
    gets its target alone: its limit is its owner's (Xen's dom0_mem), and no agent of it waits for a welcome.
    """

    def __init__(self, xenstore: Xenstore, hypervisor: Hypervisor) -> None:
        self._xenstore = xenstore
        self._hypervisor = hypervisor

    async def apply(self, actions: Sequence[Action]) -> list[ActionFailed]:
        """Carry out the plan; return what failed. A domain that is gone is no failure: its release is on the way."""
        actions = [action for action in actions if action.domid != DOM0 or isinstance(action, WriteTarget)]
        failures: dict[int, ActionFailed] = {}
        last_write = {action.domid: index for index, action in enumerate(actions) if _comes_before_maxmem(action)}
        writes: list[Write] = []
        later: list[SetMaxmem] = []
        for index, action in enumerate(actions):
            if not isinstance(action, SetMaxmem):
                writes.append(action)
            elif index > last_write.get(action.domid, index):
                later.append(action)
            else:
                await self._set_maxmem(action, failures)
        await self._write([write for write in writes if write.domid not in failures], failures)
        for action in later:
            if action.domid not in failures:
                await self._set_maxmem(action, failures)
        return list(failures.values())

    async def _set_maxmem(self, action: SetMaxmem, failures: dict[int, ActionFailed]) -> None:
        if self._hypervisor.maxmem_follows_target:
            return  # and cannot be set alone
        with _failing(action.domid, failures):
            await self._hypervisor.set_maxmem(action.domid, action.maxmem_kib)

    async def _videoram_kib(self, home: str) -> int:
        """What libxl takes off again before it writes memory/target (libxl_mem.c, libxl_set_memory_target)."""
        path = f"{home}/memory/videoram"
        videoram = (await self._xenstore.read_many([path])).get(path, b"")
        return int(videoram) if videoram.isdigit() else 0

    async def _write(self, writes: Sequence[Write], failures: dict[int, ActionFailed]) -> None:
        values: dict[int, dict[str, bytes]] = {}
        for write in writes:
            home = domain_path(write.domid)
            if isinstance(write, SendWelcome):
                values.setdefault(write.domid, {})[f"{home}/{WELCOME_KEY}"] = encode_welcome(write.welcome)
            elif isinstance(write, SendGrant):
                values.setdefault(write.domid, {})[f"{home}/{GRANT_KEY}"] = encode_grant(write.grant)
            elif self._hypervisor.maxmem_follows_target:
                with _failing(write.domid, failures):
                    await self._hypervisor.set_target(write.domid, write.target_kib + await self._videoram_kib(home))
            else:
                values.setdefault(write.domid, {})[f"{home}/memory/target"] = str(write.target_kib).encode()
        if not values:
            return
        try:
            await self._xenstore.transact(partial(_write_where_alive, values))
        except XenstoreError as error:
            log.warning("%s", error)
            failures |= {domid: ActionFailed(domid=domid, reason=str(error)) for domid in values}


def _comes_before_maxmem(action: Action) -> bool:
    """Whether a maxmem that is planned after it must wait for it: a lower one, for a guest that would aim above it."""
    return isinstance(action, WriteTarget) or (isinstance(action, SendGrant) and action.grant.extra_kib == 0)


async def _write_where_alive(values: Mapping[int, Mapping[str, bytes]], transaction: Transaction) -> None:
    """Write below the domains that are there; a write below one that is gone would bring its directory back to life."""
    signs = {domid: f"{domain_path(domid)}/domid" for domid in values}
    alive = {signs.get(DOM0), *await transaction.read_many(signs.values())}
    wanted = {path: value for domid, sign in signs.items() if sign in alive for path, value in values[domid].items()}
    await transaction.write_many(wanted)
    for domid, sign in signs.items():
        for path in (f"{domain_path(domid)}/{key}" for key in (WELCOME_KEY, GRANT_KEY)):
            if sign in alive and path in values[domid]:
                await transaction.set_perms(path, ["n0", f"r{domid}"])


@contextmanager
def _failing(domid: int, failures: dict[int, ActionFailed]) -> Iterator[None]:
    """Note what failed for one domain; that the domain is gone is no failure."""
    try:
        yield
    except NoSuchDomainError as error:
        log.debug("domain %d is gone: %s", domid, error)
    except (HypervisorError, XenstoreError) as error:
        log.warning("%s", error)
        failures[domid] = ActionFailed(domid=domid, reason=str(error))
