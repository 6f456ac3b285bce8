"""How a fetch goes, told in the words of the doors: each thing once."""

from __future__ import annotations

from attrs import define, field

from toheal_p2p.app.files_interface import AttachmentView
from toheal_p2p.app.progress_view import ProgressView, Report
from toheal_p2p.app.running import RunningCircle
from toheal_p2p.app.showing import name_of
from toheal_p2p.app.vocabulary import AttachmentState
from toheal_p2p.ports.vault import AttachmentRow
from toheal_protocol.machines.fetch_state import Fetch
from toheal_protocol.messages.attachment import MEDIA_TYPES, Medium
from toheal_protocol.messages.file_chunks import chunk_count


@define(eq=False)
class Said:
    """What was told of a fetch: each thing once, and of the percents every tenth."""

    report: Report
    _last: tuple[str, object] | None = field(default=None, init=False)
    _not_with: set[str] = field(factory=set, init=False)
    _has_said_it_resumes: bool = field(default=False, init=False)

    async def tell(self, running: RunningCircle, fetch: Fetch) -> None:
        """Say what is new of a fetch."""
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
            if not self._has_said_it_resumes:
                self._has_said_it_resumes = True
                await self.report(ProgressView("file_resumes"))
        elif any(courier.has_link for courier in live.couriers.values()):
            await self._once(("nowhere", None), ProgressView("file_nowhere"))
        else:
            await self._once(("no link", None), ProgressView("file_no_link"))

    async def _once(self, what: tuple[str, object], view: ProgressView) -> None:
        if what != self._last:
            self._last = what
            await self.report(view)


def attachment_view(row: AttachmentRow) -> AttachmentView:
    """Show what a file is and how much of it is here."""
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
