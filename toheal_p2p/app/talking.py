"""What members say to each other, for the doors: saying, reading, and changing what was said.

Docs: docs/command-line.md, section 3; docs/protocol/circle.md, sections 7.1 to 7.3.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from typing import Final

from toheal_p2p.app import interface as views
from toheal_p2p.app import showing
from toheal_p2p.app.answers import answered_in, said_in
from toheal_p2p.app.files import Files
from toheal_p2p.app.names import find_message
from toheal_p2p.app.profile import require_text
from toheal_p2p.app.refusals import Refused
from toheal_p2p.app.running import (
    RunningCircle,
    require_active,
    require_audience,
    require_facilitators,
)
from toheal_p2p.app.vocabulary import DISAPPEAR_TIMES
from toheal_p2p.ports.vault import EntryRow, Vault
from toheal_p2p.services.committer import Committer, VaultFailed
from toheal_protocol.machines import events as machine
from toheal_protocol.machines.records import MarkShown
from toheal_protocol.messages.bodies import CONTENT_NOTES
from toheal_protocol.model import MAX_TEXT_SIZE, Audience

PAGE: Final = 200
"""Entries a follower reads at once."""

NEW_PAGES: Final = 25
"""So many pages are looked through for what is new: reading goes on from there."""

NEWEST_DELIVERIES: Final = 100
"""Rows of `deliveries` when no message is named."""

SEARCH_MOST: Final = 200
"""Entries a search returns."""


def require_time(seconds: int) -> int:
    """Return one of the times after which messages can disappear.

    Raises:
        Refused: disappear_unfit.
    """
    if seconds not in DISAPPEAR_TIMES.values():
        raise Refused("disappear_unfit")
    return seconds


class Talking:
    """What an application offers of this. It is part of `Application`, which has the circles."""

    vault: Vault
    committer: Committer
    files: Files

    def _find(self, circle: str) -> RunningCircle:
        raise NotImplementedError

    async def _decide(
        self, running: RunningCircle, event: machine.Event
    ) -> tuple[machine.Effect, ...]:
        raise NotImplementedError

    # ---- saying

    async def say(
        self,
        circle: str,
        text: str,
        *,
        notes: Sequence[str],
        to_facilitators: bool,
        reply: str | None = None,
    ) -> str:
        """Say something; returns the message's id once it is durable."""
        await self._find(circle).service.pace()
        audience = Audience.FACILITATORS if to_facilitators else Audience.CIRCLE
        cold = self._find(circle).service.circle.cold
        answered = await answered_in(self.vault, cold.id, reply, audience)

        def words() -> machine.Submitted:
            """Checked only now: from here on nothing waits until it is decided."""
            require_audience(self._find(circle), audience)
            require_text(text)
            known = tuple(dict.fromkeys(note for note in notes if note in CONTENT_NOTES))
            return machine.Submitted(text, known, audience, answered)

        return (await self._find(circle).together.say(words)).hex()

    async def request(self, circle: str, message: str, *, text: str) -> str:
        """Ask the facilitators to look at a message."""
        active = require_active(self._find(circle))
        about = await self._message(active, message)
        running = require_facilitators(active, beside=about.author)
        if len(text.encode(errors="replace")) > MAX_TEXT_SIZE:
            raise Refused("text_too_long", limit=MAX_TEXT_SIZE)
        return await self._write(running, machine.HelpAsked(about.mid, about.author, text))

    async def edit(self, circle: str, message: str, text: str) -> str:
        """Say a message of ours differently."""
        active = require_active(self._find(circle))
        require_text(text)
        row = await self._our_message(active, message)
        require_audience(active, row.audience)
        return await self._write(active, machine.Edited(row.mid, row.audience, text, row.notes))

    async def retract(self, circle: str, message: str) -> views.RetractionView:
        """Take a message of ours back."""
        running = require_active(self._find(circle))
        row = await self._our_message(running, message)
        await self._write(running, machine.Retracted(row.mid, row.audience, row.author_seq))
        sent = await self.vault.deliveries(running.service.circle.cold.id, row.mid, limit=1)
        delivered = sum(one.state == "delivered" for one in sent)
        under_way = sum(one.state in ("sealed", "at_relay") for one in sent)
        return views.RetractionView(row.mid.hex(), delivered, under_way)

    async def circle_disappear(self, circle: str, seconds: int) -> None:
        """Choose how long what we say from now on stays with its readers."""
        running = require_active(self._find(circle))
        await self._decide(running, machine.DisappearChosen(require_time(seconds)))

    # ---- reading

    async def read(
        self,
        circle: str,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int,
        newest: bool = False,
        with_hidden: bool = False,
    ) -> Sequence[views.EntryView]:
        """Return entries between two positions, oldest first; the first or the newest of them."""
        running = self._find(circle)
        cold = running.service.circle.cold
        await self._write_what_waits()
        rows = await self.vault.entries(
            cold.id, after=after, before=before, limit=limit, newest=newest
        )
        shown = await self._entries(running, rows, with_hidden=with_hidden)
        self._mark_shown(running, rows, shown)
        return shown

    async def entry(self, circle: str, message: str) -> views.EntryView:
        """Return one entry."""
        running = self._find(circle)
        cold = running.service.circle.cold
        mid = await find_message(self.vault, cold.id, message)
        row = (await self.vault.rows(cold.id, [mid])).get(mid)
        if row is None:
            raise Refused("no_such_message", name=message)
        shown = await self._entries(running, [row])
        self._mark_shown(running, [row], shown)
        return shown[0]

    async def first_new(self, circle: str) -> int | None:
        """Return where the entries begin that came after the last one that was shown."""
        cold = self._find(circle).service.circle.cold
        await self._write_what_waits()
        first: int | None = None
        for _ in range(NEW_PAGES):
            rows = await self.vault.entries(cold.id, before=first, limit=PAGE, newest=True)
            for row in reversed(rows):
                if row.is_shown:
                    return first
                first = row.position
            if len(rows) < PAGE:
                break
        return first

    async def follow(
        self, circle: str, *, after: int, with_hidden: bool = False
    ) -> AsyncGenerator[views.EntryView, None]:
        """Give every entry above `after`, and then each new one."""
        running = self._find(circle)
        while True:
            changed = running.changed
            rows = await self.vault.entries(running.service.circle.cold.id, after=after, limit=PAGE)
            shown = await self._entries(running, rows, with_hidden=with_hidden)
            given = 0
            try:
                for view in shown:
                    after, given = view.position, given + 1
                    yield view
            finally:
                self._mark_shown(running, rows[:given], shown[:given], may_wait=True)
            if len(rows) < PAGE:  # what came since this was read has set `changed`
                await changed.wait()

    async def deliveries(self, circle: str, message: str | None) -> Sequence[views.DeliveryView]:
        """Return where our message is per member."""
        running = self._find(circle)
        cold = running.service.circle.cold
        mid = None if message is None else await find_message(self.vault, cold.id, message)
        await self._write_what_waits()
        rows = await self.vault.deliveries(cold.id, mid, limit=NEWEST_DELIVERIES)
        return [showing.delivery_view(cold, row) for row in rows]

    async def search(self, circle: str, query: str) -> Sequence[views.EntryView]:
        """Return entries that hold every word of the query, newest first."""
        running = self._find(circle)
        rows = await self.vault.search(running.service.circle.cold.id, query, limit=SEARCH_MOST)
        shown = await self._entries(running, rows)
        self._mark_shown(running, rows, shown)
        return [view for view in shown if view.kind != "hidden"]

    # ---- inside

    async def _write_what_waits(self) -> None:
        """Let the vault know what we know; a disk that takes nothing more keeps nobody from asking."""
        with suppress(VaultFailed):
            await self.committer.settled()

    async def _write(self, running: RunningCircle, event: machine.Event) -> str:
        effects = await self._decide(running, event)
        mine = [e.entry.mid for e in effects if isinstance(e, machine.Show) and e.entry.is_mine]
        return mine[-1].hex()

    async def _message(self, running: RunningCircle, message: str) -> EntryRow:
        """Return something that was said and is not taken back."""
        return await said_in(self.vault, running.service.circle.cold.id, message)

    async def _our_message(self, running: RunningCircle, message: str) -> EntryRow:
        row = await self._message(running, message)
        if not row.is_mine:
            raise Refused("not_your_message")
        return row

    def _mark_shown(
        self,
        running: RunningCircle,
        rows: Sequence[EntryRow],
        shown: Sequence[views.EntryView],
        *,
        may_wait: bool = False,
    ) -> None:
        """Let the time run after which these disappear. After a crash they are shown anew.

        What is hidden was not read: its time begins when it is.
        """
        read = zip(rows, shown, strict=True)
        mids = tuple(row.mid for row, view in read if not row.is_shown and view.kind != "hidden")
        if mids:
            # a disk that takes nothing more keeps nobody from reading
            with suppress(VaultFailed):
                write = MarkShown(running.service.circle.cold.id, mids)
                self.committer.submit([write], may_wait=may_wait)

    async def _entries(
        self, running: RunningCircle, rows: Sequence[EntryRow], *, with_hidden: bool = False
    ) -> list[views.EntryView]:
        cold = running.service.circle.cold
        wanted = [row.reply for row in rows if row.reply is not None]
        about = await self.vault.rows(cold.id, wanted) if wanted else {}
        shown = [showing.entry_view(cold, row, about, with_hidden=with_hidden) for row in rows]
        return await self.files.shown(shown)
