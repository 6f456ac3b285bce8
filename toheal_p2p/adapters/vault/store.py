"""One connection to the store, in a thread of its own that takes one call at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import apsw
import trio
from attrs import define, field

from toheal_p2p.adapters.vault.database import OPEN_FLAGS, open_store, store_errors
from toheal_p2p.adapters.vault.files import require_file
from toheal_p2p.adapters.vault.keyring import DataKey
from toheal_p2p.adapters.vault.numbers import Numbers
from toheal_p2p.adapters.vault.worker import Worker

P = ParamSpec("P")
T = TypeVar("T")


@define(eq=False)
class Store:
    """An open store. Whoever opened it closes it: its thread would keep the process alive."""

    _connection: apsw.Connection = field(repr=False)
    _worker: Worker = field(init=False, repr=False)
    numbers: Numbers = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._worker = Worker(self._connection.interrupt)
        self.numbers = Numbers(self._connection)

    @classmethod
    async def open(cls, path: Path, key: DataKey) -> Store:
        """Open a store, or leave nothing open.

        Raises:
            DamagedVault, NewerVault, AlreadyRunning, StorageFailed: as `open_store` says.
        """
        require_file(path)
        with store_errors():
            store = cls(apsw.Connection(str(path), flags=OPEN_FLAGS))
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
        db = self._connection
        with store_errors():
            return await self._worker.run(lambda: call(db, *args, **kwargs))

    async def close(self) -> None:
        """Close, in a cancelled scope too."""
        with trio.CancelScope(shield=True):
            try:
                await self._worker.run(self._connection.close)
            finally:
                self._worker.end()
