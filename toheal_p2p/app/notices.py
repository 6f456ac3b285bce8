"""Notices, and words at the door.

A notice is a circle of its own that nobody comes into: a porch, with a throw-away persona, of which
the circle behind it shows nothing. Whoever stands there and is wanted gets an ordinary invitation to
the circle itself, through the porch, and says yes to its charter like everybody.

Docs: docs/command-line.md, section 4; docs/protocol/circle.md, section 9.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from toheal_p2p.app.interface import WaitingView
from toheal_p2p.app.names import find
from toheal_p2p.app.notices_interface import DoorLineView, NoticeView
from toheal_p2p.app.profile import require_charter, usable_name
from toheal_p2p.app.refusals import Refused
from toheal_p2p.app.running import RunningCircle, require_facilitated, require_relay, require_room
from toheal_p2p.app.showing import invitation_view, name_of, waiting_views
from toheal_p2p.app.talks import Talks
from toheal_p2p.app.vocabulary import SeatState
from toheal_protocol.machines import door, door_words
from toheal_protocol.machines import events as machine
from toheal_protocol.machines.pairing_events import DoorSpoken
from toheal_protocol.machines.state import Cold, Seat, Stage, Standing
from toheal_protocol.messages.door_notes import MAX_DOOR_WORDS
from toheal_protocol.model import MemberId

MOST_NOTICES: Final = 4
"""Notices of one circle that may be open on one device: each takes somebody who listens."""

SEAT_LIFE: Final = 7 * 24 * 3600
"""Seconds in which who is invited through a notice can come in."""


class Notices(Talks):
    """What an application offers of this. It is part of `Application`, which has the circles."""

    async def notice_open(
        self, circle: str, *, topic: str, text: str, name: str, expires_in: int
    ) -> NoticeView:
        """Publish a notice."""
        running = require_relay(require_facilitated(self._find(circle)))
        cold = running.service.circle.cold
        if cold.for_talk:
            raise Refused("talk_is_for_two")
        require_charter(text)
        there = [self._notice(one) for one in self._porches(cold)]
        if sum(one.state == "open" for one in there) >= MOST_NOTICES:
            raise Refused("notice_enough", limit=MOST_NOTICES)
        porch = door.found_circle(
            name=usable_name(topic),
            my_name=usable_name(name),
            charter=text,
            relays=cold.relays,
            is_direct=False,
            entropy=self.entropy,
            wall_now=self.wall_clock(),
            porch_of=cold.id,
        )
        await self._begin(porch)
        made = next(one for one in self._circles() if one.service.circle.cold.id == porch.cold.id)
        relay = next((one for one in cold.relays if made.is_up(one)), cold.relays[0])
        await self._decide(made, machine.Invited(expires_in, relay, is_notice=True))
        return self._notice(made)

    async def notices(self, circle: str) -> Sequence[NoticeView]:
        """Return the notices this device published for the circle."""
        cold = self._find(circle).service.circle.cold
        return [self._notice(one) for one in self._porches(cold)]

    async def notice_close(self, circle: str, notice: str) -> None:
        """Take a notice back, and let go who waits there."""
        cold = self._find(circle).service.circle.cold
        known = [
            (one.service.circle.cold.id, one.service.circle.cold.name, one)
            for one in self._porches(cold)
        ]
        porch = find(notice, known, missing="no_such_notice")
        for invitation in porch.service.circle.cold.invitations:
            await self._decide(porch, machine.InvitationWithdrawn(invitation.id))
        for member in _waiting_at(porch):
            await self._decide(porch, machine.Refused(member))

    # ---- the door

    async def waiting(self, circle: str) -> Sequence[WaitingView]:
        """Return who stands at the door, and at those of the circle's notices."""
        found = list(await super().waiting(circle))
        for porch in self._porches(self._find(circle).service.circle.cold):
            topic = porch.service.circle.cold.name
            found += waiting_views(porch.service.circle.cold, notice=topic)
        return sorted(found, key=lambda one: one.since)

    async def admit(self, circle: str, who: str) -> None:
        """Let somebody in; who came by a notice gets an invitation to the circle itself."""
        running = require_room(require_facilitated(self._find(circle)))
        porch, member = self._at_some_door(running, who)
        if porch is running:
            await super().admit(circle, who)
            return
        if not door_words.may_speak(porch.service.circle.cold, member):
            raise Refused("door_said_enough", limit=door_words.MOST_BY_ONE)
        seat = await self._offer(require_relay(running), SEAT_LIFE)
        await self._decide(porch, DoorSpoken(member, seat.link))

    async def decline(self, circle: str, who: str) -> None:
        """Keep the door closed to somebody."""
        running = require_facilitated(self._find(circle))
        porch, member = self._at_some_door(running, who)
        await self._decide(porch, machine.Refused(member))

    async def door(self, circle: str, who: str | None) -> Sequence[DoorLineView]:
        """Return what was said at the door."""
        running = self._find(circle)
        there, member = self._behind_door(running, who)
        cold = there.service.circle.cold
        theirs = name_of(cold, member)
        return [
            DoorLineView(one.is_mine, cold.my_name if one.is_mine else theirs, one.text, one.at)
            for one in cold.peers[member].door_words
        ]

    async def door_say(self, circle: str, who: str | None, text: str) -> None:
        """Say something through the door."""
        there, member = self._behind_door(self._find(circle), who)
        if not text.strip():
            raise Refused("text_empty")
        text = text.encode(errors="replace").decode()
        if len(text.encode()) > MAX_DOOR_WORDS:
            raise Refused("text_too_long", limit=MAX_DOOR_WORDS)
        if not door_words.may_speak(there.service.circle.cold, member):
            raise Refused("door_said_enough", limit=door_words.MOST_BY_ONE)
        await self._decide(there, DoorSpoken(member, text))

    # ---- looking

    def _porches(self, cold: Cold) -> list[RunningCircle]:
        return [one for one in self._circles() if one.service.circle.cold.porch_of == cold.id]

    def _at_some_door(self, running: RunningCircle, who: str) -> tuple[RunningCircle, MemberId]:
        doors = (running, *self._porches(running.service.circle.cold))
        waiting = [
            (member, name_of(one.service.circle.cold, member), (one, member))
            for one in doors
            for member in _waiting_at(one)
        ]
        return find(who, waiting, missing="nobody_waiting")

    def _behind_door(
        self, running: RunningCircle, who: str | None
    ) -> tuple[RunningCircle, MemberId]:
        """Return who is at the other side: of the door we wait at, or of one we look after."""
        cold = running.service.circle.cold
        if cold.stage is Stage.KNOCKING:
            hosts = (m for m, peer in cold.peers.items() if peer.standing is Standing.HOST)
            return running, next(hosts)
        require_facilitated(running)
        if who is not None:
            return self._at_some_door(running, who)
        doors = (running, *self._porches(cold))
        waiting = [(one, member) for one in doors for member in _waiting_at(one)]
        if not waiting:
            raise Refused("nobody_waiting", name="")
        if len(waiting) > 1:
            raise Refused("ambiguous_name", name="")
        return waiting[0]

    def _notice(self, porch: RunningCircle) -> NoticeView:
        cold = porch.service.circle.cold
        invitation = cold.invitations[-1] if cold.invitations else None
        if invitation is None:  # the program ended between the two steps: it leads nowhere
            return NoticeView(cold.id.hex(), "", cold.name, "withdrawn", 0, 0, 0)
        is_over = invitation.expires <= self.wall_clock()
        is_open = invitation.seat is Seat.OPEN and not is_over
        closed: SeatState = "withdrawn" if invitation.seat is Seat.WITHDRAWN else "expired"
        return NoticeView(
            id=cold.id.hex(),
            link=invitation_view(invitation).link if is_open else "",
            topic=cold.name,
            state="open" if is_open else closed,
            expires_at=invitation.expires,
            waiting=len(_waiting_at(porch)),
            came=len(cold.peers),
        )


def _waiting_at(running: RunningCircle) -> list[MemberId]:
    peers = running.service.circle.cold.peers.items()
    return [member for member, peer in peers if peer.standing is Standing.WAITING]
