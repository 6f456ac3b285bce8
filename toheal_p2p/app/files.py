"""Pictures and voice notes, for the doors: attached, shown, and what belongs to fetching them.

Docs: docs/protocol/attachments.md, sections 6 and 7; docs/command-line.md, section 4.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import trio
from attrs import define, evolve, field, frozen

from toheal_p2p.adapters.media import clean_file
from toheal_p2p.adapters.media.refusing import Uncleanable
from toheal_p2p.app.answers import answered_in
from toheal_p2p.app.file_fetching import Fetching
from toheal_p2p.app.file_progress import attachment_view
from toheal_p2p.app.file_reading import read_file
from toheal_p2p.app.interface import EntryView
from toheal_p2p.app.progress_view import ProgressView, Report
from toheal_p2p.app.refusals import FACTS, Refused
from toheal_p2p.app.running import RunningCircle, decide, require_audience
from toheal_p2p.ports.vault import AttachmentRow
from toheal_protocol.machines import events as machine
from toheal_protocol.machines import file_effects as files
from toheal_protocol.machines.records import DropStrayChunks, MarkAttachment, PutChunk
from toheal_protocol.messages.attachment import MAX_ABOUT_SIZE, AttachmentBody, Medium
from toheal_protocol.messages.bodies import CONTENT_NOTES
from toheal_protocol.messages.file_chunks import (
    FILE_KEY_SIZE,
    MAX_FILE_SIZE,
    FileKey,
    SealedFile,
    chunk_count,
    seal_file,
)
from toheal_protocol.model import Audience, CircleId, MessageId

WRITTEN_AT_ONCE: Final = 32
"""Chunks in one decision: words wait for half a megabyte at most."""

_LIMITS: Final = {
    "attachment_too_large": MAX_FILE_SIZE // (1024 * 1024),
    "attachment_too_many_pixels": 50,
}


@frozen
class _Said:
    """What is said of a file, and to whom."""

    medium: Medium
    about: str
    notes: Sequence[str]
    audience: Audience
    reply: MessageId | None


@define(eq=False)
class Files(Fetching):
    """The files of all circles. Fulfils `FilesInterface`.

    Attributes:
        clean: says what a file is and takes everything out that is not seen or heard.
    """

    clean: Callable[[bytes], Awaitable[tuple[Medium, bytes]]] = field(
        default=clean_file, kw_only=True
    )

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
            evolve(entry, attachment=attachment_view(rows[entry.id])) if entry.id in rows else entry
            for entry in entries
        ]

    # ---- attaching

    async def attach(
        self,
        circle: str,
        path: str,
        *,
        about: str,
        notes: Sequence[str],
        report: Report,
        to_facilitators: bool = False,
        reply: str | None = None,
    ) -> str:
        """Clean a file, seal it and announce it."""
        audience = _audience(to_facilitators=to_facilitators)
        _require_short(about)
        require_audience(self._app._find(circle), audience)
        content = await self._read(path)
        return await self.attach_content(
            circle,
            content,
            about=about,
            notes=notes,
            report=report,
            to_facilitators=to_facilitators,
            reply=reply,
        )

    async def attach_content(
        self,
        circle: str,
        content: bytes,
        *,
        about: str,
        notes: Sequence[str],
        report: Report,
        to_facilitators: bool = False,
        reply: str | None = None,
    ) -> str:
        """The same for bytes that are here already."""
        audience = _audience(to_facilitators=to_facilitators)
        _require_short(about)
        cold = self._app._find(circle).service.circle.cold
        answered = await answered_in(self._app.vault, cold.id, reply, audience)
        running = require_audience(self._app._find(circle), audience)
        await report(ProgressView("cleaning_file"))
        medium, cleaned = await self._cleaned(content)
        said = _Said(medium, about, notes, audience, answered)
        async with self._attaching:
            await self._require_room(running, chunk_count(len(cleaned)))
            await report(ProgressView("sealing_file"))
            try:
                return await self._announce(running, cleaned, said)
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

    async def _announce(self, running: RunningCircle, content: bytes, said: _Said) -> str:
        app, circle = self._app, running.service.circle.cold.id
        key = FileKey(app.entropy.draw(FILE_KEY_SIZE))
        sealed = await self.work(seal_file, content, key)
        assert isinstance(sealed, SealedFile)
        for first in range(0, len(sealed.chunks), WRITTEN_AT_ONCE):
            await self._keep(_puts(circle, sealed, first))
        require_audience(running, said.audience)  # the circle went on meanwhile
        body = AttachmentBody(
            file=sealed.id,
            key=key,
            size=len(content),
            media=int(said.medium),
            about=said.about.encode(errors="replace").decode(),
            sent_at=app.wall_clock(),
            notes=tuple(dict.fromkeys(note for note in said.notes if note in CONTENT_NOTES)),
        )
        with trio.CancelScope(shield=True):  # once it is announced, the person hears of it
            told = await decide(
                running, files.Attached(body, said.audience, said.reply), app.committer
            )
            mine = [e.entry.mid for e in told if isinstance(e, machine.Show) and e.entry.is_mine]
            await self._keep([MarkAttachment(circle, mine[-1], True)])
        return mine[-1].hex()


def _audience(*, to_facilitators: bool) -> Audience:
    return Audience.FACILITATORS if to_facilitators else Audience.CIRCLE


def _require_short(about: str) -> None:
    if len(about.encode(errors="replace")) > MAX_ABOUT_SIZE:
        raise Refused("text_too_long", limit=MAX_ABOUT_SIZE)


def _puts(circle: CircleId, sealed: SealedFile, first: int) -> list[PutChunk]:
    places = range(first, min(first + WRITTEN_AT_ONCE, len(sealed.chunks)))
    return [
        PutChunk(circle, sealed.id, place, sealed.proofs[place], sealed.chunks[place])
        for place in places
    ]
