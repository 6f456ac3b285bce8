"""One connection to the store, in a thread of its own that takes one call at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar, cast

import apsw
import apsw.aio
import trio
from attrs import define, field

from toheal_p2p.adapters.vault.database import OPEN_FLAGS, open_store, store_errors
from toheal_p2p.adapters.vault.files import require_file
from toheal_p2p.adapters.vault.keyring import DataKey
from toheal_p2p.adapters.vault.numbers import Numbers

P = ParamSpec("P")
T = TypeVar("T")


@define(eq=False)
class Store:
    """An open store. Whoever opened it closes it: its thread would keep the process alive."""

    _connection: apsw.AsyncConnection = field(repr=False)
    numbers: Numbers = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self.numbers = Numbers(_inside(self._connection))

    @classmethod
    async def open(cls, path: Path, key: DataKey) -> Store:
        """Open a store, or leave nothing open.

        Raises:
            DamagedVault, NewerVault, AlreadyRunning, StorageFailed: as `open_store` says.
        """
        require_file(path)
        # Shielded: cancelled here, the thread would have a connection that nobody can close.
        with store_errors(), trio.CancelScope(shield=True):
            store = cls(await apsw.Connection.as_async(str(path), flags=OPEN_FLAGS))
        try:
            await store.run(open_store, key)
        except BaseException:
            await store.close()
            raise
        return store

    async def run(
        self,
        call: Callable[Concatenate[apsw.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run a synchronous function in the thread, with the connection as its first argument.

        Cancelled, it returns at once; a call that has begun then runs to its end or is broken off
        by SQLite. Shield what must be whole.
        """
        # Without a deadline of its own the library takes the caller's and raises TooSlowError
        # where trio would quietly cancel the scope.
        deadline = apsw.aio.deadline.set(math.inf)
        try:
            with store_errors():
                result = await self._connection.async_run(
                    call, _inside(self._connection), *args, **kwargs
                )
        finally:
            apsw.aio.deadline.reset(deadline)
        return cast(T, result)

    async def close(self) -> None:
        """Close; in a cancelled scope too, where the library alone would wait for ever."""
        with trio.CancelScope(shield=True):
            await self._connection.aclose()


def _inside(connection: apsw.AsyncConnection) -> apsw.Connection:
    """Return the connection as its own thread sees it: there the same methods are synchronous."""
    return cast(apsw.Connection, connection)
