"""A vault in memory, made-up ids and entries, and cheap real vaults.

`MemoryVault` keeps the contract of `ports.vault.Vault` (tests/adapters/test_vault_contract.py
runs against both) except that it forgets. It never leaves trio's thread, so it can be used in
virtual time.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio
from attrs import define, evolve, field

from tests.support.entropy import SeededEntropy
from toheal_p2p.adapters.search_text import asked_words, normalise_text
from toheal_p2p.adapters.vault import PassphraseCost, SqliteVault, create_vault, open_vault
from toheal_p2p.ports.vault import (
    AttachmentRow,
    ChunkRow,
    DeliveryRow,
    EntryRow,
    FoundEntries,
    FoundEntry,
    OwedRow,
    Stored,
    StoredCircle,
    StoredEntry,
    Story,
    VaultClosed,
    VaultError,
)
from toheal_protocol.machines.lifetime import Ages, is_over
from toheal_protocol.machines.records import (
    ConfirmEntries,
    DropAttachment,
    DropCircle,
    DropEntry,
    DropHeld,
    DropOwed,
    DropStrayChunks,
    GiveUpOwed,
    KeptEntry,
    MarkAtRelay,
    MarkAttachment,
    MarkShown,
    PutAges,
    PutAttachment,
    PutChunk,
    PutCircle,
    PutEntry,
    PutForgotten,
    PutHeld,
    PutLog,
    PutOwed,
    PutPair,
    PutSetting,
    UnsayOwed,
    Write,
    has_never_left,
    marked,
)
from toheal_protocol.messages.asking import Range
from toheal_protocol.messages.file_tree import FileId
from toheal_protocol.model import (
    Audience,
    CircleId,
    Frame,
    MemberId,
    MessageId,
    OperationId,
    WallTime,
)

ACTS = frozenset(
    ("joined", "left", "remove", "role", "policy", "charter", "term", "mute", "unmute")
)
"""Kinds of entries that are acts; a second is about one."""

CHEAP = PassphraseCost(memory=8 * 1024 * 1024, passes=1)
PASSPHRASE = "كلمة سر correct horse"


def made_up_id(kind: str, number: int) -> bytes:
    """Return 32 bytes that look like an id and are the same in every run."""
    return hashlib.blake2b(f"{kind} {number}".encode(), digest_size=32).digest()


def circle_id(number: int) -> CircleId:
    return CircleId(made_up_id("circle", number))


def member_id(number: int) -> MemberId:
    return MemberId(made_up_id("member", number))


def message_id(number: int) -> MessageId:
    return MessageId(made_up_id("message", number))


def an_entry(number: int = 1, **changes: Any) -> PutEntry:
    """Return an ordinary message of somebody else; `changes` say what is special."""
    ordinary = PutEntry(
        circle=circle_id(1),
        mid=message_id(number),
        author=member_id(1),
        audience=Audience.CIRCLE,
        author_seq=number,
        kind="text",
        text=f"message {number}",
        sent_at=WallTime(1_700_000_000 + number),
        received_at=WallTime(1_700_000_001 + number),
        is_mine=False,
        notes=(),
        key=made_up_id("key", number),
        common=made_up_id("common", number) * 8,
        recipients=(),
        passed_on_by=None,
        parents=(),
    )
    return evolve(ordinary, **changes)


def an_owed(seq: int, *, member: int = 2, mid: int | None = None, **changes: Any) -> PutOwed:
    """Return a frame owed to a member."""
    ordinary = PutOwed(
        circle=circle_id(1),
        member=member_id(member),
        seq=seq,
        mid=None if mid is None else message_id(mid),
        item=b"item %d" % seq,
        frame=Frame(b"frame %d" % seq),
    )
    return evolve(ordinary, **changes)


@asynccontextmanager
async def real_vault(home: Path, *, seed: int = 1) -> AsyncIterator[SqliteVault]:
    """Make the vault if it is not there, open it, and close it in the end."""
    entropy = SeededEntropy(seed)
    if not (home / "keyring").exists():
        create_vault(home, PASSPHRASE, entropy=entropy, cost=CHEAP)
    vault = await open_vault(home, PASSPHRASE, entropy=entropy)
    try:
        yield vault
    finally:
        await vault.aclose()


@define
class MemorySnapshot:
    """One moment of a `MemoryVault`."""

    _records: tuple[Write, ...]

    async def count(self) -> int:
        return sum(isinstance(one, KeptEntry) for one in self._records)

    async def records(self) -> AsyncIterator[Sequence[Write]]:
        yield self._records


@define(eq=False)
class MemoryVault:
    """A vault that keeps everything in dictionaries.

    Attributes:
        was_put_back: set it to play a vault that was put back.
        fail_with: raised by the next commit, and the vault is broken from then on.
        commits: what each commit wrote, for tests that look at groups.
        before_commit: awaited inside the shield, for tests that hold a commit up.
    """

    was_put_back: bool = False
    fail_with: VaultError | None = None
    commits: list[tuple[Write, ...]] = field(factory=list)
    before_commit: Callable[[], Any] = field(default=trio.lowlevel.checkpoint)
    _circles: dict[CircleId, bytes] = field(factory=dict, init=False)
    _logs: dict[CircleId, bytes] = field(factory=dict, init=False)
    _pairs: dict[tuple[CircleId, MemberId], bytes] = field(factory=dict, init=False)
    _owed: dict[tuple[CircleId, MemberId], dict[int, OwedRow]] = field(factory=dict, init=False)
    _undelivered: set[tuple[CircleId, MemberId, MessageId]] = field(factory=set, init=False)
    _entries: dict[tuple[CircleId, MessageId], StoredEntry] = field(factory=dict, init=False)
    _forgotten: set[tuple[CircleId, MessageId]] = field(factory=set, init=False)
    _times: dict[tuple[CircleId, MessageId], tuple[int, int, int | None]] = field(
        factory=dict, init=False
    )
    _ages: Ages = field(factory=Ages, init=False)
    _ending: set[tuple[CircleId, MessageId]] = field(factory=set, init=False)
    _held: dict[CircleId, dict[MessageId, bytes]] = field(factory=dict, init=False)
    _files: dict[tuple[CircleId, MessageId], PutAttachment] = field(factory=dict, init=False)
    _whole: dict[tuple[CircleId, MessageId], bool] = field(factory=dict, init=False)
    _chunks: dict[tuple[CircleId, FileId], dict[int, ChunkRow]] = field(factory=dict, init=False)
    _settings: dict[str, bytes] = field(factory=dict, init=False)
    _previous: dict[tuple[CircleId, MessageId], MessageId] = field(factory=dict, init=False)
    _last_position: int = field(default=0, init=False)
    _is_closed: bool = field(default=False, init=False)
    _is_broken: bool = field(default=False, init=False)

    async def accept_put_back(self) -> None:
        self.was_put_back = False

    async def commit(self, writes: Sequence[Write]) -> None:
        with trio.CancelScope(shield=True):
            await self.before_commit()
        self._require_open()
        if self._is_broken:
            raise VaultClosed("the vault broke earlier")
        if self.fail_with is not None:
            self._is_broken = True
            raise self.fail_with
        for write in writes:
            self._apply(write)
        self.commits.append(tuple(writes))

    async def load(self) -> Stored:
        await self._look()
        circles = tuple(
            StoredCircle(
                circle=circle,
                blob=blob,
                log_blob=self._logs.get(circle),
                pairs={m: pair for (c, m), pair in self._pairs.items() if c == circle},
                held=dict(self._held.get(circle, {})),
            )
            for circle, blob in self._circles.items()
        )
        return Stored(circles=circles, settings=dict(self._settings), ages=self._ages)

    async def owed(
        self, circle: CircleId, member: MemberId, *, after: int, limit: int
    ) -> tuple[OwedRow, ...]:
        await self._look()
        rows = self._owed.get((circle, member), {})
        return tuple(rows[seq] for seq in sorted(rows) if seq > after)[:limit]

    async def entries(
        self,
        circle: CircleId,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int,
        newest: bool = False,
    ) -> tuple[EntryRow, ...]:
        await self._look()
        rows = [
            row
            for row in self._rows(circle)
            if row.position > after and (before is None or row.position < before)
        ]
        return tuple(rows[max(0, len(rows) - limit) :] if newest else rows[:limit])

    async def entry(self, circle: CircleId, mid: MessageId) -> StoredEntry | None:
        await self._look()
        stored = self._entries.get((circle, mid))
        if stored is None or stored.row.kind == "forgotten":
            return None
        return evolve(stored, row=self._timed(circle, stored.row))

    async def rows(
        self, circle: CircleId, mids: Sequence[MessageId]
    ) -> Mapping[MessageId, EntryRow]:
        await self._look()
        found = {row.mid: row for row in self._rows(circle)}
        return {mid: found[mid] for mid in mids if mid in found}

    async def operation_times(self, circle: CircleId) -> Mapping[OperationId, WallTime]:
        await self._look()
        acts = [row for row in self._rows(circle) if row.kind in ACTS]
        return {OperationId(bytes.fromhex(row.text)): row.received_at for row in reversed(acts)}

    async def ids_by_author(
        self,
        circle: CircleId,
        author: MemberId,
        audience: Audience,
        *,
        after: int,
        limit: int,
    ) -> tuple[tuple[int, MessageId], ...]:
        await self._look()
        found = [
            (row.author_seq, row.position, row.mid)
            for row in self._rows(circle)
            if (row.author, row.audience) == (author, audience) and row.author_seq > after
        ]
        return tuple((seq, mid) for seq, _position, mid in sorted(found))[:limit]

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
        await self._look()
        wanted = [
            row
            for row in self._rows(circle)
            if row.kind not in ("gap", "retracted", "forgotten")
            and self._entries[circle, row.mid].key
            and row.position > after
            and (row.mid in mids or any(_is_in(row, one) for one in ranges))
        ]
        found: list[FoundEntry] = []
        for row in wanted[:limit]:
            stored = self._entries[circle, row.mid]
            if found and sum(len(one.common) for one in found) + len(stored.common) > most:
                break
            one = FoundEntry(row.author, row.mid, stored.key, stored.common, row.passed_on_by)
            found.append(one)
        upto = wanted[len(found) - 1].position if found else after
        return FoundEntries(tuple(found), has_more=len(found) < len(wanted), upto=upto)

    async def stories(
        self, circle: CircleId, author: MemberId, audience: Audience, seq: int
    ) -> tuple[Story, ...]:
        await self._look()
        return tuple(
            Story(row.mid, row.passed_on_by)
            for row in self._rows(circle)
            if (row.author, row.audience, row.author_seq) == (author, audience, seq)
            and row.kind != "gap"
        )

    async def deliveries(
        self, circle: CircleId, mid: MessageId | None, *, limit: int
    ) -> tuple[DeliveryRow, ...]:
        await self._look()
        ours = [
            stored
            for (of, key), stored in self._entries.items()
            if of == circle and stored.row.is_mine and mid in (None, key)
        ]
        ours.sort(key=lambda stored: stored.row.position)
        return tuple(
            self._delivery(circle, stored.row.mid, member)
            for stored in ours[max(0, len(ours) - limit) :]
            for member in stored.recipients
        )

    async def search(
        self, circle: CircleId | None, query: str, *, limit: int
    ) -> tuple[EntryRow, ...]:
        await self._look()
        groups = asked_words(query)
        found = [
            row
            for row in self._rows(circle)
            if groups and row.kind != "edit" and _answers(row.text, groups)
        ]
        return tuple(reversed(found))[:limit]

    async def attachments(
        self, circle: CircleId, mids: Sequence[MessageId]
    ) -> dict[MessageId, AttachmentRow]:
        await self._look()
        wanted = [(mid, self._files.get((circle, mid))) for mid in mids]
        return {
            mid: AttachmentRow(
                mid,
                facts.file,
                facts.key,
                facts.size,
                facts.medium,
                len(self._chunks.get((circle, facts.file), {})),
                self._whole.get((circle, mid)),
            )
            for mid, facts in wanted
            if facts is not None
        }

    async def chunks(
        self, circle: CircleId, file: FileId, places: Sequence[int]
    ) -> tuple[ChunkRow, ...]:
        await self._look()
        kept = self._chunks.get((circle, file), {})
        return tuple(kept[place] for place in sorted(set(places)) if place in kept)

    async def chunk_places(self, circle: CircleId, file: FileId) -> tuple[int, ...]:
        await self._look()
        return tuple(sorted(self._chunks.get((circle, file), {})))

    async def chunk_count(self, circle: CircleId | None) -> int:
        await self._look()
        return sum(len(kept) for (of, _), kept in self._chunks.items() if circle in (None, of))

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[MemorySnapshot]:
        self._require_open()
        yield MemorySnapshot(tuple(self._everything()))

    def _everything(self) -> Iterator[Write]:
        yield from (PutSetting(name, value) for name, value in self._settings.items())
        for circle, blob in self._circles.items():
            yield PutCircle(circle, blob)
            if circle in self._logs:
                yield PutLog(circle, self._logs[circle])
            yield from (PutPair(c, m, one) for (c, m), one in self._pairs.items() if c == circle)
            yield from (PutHeld(circle, m, one) for m, one in self._held.get(circle, {}).items())
            gone = {mid for of, mid in self._forgotten if of == circle}
            gone |= {
                mid
                for (of, mid), one in self._entries.items()
                if of == circle and one.row.kind == "forgotten"
            }
            if gone:
                yield PutForgotten(circle, tuple(sorted(gone)))
        yield PutAges(self._ages)
        for (circle, mid), stored in sorted(
            self._entries.items(), key=lambda one: one[1].row.position
        ):
            if stored.row.kind != "forgotten":
                yield self._kept(circle, mid, stored)
        yield from self._files.values()
        for (circle, member), rows in self._owed.items():
            for row in rows.values():
                yield PutOwed(circle, member, row.seq, row.mid, row.item, row.frame)

    def _kept(self, circle: CircleId, mid: MessageId, stored: StoredEntry) -> KeptEntry:
        row, (ttl, came, shown) = stored.row, self._times[circle, mid]
        entry = PutEntry(
            circle=circle,
            mid=mid,
            author=row.author,
            audience=row.audience,
            author_seq=row.author_seq,
            kind=row.kind,
            text=row.text,
            sent_at=row.sent_at,
            received_at=row.received_at,
            is_mine=row.is_mine,
            notes=row.notes,
            key=stored.key,
            common=stored.common,
            recipients=stored.recipients,
            passed_on_by=row.passed_on_by,
            parents=stored.parents,
            reply=row.reply,
            ttl=ttl,
            previous=self._previous.get((circle, mid)),
        )
        given_up = (m for c, m, one in self._undelivered if (c, one) == (circle, mid))
        return KeptEntry(entry, came, shown, tuple(sorted(given_up)))

    def _put_kept_entry(self, write: KeptEntry) -> None:
        entry = write.entry
        self._put_entry(entry)
        key = (entry.circle, entry.mid)
        if key in self._entries:
            self._times[key] = (entry.ttl, write.came, write.shown)
            row = evolve(self._entries[key].row, is_shown=write.shown is not None)
            self._entries[key] = evolve(self._entries[key], row=row)
        self._undelivered |= {(entry.circle, member, entry.mid) for member in write.undelivered}

    async def aclose(self) -> None:
        self._is_closed = True

    def _require_open(self) -> None:
        if self._is_closed:
            raise VaultClosed("the vault is closed")

    async def _look(self) -> None:
        await trio.lowlevel.checkpoint()
        self._require_open()

    def _rows(self, circle: CircleId | None) -> list[EntryRow]:
        rows = [
            self._timed(of, stored.row)
            for (of, _mid), stored in self._entries.items()
            if circle in (None, of) and stored.row.kind != "forgotten"
        ]
        return sorted(rows, key=lambda row: row.position)

    def _timed(self, circle: CircleId, row: EntryRow) -> EntryRow:
        ttl, _came, shown = self._times[circle, row.mid]
        left = None if shown is None or not ttl else max(0, shown + ttl - self._ages.seen)
        return evolve(row, stays=ttl, left=left)

    def _delivery(self, circle: CircleId, mid: MessageId, member: MemberId) -> DeliveryRow:
        owed = [row for row in self._owed.get((circle, member), {}).values() if row.mid == mid]
        if owed:
            return DeliveryRow(mid, member, "at_relay" if owed[-1].boot else "sealed")
        given_up = (circle, member, mid) in self._undelivered
        return DeliveryRow(mid, member, "undelivered" if given_up else "delivered")

    def _apply(self, write: Write) -> None:
        match write:
            case PutCircle(circle, blob):
                self._circles[circle] = blob
            case PutLog(circle, blob):
                self._logs[circle] = blob
            case PutPair(circle, member, blob):
                self._pairs[circle, member] = blob
            case PutHeld(circle, mid, blob):
                self._held.setdefault(circle, {})[mid] = blob
            case DropHeld(circle, mid):
                self._held.get(circle, {}).pop(mid, None)
            case PutSetting(name, value):
                self._settings[name] = value
            case PutEntry():
                self._put_entry(write)
            case KeptEntry():
                self._put_kept_entry(write)
            case PutForgotten(circle, mids):
                self._forgotten |= {(circle, mid) for mid in mids}
            case ConfirmEntries(circle, mid):
                self._confirm(circle, mid)
            case DropEntry(circle, mid):
                self._entries.pop((circle, mid), None)
                self._times.pop((circle, mid), None)
                self._ending.discard((circle, mid))
            case MarkShown():
                self._mark_shown(write)
            case PutAges(ages):
                self._forget(ages)
            case DropCircle(circle):
                self._drop_circle(circle)
            case PutAttachment(circle, mid):
                if not self._is_erased(circle, mid):
                    self._files[circle, mid] = write
                    self._whole.pop((circle, mid), None)
            case MarkAttachment(circle, mid, is_whole):
                if (circle, mid) in self._files:
                    self._whole[circle, mid] = is_whole
            case PutChunk(circle, file, place, proof, sealed):
                kept = self._chunks.setdefault((circle, file), {})
                kept.setdefault(place, ChunkRow(place, proof, sealed))
            case DropAttachment(circle, mid):
                self._drop_attachment(write)
            case DropStrayChunks():
                named = {(circle, facts.file) for (circle, _), facts in self._files.items()}
                self._chunks = {key: kept for key, kept in self._chunks.items() if key in named}
            case UnsayOwed():
                self._unsay(write)
            case _:
                self._apply_owed(write)

    def _unsay(self, write: UnsayOwed) -> None:
        for (circle, member), rows in self._owed.items():
            for seq, row in list(rows.items()):
                if circle == write.circle and row.mid == write.mid and has_never_left(row.item):
                    rows[seq] = evolve(row, mid=None, item=write.item, frame=Frame(b""))
                    self._undelivered.add((circle, member, write.mid))
        self._erase_delivered()

    def _apply_owed(self, write: PutOwed | MarkAtRelay | DropOwed | GiveUpOwed) -> None:
        rows = self._owed.setdefault((write.circle, write.member), {})
        match write:
            case PutOwed(circle, member, seq, mid, item, frame):
                rows[seq] = OwedRow(seq, mid, item, frame, b"")
                if mid is not None:
                    self._undelivered.discard((circle, member, mid))
            case MarkAtRelay(seqs=seqs, boot=boot):
                for seq in seqs:
                    if seq in rows:
                        rows[seq] = evolve(rows[seq], boot=marked(rows[seq].boot, boot))
            case DropOwed(through=through, beyond=beyond):
                for seq in [seq for seq in rows if seq <= through or seq in beyond]:
                    del rows[seq]
            case GiveUpOwed(circle, member):
                for row in rows.values():
                    if row.mid is not None:
                        self._undelivered.add((circle, member, row.mid))
                rows.clear()
        self._erase_delivered()

    def _is_erased(self, circle: CircleId, mid: MessageId) -> bool:
        stored = self._entries.get((circle, mid))
        is_here = stored is not None and stored.row.kind in ("retracted", "forgotten")
        return is_here or (circle, mid) in self._forgotten

    def _put_entry(self, write: PutEntry) -> None:
        before = self._entries.get((write.circle, write.mid))
        if self._is_erased(write.circle, write.mid):
            return
        if before is None:
            self._last_position += 1
        row = EntryRow(
            position=self._last_position if before is None else before.row.position,
            mid=write.mid,
            author=write.author,
            audience=write.audience,
            author_seq=write.author_seq,
            kind=write.kind,
            text=write.text,
            sent_at=write.sent_at,
            received_at=write.received_at,
            is_mine=write.is_mine,
            notes=write.notes,
            passed_on_by=write.passed_on_by,
            reply=write.reply,
            is_shown=write.is_mine if before is None else before.row.is_shown,
        )
        if before is not None and before.row.is_edited:
            row = evolve(before.row, passed_on_by=write.passed_on_by)
        if before is None:
            shown = self._ages.seen if write.is_mine else None
            self._times[write.circle, write.mid] = (write.ttl, self._ages.unseen, shown)
        else:
            _ttl, came, shown = self._times[write.circle, write.mid]
            self._times[write.circle, write.mid] = (write.ttl, came, shown)
        self._entries[write.circle, write.mid] = StoredEntry(
            row, write.key, write.common, write.recipients, write.parents
        )
        self._previous.pop((write.circle, write.mid), None)
        if write.previous is not None:
            self._previous[write.circle, write.mid] = write.previous
        about = write.kind in ("edit", "retraction")
        self._settle(write.circle, write.reply if about else write.mid)

    def _confirm(self, circle: CircleId, mid: MessageId | None) -> None:
        while mid is not None and (stored := self._entries.get((circle, mid))) is not None:
            if stored.row.passed_on_by is None:
                return
            row = evolve(stored.row, passed_on_by=None)
            self._entries[circle, mid] = evolve(stored, row=row)
            mid = self._previous.get((circle, mid))

    def _mark_shown(self, write: MarkShown) -> None:
        for mid in write.mids:
            stored = self._entries.get((write.circle, mid))
            if stored is not None and not stored.row.is_shown:
                ttl, came, _ = self._times[write.circle, mid]
                self._times[write.circle, mid] = (ttl, came, self._ages.seen)
                row = evolve(stored.row, is_shown=True)
                self._entries[write.circle, mid] = evolve(stored, row=row)

    def _forget(self, ages: Ages) -> None:
        self._ages = ages
        over = [
            key
            for key, (ttl, came, shown) in self._times.items()
            if key in self._entries and is_over(ages, ttl=ttl, came=came, shown=shown)
        ]
        waiting = [
            key
            for key in over
            if self._entries[key].row.kind == "retraction"
            and (key[0], self._entries[key].row.reply) not in self._entries
            and (key[0], self._entries[key].row.reply) not in self._forgotten
        ]
        for key in over:
            row = self._entries[key].row
            if key not in waiting and row.kind != "forgotten":
                self._erase(key[0], evolve(row, kind="forgotten", reply=None))

    def _settle(self, circle: CircleId, target: MessageId | None) -> None:
        stored = self._entries.get((circle, target or MessageId(b"")))
        if stored is None or stored.row.kind not in (
            "text",
            "request",
            "attachment",
            "retracted",
        ):
            return
        row = stored.row
        changes = [
            one.row
            for (of, _), one in self._entries.items()
            if of == circle
            and one.row.reply == target
            and one.row.kind in ("edit", "retraction")
            and (one.row.author, one.row.audience) == (row.author, row.audience)
        ]
        if any(one.kind == "retraction" for one in changes):
            self._erase(circle, evolve(row, kind="retracted", is_edited=False))
            for one in changes:
                if one.kind == "edit":
                    self._erase(circle, one)
        elif changes:
            last = max(changes, key=lambda one: (one.author_seq, one.mid))
            edited = evolve(row, text=last.text, notes=last.notes, is_edited=True)
            self._entries[circle, row.mid] = evolve(stored, row=edited)

    def _erase(self, circle: CircleId, row: EntryRow) -> None:
        """Without the envelope: what is owed keeps a copy of its own here."""
        stored = self._entries[circle, row.mid]
        erased = evolve(row, text="", notes=())
        self._entries[circle, row.mid] = evolve(stored, row=erased)
        self._ending.add((circle, row.mid))
        self._drop_attachment(DropAttachment(circle, row.mid))
        self._erase_delivered()

    def _erase_delivered(self) -> None:
        owed = {(key[0], row.mid) for key, rows in self._owed.items() for row in rows.values()}
        for circle, mid in [one for one in self._ending if one not in owed]:
            self._ending.discard((circle, mid))
            stored = self._entries.get((circle, mid))
            if stored is not None:
                self._entries[circle, mid] = evolve(stored, key=b"", common=b"")
                if stored.row.kind == "forgotten":
                    del self._entries[circle, mid], self._times[circle, mid]
                    self._forgotten.add((circle, mid))

    def _drop_attachment(self, write: DropAttachment) -> None:
        key = (write.circle, write.mid)
        facts = self._files.get(key)
        if facts is None:
            return
        self._whole.pop(key, None)
        named = {(of, f.file) for (of, mid), f in self._files.items() if (of, mid) != key}
        if (write.circle, facts.file) not in named:
            self._chunks.pop((write.circle, facts.file), None)
        if not write.keeps_facts:
            del self._files[key]

    def _drop_circle(self, circle: CircleId) -> None:
        self._files = {key: one for key, one in self._files.items() if key[0] != circle}
        self._whole = {key: one for key, one in self._whole.items() if key[0] != circle}
        self._chunks = {key: one for key, one in self._chunks.items() if key[0] != circle}
        self._circles.pop(circle, None)
        self._logs.pop(circle, None)
        self._held.pop(circle, None)
        self._pairs = {key: pair for key, pair in self._pairs.items() if key[0] != circle}
        self._owed = {key: rows for key, rows in self._owed.items() if key[0] != circle}
        self._entries = {key: one for key, one in self._entries.items() if key[0] != circle}
        self._times = {key: one for key, one in self._times.items() if key[0] != circle}
        self._forgotten = {key for key in self._forgotten if key[0] != circle}
        self._ending = {key for key in self._ending if key[0] != circle}
        self._undelivered = {key for key in self._undelivered if key[0] != circle}


def _is_in(row: EntryRow, one: Range) -> bool:
    is_of = (row.author, row.audience) == (one.author, one.audience)
    return is_of and one.first <= row.author_seq <= one.last


def _answers(text: str, groups: tuple[tuple[str, ...], ...]) -> bool:
    words = normalise_text(text).split()
    return all(any(word.startswith(group) for word in words) for group in groups)
