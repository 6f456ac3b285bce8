"""Pictures and voice notes, for the doors: attached, fetched, written out, and room given back.

Docs: docs/protocol/attachments.md, sections 5 to 7; docs/command-line.md, section 4.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

import trio
from attrs import define, evolve, field

from toheal_p2p.adapters.media import clean_file
from toheal_p2p.adapters.media.refusing import Uncleanable
from toheal_p2p.adapters.media.sniffing import sniff
from toheal_p2p.app.file_reading import free_room, read_file
from toheal_p2p.app.files_interface import AttachmentView, ProgressView, Report
from toheal_p2p.app.interface import EntryView
from toheal_p2p.app.names import find_message
from toheal_p2p.app.refusals import FACTS, Refused
from toheal_p2p.app.running import RunningCircle, decide, require_active, require_voice
from toheal_p2p.app.showing import name_of
from toheal_p2p.app.vault_refusals import refusal
from toheal_p2p.app.vocabulary import AttachmentState
from toheal_p2p.ports.vault import AttachmentRow, Vault
from toheal_p2p.services.committer import Committer, VaultFailed
from toheal_protocol.crypto import Entropy
from toheal_protocol.errors import RemoteError
from toheal_protocol.machines import events as machine
from toheal_protocol.machines import file_effects as files
from toheal_protocol.machines.fetch_state import Fetch
from toheal_protocol.machines.fetching import MAX_FETCHES
from toheal_protocol.machines.records import DropStrayChunks, MarkAttachment, PutChunk, Write
from toheal_protocol.machines.voice import is_silenced
from toheal_protocol.messages.attachment import (
    MAX_ABOUT_SIZE,
    MEDIA_TYPES,
    AttachmentBody,
    Medium,
)
from toheal_protocol.messages.bodies import CONTENT_NOTES
from toheal_protocol.messages.file_chunks import (
    CHUNK_SIZE,
    FILE_KEY_SIZE,
    MAX_FILE_SIZE,
    FileKey,
    SealedFile,
    chunk_count,
    open_file,
    seal_file,
)
from toheal_protocol.model import CircleId, MessageId, WallTime

CIRCLE_MOST: Final = 500_000_000
"""Bytes of chunks kept in one circle: fifty of the largest files."""

ALL_MOST: Final = 2_000_000_000
"""Bytes of chunks kept in all circles together."""

LEFT_FREE: Final = 64_000_000
"""Bytes that stay free on the disk: words must always find room."""

WRITTEN_AT_ONCE: Final = 32
"""Chunks in one decision: words wait for half a megabyte at most."""

LOOKED_AT: Final = 0.25
"""Seconds between two looks at how a fetch goes."""

_MEGABYTE: Final = 1_000_000
_LIMITS: Final = {
    "attachment_too_large": MAX_FILE_SIZE // (1024 * 1024),
    "attachment_too_many_pixels": 50,
}


class _App(Protocol):
    """What this needs of the application."""

    home: Path
    vault: Vault
    committer: Committer
    entropy: Entropy
    wall_clock: Callable[[], WallTime]

    def _find(self, circle: str) -> RunningCircle: ...


@define(eq=False)
class Files:
    """The files of all circles. Fulfils `FilesInterface`.

    Attributes:
        clean: says what a file is and takes everything out that is not seen or heard.
        work: runs what takes longer than a blink beside the loop.
    """

    _app: _App
    clean: Callable[[bytes], Awaitable[tuple[Medium, bytes]]] = clean_file
    work: Callable[..., Awaitable[object]] = trio.to_thread.run_sync
    _attaching: trio.Lock = field(factory=trio.Lock, init=False)
    _waiting: Counter[tuple[CircleId, MessageId]] = field(factory=Counter, init=False)

    async def begin(self) -> None:
        """Forget what an interrupted run has left."""
        await self._keep([DropStrayChunks()])

    async def shown(self, entries: Sequence[EntryView]) -> list[EntryView]:
        """Say of each entry with a file what it is and how much of it is here."""
        by_circle: dict[str, list[str]] = {}
        for entry in entries:
            if entry.kind == "attachment":
                by_circle.setdefault(entry.circle, []).append(entry.id)
        rows: dict[str, AttachmentRow] = {}
        for circle, ids in by_circle.items():
            mids = [MessageId(bytes.fromhex(one)) for one in ids]
            found = await self._app.vault.attachments(CircleId(bytes.fromhex(circle)), mids)
            rows.update({mid.hex(): row for mid, row in found.items()})
        return [
            evolve(entry, attachment=_view(rows[entry.id])) if entry.id in rows else entry
            for entry in entries
        ]

    # ---- attaching

    async def attach(
        self, circle: str, path: str, *, about: str, notes: Sequence[str], report: Report
    ) -> str:
        """Clean a file, seal it and announce it."""
        running = require_voice(self._app._find(circle))
        if len(about.encode(errors="replace")) > MAX_ABOUT_SIZE:
            raise Refused("text_too_long", limit=MAX_ABOUT_SIZE)
        content = await self._read(path)
        await report(ProgressView("cleaning_file"))
        medium, cleaned = await self._cleaned(content)
        async with self._attaching:
            await self._require_room(running, chunk_count(len(cleaned)))
            await report(ProgressView("sealing_file"))
            try:
                return await self._announce(running, cleaned, medium, about=about, notes=notes)
            except Refused:
                await self._keep([DropStrayChunks()])
                raise

    async def _read(self, path: str) -> bytes:
        content = await self.work(read_file, path)
        assert isinstance(content, bytes)
        return content

    async def _cleaned(self, content: bytes) -> tuple[Medium, bytes]:
        try:
            return await self.clean(content)
        except Uncleanable as error:
            facts = {"limit": _LIMITS[error.reason]} if error.reason in FACTS else {}
            raise Refused(error.reason, **facts) from None

    async def _announce(
        self,
        running: RunningCircle,
        content: bytes,
        medium: Medium,
        *,
        about: str,
        notes: Sequence[str],
    ) -> str:
        app, circle = self._app, running.service.circle.cold.id
        key = FileKey(app.entropy.draw(FILE_KEY_SIZE))
        sealed = await self.work(seal_file, content, key)
        assert isinstance(sealed, SealedFile)
        for first in range(0, len(sealed.chunks), WRITTEN_AT_ONCE):
            await self._keep(_puts(circle, sealed, first))
        require_voice(running)  # the circle went on meanwhile
        body = AttachmentBody(
            file=sealed.id,
            key=key,
            size=len(content),
            media=int(medium),
            about=about.encode(errors="replace").decode(),
            sent_at=app.wall_clock(),
            notes=tuple(dict.fromkeys(note for note in notes if note in CONTENT_NOTES)),
        )
        with trio.CancelScope(shield=True):  # once it is announced, the person hears of it
            told = await decide(running, files.Attached(body), app.committer)
            mine = [e.entry.mid for e in told if isinstance(e, machine.Show) and e.entry.is_mine]
            await self._keep([MarkAttachment(circle, mine[-1], True)])
        return mine[-1].hex()

    # ---- fetching

    async def fetch(self, circle: str, message: str, *, report: Report) -> AttachmentView:
        """Fetch a message's file, from whoever has it."""
        running = require_active(self._app._find(circle))
        row = await self._row(running, message)
        count = chunk_count(row.size)
        if row.chunks < count:
            await self._require_room(running, count - row.chunks)
            await self._pull(running, row, report)
        return _view(await self._checked(running, row.mid))

    async def content(self, circle: str, message: str) -> bytes:
        """Return a file that is here."""
        running = self._app._find(circle)
        row = await self._row(running, message)
        if row.chunks < chunk_count(row.size):
            raise Refused("attachment_not_here")
        content = await self._opened(running, row)
        if content is None:
            raise Refused("attachment_damaged")
        return content

    async def drop(self, circle: str, message: str) -> None:
        """Give the room back that a file takes."""
        running = self._app._find(circle)
        row = await self._row(running, message)
        await decide(running, files.AttachmentDropped(row.mid), self._app.committer)

    async def _row(self, running: RunningCircle, message: str) -> AttachmentRow:
        """Return the file of a message whose words count."""
        cold = running.service.circle.cold
        mid = await find_message(self._app.vault, cold.id, message)
        entry = await self._app.vault.entry(cold.id, mid)
        found = await self._app.vault.attachments(cold.id, [mid])
        if entry is None or mid not in found:
            raise Refused("no_attachment")
        author = cold.peers.get(entry.row.author)
        if not entry.row.is_mine and is_silenced(author, entry.row.author_seq):
            raise Refused("no_attachment")
        return found[mid]

    async def _pull(self, running: RunningCircle, row: AttachmentRow, report: Report) -> None:
        service, key = running.service, (running.service.circle.cold.id, row.mid)
        if row.mid not in service.circle.live.fetches:
            if len(service.circle.live.fetches) >= MAX_FETCHES:
                raise Refused("attachments_busy", limit=MAX_FETCHES)
            await self._begin_fetch(running, row)
        self._waiting[key] += 1
        try:
            await self._wait(running, row, report)
        finally:
            self._waiting[key] -= 1
            if not self._waiting[key]:
                service.take(files.FetchStopped(row.mid))
        await self._keep([])

    async def _begin_fetch(self, running: RunningCircle, row: AttachmentRow) -> None:
        circle = running.service.circle.cold.id
        entry = await self._app.vault.entry(circle, row.mid)
        places = await self._app.vault.chunk_places(circle, row.file)
        if entry is None:
            raise Refused("no_attachment")
        have = sum(1 << place for place in places)
        running.service.take(files.FetchAsked(row.mid, row.file, row.size, entry.row.author, have))

    async def _wait(self, running: RunningCircle, row: AttachmentRow, report: Report) -> None:
        """Wait until all is here, and say how it goes."""
        service, said = running.service, _Said(report)
        while (fetch := service.circle.live.fetches.get(row.mid)) is not None and fetch.missing:
            await said.tell(running, fetch)
            await trio.sleep(LOOKED_AT)
        if fetch is None:  # we are not in any more, or the file was forgotten meanwhile
            require_active(running)
            raise Refused("no_attachment")

    # ---- looking through

    async def _checked(self, running: RunningCircle, mid: MessageId) -> AttachmentRow:
        """Return a file that is whole. What its author announced and did not seal is refused."""
        circle = running.service.circle.cold.id
        row = (await self._app.vault.attachments(circle, [mid])).get(mid)
        if row is None:
            raise Refused("no_attachment")
        if row.is_whole is None:
            is_whole = await self._opened(running, row) is not None
            await self._keep([MarkAttachment(circle, mid, is_whole)])
            row = evolve(row, is_whole=is_whole)
        if not row.is_whole:
            raise Refused("attachment_damaged")
        return row

    async def _opened(self, running: RunningCircle, row: AttachmentRow) -> bytes | None:
        circle = running.service.circle.cold.id
        chunks = await self._app.vault.chunks(circle, row.file, range(chunk_count(row.size)))
        opened = await self.work(_open, [chunk.sealed for chunk in chunks], row)
        assert opened is None or isinstance(opened, bytes)
        return opened

    # ---- room

    async def _require_room(self, running: RunningCircle, chunks: int) -> None:
        circle, vault = running.service.circle.cold.id, self._app.vault
        for kept, most in (
            (await vault.chunk_count(circle), CIRCLE_MOST),
            (await vault.chunk_count(None), ALL_MOST),
        ):
            if (kept + chunks) * CHUNK_SIZE > most:
                raise Refused("attachments_full", limit=most // _MEGABYTE)
        if free_room(self._app.home) < chunks * CHUNK_SIZE * 2 + LEFT_FREE:
            raise Refused("disk_full")

    async def _keep(self, writes: Sequence[Write]) -> None:
        try:
            self._app.committer.submit(writes)
            await self._app.committer.flushed()
        except VaultFailed as failed:
            raise refusal(failed.reason) from None


@define(eq=False)
class _Said:
    """What was told of a fetch: each thing once, and of the percents every tenth."""

    report: Report
    _last: tuple[str, object] | None = field(default=None, init=False)
    _not_with: set[str] = field(factory=set, init=False)

    async def tell(self, running: RunningCircle, fetch: Fetch) -> None:
        cold, live = running.service.circle.cold, running.service.circle.live
        for member in sorted(fetch.lacking | fetch.liars):
            name = name_of(cold, member)
            if name not in self._not_with:
                self._not_with.add(name)
                await self.report(ProgressView("file_not_with", {"name": name}))
        if fetch.source is not None:
            percent = _percent(fetch.have.bit_count(), fetch.count)
            name = name_of(cold, fetch.source)
            view = ProgressView("fetching_file", {"percent": percent, "name": name})
            await self._once(("fetching", (percent // 10, name)), view)
        elif any(courier.has_link for courier in live.couriers.values()):
            await self._once(("nowhere", None), ProgressView("file_nowhere"))
        else:
            await self._once(("no link", None), ProgressView("file_no_link"))

    async def _once(self, what: tuple[str, object], view: ProgressView) -> None:
        if what != self._last:
            self._last = what
            await self.report(view)


def _puts(circle: CircleId, sealed: SealedFile, first: int) -> list[PutChunk]:
    places = range(first, min(first + WRITTEN_AT_ONCE, len(sealed.chunks)))
    return [
        PutChunk(circle, sealed.id, place, sealed.proofs[place], sealed.chunks[place])
        for place in places
    ]


def _open(chunks: Sequence[bytes], row: AttachmentRow) -> bytes | None:
    """Open a file; None where it is not what its author announced."""
    try:
        content = open_file(chunks, row.key, size=row.size)
    except RemoteError:
        return None
    return content if sniff(content) == row.medium else None


def _view(row: AttachmentRow) -> AttachmentView:
    count = chunk_count(row.size)
    percent = _percent(row.chunks, count)
    media_type = MEDIA_TYPES[Medium(row.medium)]
    if row.is_whole is False:
        return AttachmentView(media_type, row.size, "damaged", percent)
    state: AttachmentState = (
        "here" if row.chunks >= count else "partial" if row.chunks else "not_fetched"
    )
    return AttachmentView(media_type, row.size, state, percent)


def _percent(part: int, whole: int) -> int:
    return min(100, part * 100 // whole)
