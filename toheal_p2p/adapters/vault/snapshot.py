"""One moment of a vault, to be read in peace while the vault goes on.

The store is copied in one call, under a key that is in memory only; the copy is read and deleted.
What a crash leaves is removed at the next opening, and nobody can read it.

Spec: docs/protocol/backup.md, section 5.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final

from attrs import define, field

from toheal_p2p.adapters.vault import kept
from toheal_p2p.adapters.vault.store import Store
from toheal_protocol.machines.records import Write

COPY: Final = "copy"
"""`store.copy`: the copy's name ends like no number."""

_AT_ONCE: Final = 256
"""Rows read at a time: some hundred kilobytes."""


def copy_path(home: Path) -> Path:
    """Return where the copy lies while it is read."""
    return home / f"store.{COPY}"


@define(eq=False)
class StoreSnapshot:
    """Fulfils `ports.vault.Snapshot`."""

    _store: Store = field(repr=False)

    async def count(self) -> int:
        """Return how many messages there are."""
        return await self._store.run(kept.count_entries)

    async def records(self) -> AsyncIterator[Sequence[Write]]:
        """Give everything, in the order in which it can be written again."""
        yield await self._store.run(kept.states)
        position = 0
        while True:
            position, entries = await self._store.run(kept.entries, position, _AT_ONCE)
            if not entries:
                break
            yield entries
        yield await self._store.run(kept.attachments)
        place = (0, -1)
        while True:
            place, owed = await self._store.run(kept.owed, place, _AT_ONCE)
            if not owed:
                return
            yield owed
