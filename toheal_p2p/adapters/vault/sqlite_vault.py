"""The open vault: `ports.vault.Vault` on an encrypted SQLite file.

Commits are shielded, each is one synchronous call in the store's thread: a cancelled statement
would otherwise leave a transaction open. With trio's `MockClock` a working thread looks like
idleness, so simulations in virtual time use the fake.

Spec: docs/vault.md, sections 3 to 5.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import apsw
import trio
from attrs import define, evolve, field

from toheal_p2p.adapters.vault import asked_reads, file_reads, reads, words
from toheal_p2p.adapters.vault.database import copy_store, write_generation
from toheal_p2p.adapters.vault.files import (
    make_private_file,
    remove_other_stores,
    replace_keyring,
    storage_errors,
    store_path,
    sync_file,
)
from toheal_p2p.adapters.vault.generation import raise_generation
from toheal_p2p.adapters.vault.keyring import (
    KEY_SIZE,
    DataKey,
    Keyring,
    PassphraseCost,
    Unlocked,
    encode_keyring,
    make_keyring,
    unlock_keyring,
)
from toheal_p2p.adapters.vault.lock_file import HeldLock
from toheal_p2p.adapters.vault.snapshot import StoreSnapshot, copy_path
from toheal_p2p.adapters.vault.store import Store
from toheal_p2p.adapters.vault.writes import apply_writes
from toheal_p2p.ports.vault import (
    AttachmentRow,
    ChunkRow,
    DeliveryRow,
    EntryRow,
    FoundEntries,
    OwedRow,
    Stored,
    StoredEntry,
    Story,
    VaultClosed,
    VaultError,
)
from toheal_protocol.crypto import Entropy
from toheal_protocol.machines.records import Write
from toheal_protocol.messages.asking import Range
from toheal_protocol.messages.file_tree import FileId
from toheal_protocol.model import Audience, CircleId, MemberId, MessageId, OperationId, WallTime

P = ParamSpec("P")
T = TypeVar("T")


@define(eq=False)
class SqliteVault:
    """An open vault. Made by `open_vault`, closed by whoever opened it."""

    _home: Path
    _lock: HeldLock = field(repr=False)
    _store: Store = field(repr=False)
    _keyring: Keyring = field(repr=False)
    _unlocked: Unlocked = field(repr=False)
    _entropy: Entropy = field(repr=False)
    _was_put_back: bool
    _turn: trio.Lock = field(factory=trio.Lock, init=False, repr=False)
    _copying: trio.Lock = field(factory=trio.Lock, init=False, repr=False)
    _is_closed: bool = field(default=False, init=False)
    _is_broken: bool = field(default=False, init=False)

    @property
    def was_put_back(self) -> bool:
        """Whether an older copy was found in the place of what we wrote last."""
        return self._was_put_back

    async def accept_put_back(self) -> None:
        """Clear `was_put_back`."""
        await self._write(write_generation, self._unlocked.generation, was_put_back=False)
        self._was_put_back = False

    async def commit(self, writes: Sequence[Write]) -> None:
        """Write all of it in one transaction, in this order, or nothing."""
        await self._write(apply_writes, self._store.numbers, writes)

    async def load(self) -> Stored:
        """Return every circle with its hot state, and the settings."""
        return await self._read(reads.load)

    async def owed(
        self, circle: CircleId, member: MemberId, *, after: int, limit: int
    ) -> tuple[OwedRow, ...]:
        """Return frames owed to a member, lowest `seq` first."""
        return await self._read(reads.owed, circle, member, after, limit)

    async def entries(
        self,
        circle: CircleId,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int,
        newest: bool = False,
    ) -> tuple[EntryRow, ...]:
        """Return entries of a circle between two positions, oldest first."""
        end = reads.LAST_POSITION if before is None else before
        return await self._read(reads.entries, circle, after, end, limit, newest=newest)

    async def rows(
        self, circle: CircleId, mids: Sequence[MessageId]
    ) -> Mapping[MessageId, EntryRow]:
        """Return those of these messages that are here."""
        return await self._read(reads.rows_of, circle, mids)

    async def operation_times(self, circle: CircleId) -> Mapping[OperationId, WallTime]:
        """Return when the acts of a circle came."""
        return await self._read(reads.operation_times, circle)

    async def entry(self, circle: CircleId, mid: MessageId) -> StoredEntry | None:
        """Return one entry with its key, or None."""
        return await self._read(reads.entry, circle, mid)

    async def ids_by_author(
        self,
        circle: CircleId,
        author: MemberId,
        audience: Audience,
        *,
        after: int,
        limit: int,
    ) -> tuple[tuple[int, MessageId], ...]:
        """Return what one author said to one audience, by the author's own count."""
        return await self._read(reads.ids_by_author, circle, author, audience, after, limit)

    async def asked_entries(
        self,
        circle: CircleId,
        ranges: Sequence[Range],
        mids: Sequence[MessageId],
        *,
        after: int,
        limit: int,
        most: int,
    ) -> FoundEntries:
        """Return the first of what a member asks for, in the order of acceptance."""
        return await self._read(asked_reads.asked_entries, circle, ranges, mids, after, limit, most)

    async def stories(
        self, circle: CircleId, author: MemberId, audience: Audience, seq: int
    ) -> tuple[Story, ...]:
        """Return every message with this number of one stream."""
        return await self._read(asked_reads.stories, circle, author, audience, seq)

    async def deliveries(
        self, circle: CircleId, mid: MessageId | None, *, limit: int
    ) -> tuple[DeliveryRow, ...]:
        """Return where our messages are, per recipient."""
        return await self._read(reads.deliveries, circle, mid, limit)

    async def search(
        self, circle: CircleId | None, query: str, *, limit: int
    ) -> tuple[EntryRow, ...]:
        """Return the newest entries that hold every word of a query."""
        return await self._read(words.search, circle, query, limit)

    async def attachments(
        self, circle: CircleId, mids: Sequence[MessageId]
    ) -> Mapping[MessageId, AttachmentRow]:
        """Return what these messages say of their files."""
        return await self._read(file_reads.attachments, circle, mids) if mids else {}

    async def chunks(
        self, circle: CircleId, file: FileId, places: Sequence[int]
    ) -> tuple[ChunkRow, ...]:
        """Return the chunks at these places, as far as they are here."""
        return await self._read(file_reads.chunks, circle, file, places)

    async def chunk_places(self, circle: CircleId, file: FileId) -> tuple[int, ...]:
        """Return the places of the chunks that are here, rising."""
        return await self._read(file_reads.chunk_places, circle, file)

    async def chunk_count(self, circle: CircleId | None) -> int:
        """Return how many chunks a circle, or all of them, have here."""
        return await self._read(file_reads.chunk_count, circle)

    async def change_passphrase(
        self, old: str, new: str, *, cost: PassphraseCost | None = None
    ) -> None:
        """Move everything into a new store under a new key, and seal that key under `new`.

        So a copy of the old keyring opens nothing that is written from now on. Needs as much room
        again as the store takes. The moment it counts is the replacing of the keyring: after a
        crash either the old passphrase opens the old store or the new one the new.

        Args:
            old: the passphrase in force.
            new: the passphrase to come.
            cost: of the new one; the old one's by default.

        Raises:
            WrongPassphrase: `old` is not the one in force.
            DiskFull, StorageFailed: the old one is in force still.
        """
        await trio.to_thread.run_sync(unlock_keyring, self._keyring, old)
        fresh = evolve(
            self._unlocked,
            data_key=DataKey(self._entropy.draw(KEY_SIZE)),
            store=self._unlocked.store + 1,
        )
        keyring = await trio.to_thread.run_sync(
            lambda: make_keyring(new, fresh, cost=cost or self._keyring.cost, entropy=self._entropy)
        )
        with trio.CancelScope(shield=True):
            async with self._turn:
                self._require_whole()
                await self._move(fresh, keyring)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[StoreSnapshot]:
        """Lend one moment of everything; the vault goes on meanwhile."""
        target, key = copy_path(self._home), DataKey(self._entropy.draw(KEY_SIZE))
        async with self._copying:
            try:
                await trio.to_thread.run_sync(make_private_file, target)
                await self._read(copy_store, target, key)
                store = await Store.open(target, key)
                try:
                    yield StoreSnapshot(store)
                finally:
                    await store.close()
            finally:
                with storage_errors():
                    target.unlink(missing_ok=True)

    async def aclose(self) -> None:
        """Close. A second time does nothing; works in a cancelled scope too."""
        with trio.CancelScope(shield=True):
            async with self._turn:
                if self._is_closed:
                    return
                self._is_closed = True
                try:
                    await self._raise_generation()
                finally:
                    try:
                        await self._store.close()
                    finally:
                        self._lock.release()

    async def _read(
        self,
        call: Callable[Concatenate[apsw.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        await self._take_turn()
        try:
            self._require_open()
            return await self._store.run(call, *args, **kwargs)
        finally:
            self._turn.release()

    async def _write(
        self,
        call: Callable[Concatenate[apsw.Connection, P], None],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        with trio.CancelScope(shield=True):
            await self._take_turn()
            try:
                self._require_whole()
                try:
                    await self._store.run(call, *args, **kwargs)
                except VaultError:
                    # After a failed fsync nobody knows what is on the disk: only a new start does.
                    self._is_broken = True
                    raise
            finally:
                self._turn.release()

    async def _take_turn(self) -> None:
        """Take the lock. Where nobody has it, without a pass of the scheduler: the call waits anyway."""
        try:
            self._turn.acquire_nowait()
        except trio.WouldBlock:
            await self._turn.acquire()

    async def _move(self, fresh: Unlocked, keyring: Keyring) -> None:
        store = await self._copy(fresh)
        try:
            await trio.to_thread.run_sync(replace_keyring, self._home, encode_keyring(keyring))
        except BaseException:
            # Either keyring may be in force after a crash: both stores stay, and nothing is
            # written until a new start has seen which.
            self._is_broken = True
            await store.close()
            raise
        await self._store.close()
        self._store, self._keyring, self._unlocked = store, keyring, fresh
        await trio.to_thread.run_sync(remove_other_stores, self._home, fresh.store)

    async def _copy(self, fresh: Unlocked) -> Store:
        target = store_path(self._home, fresh.store)
        try:
            make_private_file(target)
            await self._store.run(copy_store, target, fresh.data_key)
            await trio.to_thread.run_sync(sync_file, target)
            return await Store.open(target, fresh.data_key)
        except BaseException:
            remove_other_stores(self._home, self._unlocked.store)
            raise

    async def _raise_generation(self) -> None:
        if self._is_broken:
            return
        # Closing succeeds on a full disk too; the counts then are equal, which is allowed.
        with suppress(VaultError):
            await raise_generation(
                self._store, self._home, self._keyring, self._unlocked, entropy=self._entropy
            )

    def _require_open(self) -> None:
        if self._is_closed:
            raise VaultClosed("the vault is closed")

    def _require_whole(self) -> None:
        self._require_open()
        if self._is_broken:
            raise VaultClosed("the vault broke earlier and takes no more")
