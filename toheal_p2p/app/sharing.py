"""Consent to show words outside, for the doors. Without it others' words are exported by nothing here.

Docs: docs/command-line.md, section 3; docs/protocol/consent.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from toheal_p2p.app.names import find
from toheal_p2p.app.refusals import Refused
from toheal_p2p.app.running import RunningCircle, require_active
from toheal_p2p.app.share_view import ExportView, ShareView
from toheal_p2p.app.showing import name_of
from toheal_p2p.app.talking import Talking
from toheal_p2p.app.vocabulary import ShareState as State
from toheal_p2p.ports.vault import EntryRow
from toheal_protocol.errors import RemoteError
from toheal_protocol.machines import events as machine
from toheal_protocol.machines.shares import Share, ShareState
from toheal_protocol.machines.sharing import find_share, standing_receipt
from toheal_protocol.machines.state import Cold, Standing
from toheal_protocol.messages.consent import MAX_WHY_SIZE, encode_receipt
from toheal_protocol.model import WallTime

DAYS_MOST: Final = 90
"""Days a consent lasts at most (a test compares with the core's)."""

_STATES: Final[dict[ShareState, State]] = {
    ShareState.ASKED: "asked",
    ShareState.GRANTED: "granted",
    ShareState.REFUSED: "refused",
    ShareState.WITHDRAWN: "withdrawn",
}


class Sharing(Talking):
    """What an application offers of this. It is part of `Application`, which has the circles."""

    wall_clock: Callable[[], WallTime]

    async def share_ask(
        self,
        circle: str,
        message: str,
        *,
        excerpt: str | None,
        audience: str,
        purpose: str,
        days: int,
    ) -> ShareView:
        """Ask an author whether words may be shown outside."""
        running = require_active(self._find(circle))
        row = await self._message(running, message)
        if row.is_mine:
            raise Refused("share_own_words")
        words = row.text if excerpt is None else excerpt
        for why in (audience, purpose):
            _require_why(why)
        if not words.strip() or words not in row.text:
            raise Refused("share_other_words")
        peer = running.service.circle.cold.peers.get(row.author)
        if peer is None or peer.standing is not Standing.MEMBER:
            raise Refused("share_author_gone")
        not_after = WallTime(self.wall_clock() + min(max(days, 1), DAYS_MOST) * 24 * 3600 - 60)
        before = running.service.circle.cold.shares
        await self._decide(
            running,
            machine.ShareRequested(row.author, row.mid, words, audience, purpose, not_after),
        )
        cold = running.service.circle.cold
        made = [one for one in cold.shares if one not in before]
        if not made:
            raise Refused("share_too_many")
        return self._share_view(cold, made[-1])

    async def share_list(self, circle: str) -> Sequence[ShareView]:
        """Return what was asked, oldest first."""
        cold = self._find(circle).service.circle.cold
        return [self._share_view(cold, one) for one in cold.shares]

    async def share_answer(self, circle: str, share: str, *, yes: bool) -> ShareView:
        """Answer what we were asked. A yes is signed only under words that are ours."""
        running = require_active(self._find(circle))
        found = self._asked_of_us(running, share, ShareState.ASKED)
        if yes:
            rows = await self.vault.rows(running.service.circle.cold.id, [found.mid])
            _require_ours(rows.get(found.mid), found.excerpt)
        return await self._settle(running, found, machine.ShareAnswered(found.serial, yes))

    async def share_withdraw(self, circle: str, share: str) -> ShareView:
        """Take a yes of ours back."""
        running = require_active(self._find(circle))
        found = self._asked_of_us(running, share, ShareState.GRANTED)
        return await self._settle(running, found, machine.ShareTakenBack(found.serial))

    async def share_export(self, circle: str, message: str) -> Sequence[ExportView]:
        """Return our own words, or those of others for which a consent stands now."""
        running = self._find(circle)
        row = await self._message(running, message)
        cold = running.service.circle.cold
        name = name_of(cold, row.author)
        if row.is_mine:
            return [ExportView(row.mid.hex(), name, True, row.text, None, None, None, None)]
        agreed = [
            view
            for share in cold.shares
            if share.mid == row.mid and (view := self._agreed(cold, share, name)) is not None
        ]
        if not agreed:
            raise Refused("share_needs_consent")
        return agreed

    # ---- inside

    def _agreed(self, cold: Cold, share: Share, name: str) -> ExportView | None:
        try:
            receipt = standing_receipt(cold, share, wall_now=self.wall_clock())
        except RemoteError:
            return None
        return ExportView(
            id=share.mid.hex(),
            author_name=name,
            mine=False,
            text=share.excerpt,
            audience=share.audience,
            purpose=share.purpose,
            not_after=share.not_after,
            receipt=encode_receipt(receipt).hex(),
        )

    def _asked_of_us(self, running: RunningCircle, share: str, state: ShareState) -> Share:
        shares = running.service.circle.cold.shares
        known = [
            (one.serial, one.serial.hex(), one)
            for one in shares
            if not one.is_ours and one.state is state
        ]
        return find(share[:64], known, missing="no_such_share")

    async def _settle(
        self, running: RunningCircle, share: Share, event: machine.Event
    ) -> ShareView:
        await self._decide(running, event)
        cold = running.service.circle.cold
        return self._share_view(cold, find_share(cold, share.serial) or share)

    def _share_view(self, cold: Cold, share: Share) -> ShareView:
        is_open = share.state in (ShareState.ASKED, ShareState.GRANTED)
        is_over = is_open and share.not_after < self.wall_clock()
        return ShareView(
            id=share.serial.hex(),
            message=share.mid.hex(),
            asked_by_me=share.is_ours,
            other_name=name_of(cold, share.other),
            excerpt="" if is_over else share.excerpt,
            audience=share.audience,
            purpose=share.purpose,
            not_after=share.not_after,
            state="expired" if is_over else _STATES[share.state],
        )


def _require_why(text: str) -> None:
    if not text.strip():
        raise Refused("text_empty")
    if len(text.encode(errors="replace")) > MAX_WHY_SIZE:
        raise Refused("text_too_long", limit=MAX_WHY_SIZE)


def _require_ours(row: EntryRow | None, excerpt: str) -> None:
    if row is None or not row.is_mine or row.kind != "text" or excerpt not in row.text:
        raise Refused("share_other_words")
