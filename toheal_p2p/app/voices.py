"""Who facilitates until when, who may write, and whose words the person wants to read, for the doors.

Docs: docs/command-line.md, section 4; docs/protocol/membership.md, sections 4.1 and 4.2.
"""

from __future__ import annotations

from typing import Final

from toheal_p2p.app.act_view import ActView
from toheal_p2p.app.governance import Governance, member_called, now_in, our_id, term_from, why
from toheal_p2p.app.refusals import Refused
from toheal_p2p.app.running import RunningCircle, require_active
from toheal_p2p.app.vocabulary import ActReason
from toheal_protocol.machines import events as machine
from toheal_protocol.machines.mutes import MUTE_LONGEST, MUTES_IN_A_ROW, open_mutes
from toheal_protocol.messages.acts import Muting, Term, Unmuting
from toheal_protocol.model import MemberId, Role

HOUR: Final = 3600

BETWEEN_MUTES: Final = 24 * HOUR
"""Seconds after a mute in which a program signs no new one: what goes on for longer is no pause."""


class Voices(Governance):
    """What an application offers of this. It is part of `Application`, which has the circles."""

    async def circle_term(self, circle: str, who: str, *, weeks: int) -> ActView:
        """Sign that a facilitator goes on for so many weeks from now."""
        running = require_active(self._find(circle))
        member = member_called(running.service.circle.cold, who)
        if now_in(running).members.get(member) is not Role.FACILITATOR:
            raise Refused("not_a_term")
        return await self._sign(running, Term(member, term_from(self.wall_clock(), weeks)), "")

    async def circle_mute(
        self, circle: str, who: str, *, hours: int, reason: ActReason, text: str
    ) -> ActView:
        """Sign that somebody's words to the circle are not shown for a while."""
        running = require_active(self._find(circle))
        member = member_called(running.service.circle.cold, who)
        if member == our_id(running):
            raise Refused("act_on_oneself")
        if not 1 <= hours <= MUTE_LONGEST // HOUR:
            raise Refused("mute_unfit", limit=MUTE_LONGEST // HOUR)
        if now_in(running).members.get(member) is Role.LISTENER:
            raise Refused("mute_of_listener")
        self._require_pause(running, member)
        until = self.wall_clock() + hours * HOUR
        return await self._sign(running, Muting(member, until, 0, why(reason, text)), text)

    def _require_pause(self, running: RunningCircle, member: MemberId) -> None:
        now = now_in(running)
        if len(open_mutes(now, member)) >= MUTES_IN_A_ROW:
            raise Refused("mute_renewed")
        silences = now.silences.get(member, ())
        over = [one.until for one in silences if one.until is not None and one.is_over]
        if any(until + BETWEEN_MUTES > self.wall_clock() for until in over):
            raise Refused("mute_so_soon")

    async def circle_unmute(self, circle: str, who: str) -> ActView:
        """Sign that a mute is over. One's own ends by itself, with the first words after it."""
        running = require_active(self._find(circle))
        member = member_called(running.service.circle.cold, who)
        if not open_mutes(now_in(running), member):
            raise Refused("not_muted")
        if running.service.circle.cold.my_role is not Role.FACILITATOR or member == our_id(running):
            raise Refused("not_a_facilitator")
        return await self._sign(running, Unmuting(member), "")

    async def hide(self, circle: str, who: str, *, hidden: bool) -> None:
        """Show a member's words to us no more, or again."""
        running = self._find(circle)
        cold = running.service.circle.cold
        member = member_called(cold, who)
        if member == our_id(running):
            raise Refused("act_on_oneself")
        await self._decide(running, machine.HidingChosen(member, hidden))
