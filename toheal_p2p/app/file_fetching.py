"""Fetching files and looking through what came.

Docs: docs/protocol/attachments.md, sections 4.2 and 5.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

import trio
from attrs import define, evolve, field

from toheal_p2p.adapters.media.sniffing import sniff
from toheal_p2p.app.file_progress import Said, attachment_view
from toheal_p2p.app.file_room import require_room
from toheal_p2p.app.files_interface import AttachmentView
from toheal_p2p.app.names import find_message
from toheal_p2p.app.progress_view import Report
from toheal_p2p.app.refusals import Refused
from toheal_p2p.app.running import RunningCircle, decide, require_active
from toheal_p2p.app.vault_refusals import refusal
from toheal_p2p.ports.vault import AttachmentRow, Vault
from toheal_p2p.services.committer import Committer, VaultFailed
from toheal_protocol.crypto import Entropy
from toheal_protocol.errors import RemoteError
from toheal_protocol.machines import file_effects as files
from toheal_protocol.machines.fetching import MAX_FETCHES
from toheal_protocol.machines.records import DropStrayChunks, MarkAttachment, Write
from toheal_protocol.machines.voice import is_silenced
from toheal_protocol.messages.file_chunks import chunk_count, open_file
from toheal_protocol.model import CircleId, MessageId, WallTime

LOOKED_AT: Final = 0.25
"""Seconds between two looks at how a fetch goes."""


class FilesOwner(Protocol):
    """What files need of the application."""

    home: Path
    vault: Vault
    committer: Committer
    entropy: Entropy
    wall_clock: Callable[[], WallTime]

    def _find(self, circle: str) -> RunningCircle: ...


@define(eq=False)
class Fetching:
    """The half of `Files` that belongs to readers.

    Attributes:
        work: runs what takes longer than a blink beside the loop.
    """

    _app: FilesOwner
    work: Callable[..., Awaitable[object]] = field(default=trio.to_thread.run_sync, kw_only=True)
    _attaching: trio.Lock = field(factory=trio.Lock, init=False)
    _waiting: Counter[tuple[CircleId, MessageId]] = field(factory=Counter, init=False)

    async def fetch(self, circle: str, message: str, *, report: Report) -> AttachmentView:
        """Fetch a message's file, from whoever has it."""
        running = require_active(self._app._find(circle))
        row = await self._row(running, message)
        count = chunk_count(row.size)
        if row.chunks < count:
            await self._require_room(running, count - row.chunks)
            await self._pull(running, row, report)
        return attachment_view(await self._checked(running, row.mid))

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
        if not entry.row.is_mine and is_silenced(author, entry.row.audience, entry.row.author_seq):
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
        said = entry.row
        running.service.take(
            files.FetchAsked(row.mid, row.file, row.size, said.author, have, said.audience)
        )

    async def _wait(self, running: RunningCircle, row: AttachmentRow, report: Report) -> None:
        """Wait until all is here, and say how it goes."""
        service, said = running.service, Said(report)
        while (fetch := service.circle.live.fetches.get(row.mid)) is not None and fetch.missing:
            await said.tell(running, fetch)
            await trio.sleep(LOOKED_AT)
            if not await self._app.vault.attachments(service.circle.cold.id, [row.mid]):
                raise await self._forgotten(running, row.mid)
        if fetch is None:  # we are not in any more
            require_active(running)
            raise Refused("no_attachment")

    async def _forgotten(self, running: RunningCircle, mid: MessageId) -> Refused:
        """Stop: the message is gone from this device, and so must be what came since."""
        running.service.take(files.FetchStopped(mid))
        async with self._attaching:  # what is being attached is not named by a message yet
            await self._keep([DropStrayChunks()])
        return Refused("no_attachment")

    # ---- looking through

    async def _checked(self, running: RunningCircle, mid: MessageId) -> AttachmentRow:
        """Return a file that is whole. What its author announced and did not seal is refused."""
        circle = running.service.circle.cold.id
        row = (await self._app.vault.attachments(circle, [mid])).get(mid)
        if row is None:
            raise await self._forgotten(running, mid)
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

    # ---- inside

    async def _require_room(self, running: RunningCircle, chunks: int) -> None:
        circle = running.service.circle.cold.id
        await require_room(self._app.vault, self._app.home, circle, chunks=chunks)

    async def _keep(self, writes: Sequence[Write]) -> None:
        try:
            self._app.committer.submit(writes)
            await self._app.committer.flushed()
        except VaultFailed as failed:
            raise refusal(failed.reason) from None


def _open(chunks: Sequence[bytes], row: AttachmentRow) -> bytes | None:
    """Open a file; None where it is not what its author announced."""
    try:
        content = open_file(chunks, row.key, size=row.size)
    except RemoteError:
        return None
    return content if sniff(content) == row.medium else None
