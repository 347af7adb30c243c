"""The arbiter's sign of life for guests that would govern themselves without it: it still sees the host."""

import logging
from collections.abc import Callable
from typing import NoReturn

import trio

from dom0_arbiter.xen import Transaction, Xenstore, XenstoreError
from protocol import PULSE_KEY, PULSE_S

log = logging.getLogger("aerostat.pulse")
EVERYBODY = "r0"  # dom0's own, as the first of a node's permissions names its owner; read is what all others may
BEAT_S = PULSE_S / 2  # so that one that comes late is no lost one


async def beat(xenstore: Xenstore, count: Callable[[], int]) -> NoReturn:
    """Write a count into xenstore for as long as it runs: `count` must return another number where we are alive."""

    async def write(transaction: Transaction) -> None:
        await transaction.write(PULSE_KEY, str(count()).encode())
        await transaction.set_perms(PULSE_KEY, [EVERYBODY])

    while True:
        try:
            await xenstore.transact(write)
        except XenstoreError as error:
            log.debug("no pulse: %s", error)  # who needs xenstore for more has said so
        await trio.sleep(BEAT_S)
