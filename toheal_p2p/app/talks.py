"""Conversations of two: asked for in a circle, and begun for both once both said yes.

What two people want to say to each other needs a circle of two, and somebody has to make it. That is
done here, for them: `keep_talks` looks at what the circles' machines agreed on, makes the circle,
tells the other side the way in, knocks, and opens. It goes by what is stored, so a crash anywhere in
between is made up for at the next start.

Docs: docs/command-line.md, section 4; docs/protocol/circle.md, section 13.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import trio

from toheal_p2p.app.doors import Doors
from toheal_p2p.app.governance import member_called
from toheal_p2p.app.interface import CircleView
from toheal_p2p.app.invitations import fetch_content, read_link
from toheal_p2p.app.names import find
from toheal_p2p.app.profile import require_text, usable_name
from toheal_p2p.app.refusals import Refused
from toheal_p2p.app.running import (
    RunningCircle,
    open_seats,
    require_active,
    require_facilitated,
    require_relay,
)
from toheal_p2p.app.showing import invitation_view, name_of
from toheal_p2p.app.talks_interface import TalkView
from toheal_p2p.app.vocabulary import TalkState
from toheal_p2p.services.relay_connection import RelayConnection
from toheal_protocol.crypto import Entropy
from toheal_protocol.machines import door, talks
from toheal_protocol.machines import events as machine
from toheal_protocol.machines import pairing_events as asked
from toheal_protocol.machines.state import Circle, Cold, Stage, Standing
from toheal_protocol.machines.talk_state import Talk, TalkStep
from toheal_protocol.messages.acts import charter_hash
from toheal_protocol.messages.invitation import InvitationContent
from toheal_protocol.model import CircleId, MemberId, Role
from toheal_protocol.wire.invitation_link import InvitationLink
from toheal_protocol.wire.relay_address import RelayAddress

SEAT_LIFE: Final = 14 * 24 * 3600
"""Seconds in which the other one's device has to come in: as long as a prekey lives."""

TRY_AGAIN: Final = 30.0
"""Seconds until what a relay did not let us do is tried again."""

NAME_PART: Final = 22
"""Characters of each name in the name of a conversation."""

_OVER: Final = (
    "invitation_expired",
    "invitation_used",
    "invitation_withdrawn",
    "invitation_malformed",
    "invitation_foreign",
    "already_a_member",
)
"""Refusals after which trying again is of no use."""

_SHOWN: Final[dict[TalkStep, TalkState]] = {
    TalkStep.ASKED: "asked",
    TalkStep.OFFERED: "offered",
    TalkStep.AGREED: "agreed",
    TalkStep.OPENING: "agreed",
    TalkStep.INVITED: "agreed",
    TalkStep.DONE: "begun",
    TalkStep.INTRODUCING: "introducing",
}


class Talks(Doors):
    """What an application offers of this. It is part of `Application`, which has the circles."""

    entropy: Entropy
    connect: Callable[[RelayAddress], RelayConnection]
    talk_news: trio.Event

    def _circles(self) -> Iterator[RunningCircle]:
        raise NotImplementedError

    async def _begin(self, circle: Circle) -> None:
        raise NotImplementedError

    async def _knock(
        self, link: InvitationLink, content: InvitationContent, name: str, for_talk: bytes
    ) -> CircleView:
        raise NotImplementedError

    async def say(
        self,
        circle: str,
        text: str,
        *,
        notes: Sequence[str],
        to_facilitators: bool,
        reply: str | None = None,
    ) -> str:
        """Say something; see `Application`."""
        raise NotImplementedError

    # ---- what a person asks for

    async def talks(self, circle: str) -> Sequence[TalkView]:
        """Return what was asked for, oldest first."""
        cold = self._find(circle).service.circle.cold
        return [self._view(cold, one) for one in cold.talks if one.step in _SHOWN]

    async def talk_ask(self, circle: str, who: str, *, card: str) -> TalkView:
        """Ask a member for a conversation of two."""
        running = _for_many(require_relay(require_active(self._find(circle))))
        cold = running.service.circle.cold
        partner = _other_called(cold, who)
        _check_card(card)
        if not talks.may_ask(cold, partner):
            raise Refused("talk_open_already", name=name_of(cold, partner))
        _check_asked(cold)
        await self._decide(running, asked.TalkAsked(partner, card))
        return self._newest(running, partner)

    async def talk_introduce(self, circle: str, who: str, other: str) -> TalkView:
        """Ask two members whether they would talk with each other."""
        running = _for_many(require_relay(require_facilitated(self._find(circle))))
        cold = running.service.circle.cold
        one, two = _other_called(cold, who), _other_called(cold, other)
        if one == two:
            raise Refused("act_on_oneself")
        _check_asked(cold)
        await self._decide(running, asked.TalkIntroduced(one, two))
        return self._newest(running, one)

    async def talk_accept(self, circle: str, who: str, *, card: str) -> TalkView:
        """Say yes to being asked."""
        running = require_relay(require_active(self._find(circle)))
        talk = _talk_with(running.service.circle.cold, who, (TalkStep.OFFERED,))
        _check_card(card)
        await self._decide(running, asked.TalkAccepted(talk.id, card))
        return self._newest(running, talk.partner)

    async def talk_decline(self, circle: str, who: str, *, for_good: bool) -> None:
        """Say no, or take a question back; nobody is told."""
        running = require_active(self._find(circle))
        steps = (TalkStep.ASKED, TalkStep.OFFERED, TalkStep.AGREED, TalkStep.INTRODUCING)
        again = (TalkStep.DECLINED,) if for_good else ()
        talk = _talk_with(running.service.circle.cold, who, (*steps, *again))
        await self._decide(running, asked.TalkDeclined(talk.id, for_good))

    # ---- what is done for both

    async def keep_talks(self) -> None:
        """Begin what was agreed on, until cancelled."""
        while True:
            news = self.talk_news = trio.Event()
            is_waiting = False
            for running in list(self._circles()):
                is_waiting |= not await self._follow(running)
            with trio.move_on_after(TRY_AGAIN if is_waiting else float("inf")):
                await news.wait()

    async def _follow(self, running: RunningCircle) -> bool:
        """Do what one circle asks for now; False: some of it has to be tried again."""
        try:
            if running.service.circle.cold.for_talk:
                await self._open_to_the_other(running)
                return True
            for talk in running.service.circle.cold.talks:
                if talk.step is TalkStep.OPENING:
                    await self._begin_talk(running, talk)
                elif talk.step is TalkStep.INVITED:
                    await self._join_talk(running, talk)
                elif talk.step is TalkStep.DONE and talk.card:
                    await self._say_card(running, talk)
        except Refused:
            return False
        return True

    async def _begin_talk(self, running: RunningCircle, talk: Talk) -> None:
        """Make the circle of two and tell the other one the way in; each part once."""
        cold = require_relay(running).service.circle.cold
        made = self._circle_of(talk.id)
        if made is None:
            circle = door.found_circle(
                name=_name_for_two(cold.my_name, name_of(cold, talk.partner)),
                my_name=cold.my_name,
                charter=cold.charter,
                relays=cold.relays,
                is_direct=False,
                entropy=self.entropy,
                wall_now=self.wall_clock(),
                for_talk=talk.id,
            )
            await self._begin(circle)
            made = self._circle_of(talk.id)
        if made is None:
            raise Refused("internal")
        offered = open_seats(made.service.circle.cold, self.wall_clock())
        if not offered:
            await self._offer(made, SEAT_LIFE)
            offered = open_seats(made.service.circle.cold, self.wall_clock())
        link = invitation_view(offered[0]).link
        await self._decide(running, asked.TalkOpened(talk.id, link))

    async def _join_talk(self, running: RunningCircle, talk: Talk) -> None:
        """Knock at the circle of two, if it is one that our person said yes to by saying yes here."""
        cold = running.service.circle.cold
        if self._circle_of(talk.id) is None:
            try:
                link = read_link(talk.link, wall_now=self.wall_clock())
                _check_relays(cold, link.relay)
                content = await fetch_content(link, connect=self.connect)
                _check_relays(cold, *content.relays)
                if charter_hash(content.charter) not in cold.texts:
                    raise Refused("invitation_malformed")
                await self._knock(link, content, cold.my_name, talk.id)
            except Refused as refused:
                if refused.code not in _OVER:
                    raise
        await self._decide(running, asked.TalkJoined(talk.id))

    async def _open_to_the_other(self, running: RunningCircle) -> None:
        """Let in whoever has the way in: it went to one person, inside a session with them."""
        cold = running.service.circle.cold
        if cold.stage is Stage.ACTIVE and cold.my_role is Role.FACILITATOR and not _is_met(cold):
            for member, peer in cold.peers.items():
                if peer.standing is Standing.WAITING:
                    await self._decide(running, machine.Admitted(member))
                    self.talk_news.set()  # what is to be said first can be said now
                    return

    async def _say_card(self, running: RunningCircle, talk: Talk) -> None:
        made = self._circle_of(talk.id)
        if made is not None and made.service.circle.cold.stage is Stage.ACTIVE:
            if not _is_met(made.service.circle.cold):
                return
            circle = made.service.circle.cold.id.hex()
            await self.say(circle, talk.card, notes=(), to_facilitators=False)
        elif made is not None and made.service.circle.cold.stage is Stage.KNOCKING:
            return
        await self._decide(running, asked.TalkCardSaid(talk.id))

    # ---- looking

    def _circle_of(self, talk: bytes) -> RunningCircle | None:
        circles = self._circles()
        return next((one for one in circles if one.service.circle.cold.for_talk == talk), None)

    def _newest(self, running: RunningCircle, partner: MemberId) -> TalkView:
        cold = running.service.circle.cold
        found = [one for one in cold.talks if one.partner == partner and one.step in _SHOWN]
        if not found:
            raise Refused("internal")
        return self._view(cold, found[-1])

    def _view(self, cold: Cold, talk: Talk) -> TalkView:
        made = self._circle_of(talk.id)
        circle: CircleId | None = None if made is None else made.service.circle.cold.id
        return TalkView(
            id=talk.id.hex(),
            state=_SHOWN[talk.step],
            partner=talk.partner.hex(),
            partner_name=name_of(cold, talk.partner),
            other_name=None if talk.other is None else name_of(cold, talk.other),
            introducer_name=None if talk.introducer is None else name_of(cold, talk.introducer),
            since=talk.since,
            circle=None if circle is None else circle.hex(),
        )


def _for_many(running: RunningCircle) -> RunningCircle:
    if running.service.circle.cold.for_talk:
        raise Refused("talk_is_for_two")
    return running


def _check_asked(cold: Cold) -> None:
    if talks.has_asked_enough(cold):
        raise Refused("talk_asked_enough", limit=talks.MOST_ASKED)


def _check_card(card: str) -> None:
    if card:
        require_text(card)


def _check_relays(cold: Cold, *relays: RelayAddress | None) -> None:
    """Refuse a way in over other relays than the circle's: nobody is to have us call strangers."""
    if any(relay not in cold.relays for relay in relays):
        raise Refused("invitation_malformed")


def _is_met(cold: Cold) -> bool:
    return any(peer.standing is Standing.MEMBER for peer in cold.peers.values())


def _other_called(cold: Cold, who: str) -> MemberId:
    member = member_called(cold, who)
    if member == cold.persona.keys.member_id:
        raise Refused("act_on_oneself")
    return member


def _talk_with(cold: Cold, who: str, steps: Sequence[TalkStep]) -> Talk:
    known = [
        (one.partner, name_of(cold, one.partner), one) for one in cold.talks if one.step in steps
    ]
    return find(who, known, missing="no_such_talk")


def _name_for_two(ours: str, theirs: str) -> str:
    return usable_name(f"{ours[:NAME_PART].strip()} · {theirs[:NAME_PART].strip()}")
