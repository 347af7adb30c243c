"""A transaction: all of it is done, or nothing. It lives and dies with the connection it was started on."""

from collections.abc import Awaitable, Callable, Sequence

from . import wire
from .connection import Connection
from .errors import XenstoreLocalError, refusal
from .operations import Operations
from .wire import Refusal, Reply, Request

Exchange = Callable[[Connection, Sequence[Request], int], Awaitable[list[Reply | Refusal]]]
"""Sends requests on a connection, in a transaction, and returns the answers within the store's deadline."""


class Transaction(Operations):
    """See `Operations` for the requests, and `Xenstore.transaction` for the life of it."""

    def __init__(self, connection: Connection, transaction: int, exchange: Exchange) -> None:
        self._connection = connection
        self._id = transaction
        self._exchange_on = exchange
        self._over = False

    @property
    def over(self) -> bool:
        """Whether it was committed or aborted."""
        return self._over

    def abort(self) -> None:
        """Nothing of it is to be done, and nothing more may be asked in it. Does not wait, so it also cleans up."""
        if not self._over:
            self._over = True
            self._connection.tell([(wire.TRANSACTION_END, b"F\0")], self._id)

    async def commit(self) -> None:
        """Have it done; raises `Conflict` if that can't be."""
        request = (wire.TRANSACTION_END, b"T\0")
        (answer,) = await self._exchange([request], last=True)
        if isinstance(answer, Refusal):
            raise refusal(answer.name, "commit of a transaction")

    async def _exchange(self, requests: Sequence[Request], *, last: bool = False) -> list[Reply | Refusal]:
        if self._over:
            raise XenstoreLocalError("this transaction is over")
        self._over = last
        return await self._exchange_on(self._connection, requests, self._id)
