"""What an agent in one domain would say, valid or not, for arbiters to be judged by."""

from binascii import b2a_base64
from collections.abc import Callable, Sequence
from typing import NoReturn

import msgpack
import trio

from dom0_arbiter.conformance.played_xl import MIB, PlayedXl
from dom0_arbiter.xen import Xenstore
from protocol import HELLO_KEY, REPORT_KEY, URGENT, Hello, Report, encode_hello

SAYS_S = 0.5  # oftener than it must
URGENT_KIB = 32 * MIB


class Guest:
    """Mutable. `used_kib` is what it uses at most; `items` makes of a report what is said in its place."""

    def __init__(self, domid: int, store: Xenstore, xl: PlayedXl) -> None:
        self.domid, self.store = domid, store
        self.used_kib = URGENT_KIB
        self.items: Callable[[Report], Sequence[object]] = list
        self._xl = xl
        self._sequence = 0
        self._began_s = trio.current_time()

    async def hello(self, lowest: int = 1, highest: int = 1) -> None:
        """Say Hello, with these versions."""
        said = Hello(
            version_lowest=lowest,
            version_highest=highest,
            agent_name="conformance",
            agent_version="1",
            os_name="none",
            os_version="",
            capabilities=0,
            boot_id=f"boot-{self.domid}",
        )
        await self.store.write(HELLO_KEY, encode_hello(said))

    async def report(self) -> None:
        """Say how much of what it has is available, in its own items."""
        total_kib = self._xl.domains[self.domid].actual_kib
        available_kib = max(0, total_kib - self.used_kib)
        said = Report(
            version=1,
            sequence=self._sequence,
            uptime_ms=int((trio.current_time() - self._began_s) * 1000),
            flags=URGENT if available_kib < URGENT_KIB else 0,
            total_kib=total_kib,
            free_kib=available_kib,
            available_kib=available_kib,
        )
        self._sequence += 1
        await self.store.write(REPORT_KEY, b2a_base64(msgpack.packb(self.items(said)), newline=False))

    async def keep_reporting(self) -> NoReturn:
        """Until cancelled."""
        while True:
            await self.report()
            await trio.sleep(SAYS_S)
