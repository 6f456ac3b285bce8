"""Spoken codes: what the application offers, and what it looks up.

A code lives in this process only. It ends with the process, and no seat was made for it before
somebody proved to know its words.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Final, Literal, assert_never

import trio
from attrs import define, field, frozen

from toheal_p2p.app import interface as views
from toheal_p2p.app.meeting import Meetings
from toheal_p2p.app.names import find
from toheal_p2p.app.profile import read_relay
from toheal_p2p.app.refusals import RefusalCode, Refused
from toheal_p2p.app.running import RunningCircle
from toheal_p2p.app.showing import invitation_view
from toheal_p2p.app.spoken_interface import LookedUpView, SpokenView
from toheal_p2p.app.vocabulary import SpokenState
from toheal_p2p.ports.spoken_places import Claim, SpokenPlace
from toheal_p2p.services.relay_connection import RelayConnection
from toheal_p2p.services.spoken_lookup import NothingFound, look_up
from toheal_p2p.services.spoken_offer import SpokenOfferService
from toheal_p2p.services.spoken_relay import RelayPlace
from toheal_p2p.services.spoken_room import RoomPlace
from toheal_p2p.services.spoken_room_lookup import FoundInRoom, RoomOutcome, look_up_in_room
from toheal_protocol.crypto import ED_SIZE, Entropy, SigningSeed
from toheal_protocol.errors import RemoteError
from toheal_protocol.identity import (
    SpokenCode,
    WordNotFound,
    draw_spoken_code,
    parse_spoken_code,
)
from toheal_protocol.machines.spoken_lookup import TurnedAway
from toheal_protocol.machines.spoken_offer import Stage
from toheal_protocol.machines.state import Cold
from toheal_protocol.messages.invitation import InvitationContent
from toheal_protocol.messages.spoken import SpokenRefusal
from toheal_protocol.model import TOKEN_SIZE, CircleId, DepositToken, WallTime
from toheal_protocol.wire.invitation_link import InvitationLink
from toheal_protocol.wire.relay_address import RelayAddress

MOST_RELAYS: Final = 16
"""Relays a code is looked up at: more than a profile and its circles know."""

MOST_CODES: Final = 16
"""Codes that are served at once; each keeps a connection to every relay of its circle."""

_STATES: Final[dict[Stage, SpokenState]] = {
    Stage.OPEN: "waiting",
    Stage.SEALING: "found",
    Stage.HANDED_OVER: "handed_over",
    Stage.BURNED: "burned",
    Stage.EXPIRED: "expired",
    Stage.WITHDRAWN: "withdrawn",
    Stage.NO_SEAT: "no_seat",
}

_UNCLAIMED: Final[dict[Claim, RefusalCode]] = {
    "taken": "spoken_no_number",
    "unreachable": "relay_unreachable",
}

_NOTHING: Final[dict[str, RefusalCode]] = {
    "unreachable": "spoken_relays_silent",
    "empty": "spoken_code_not_found",
    "silent": "spoken_no_answer",
}

_NOTHING_IN_ROOM: Final[dict[str, RefusalCode]] = {
    **_NOTHING,
    "unreachable": "room_no_network",
    "empty": "spoken_not_in_room",
}


@define
class _Seat:
    """What lies behind the link of a seat, once there is one."""

    content: bytes = field(default=b"", repr=False)


@frozen
class _Offered:
    """A code of ours, for whom, and when it is over by the wall clock."""

    id: str
    circle: CircleId
    expires_at: WallTime
    service: SpokenOfferService

    @property
    def view(self) -> SpokenView:
        offer = self.service.offer
        code, state = str(self.service.code), _STATES[offer.stage]
        return SpokenView(self.id, code, self.expires_at, offer.tries_left, state)


@define(eq=False)
class SpokenCodes:
    """All spoken codes of one opened profile. Fulfils `spoken_interface.SpokenInterface`.

    Args:
        inviting: finds a circle that can offer a seat, or refuses.
        finding: finds any circle.
        invite: offers an ordinary seat, at a relay or none.
        known_relays: the relays of the profile and of its circles.
        meeting: what is open on the local network.
        keep: keeps what an invitation says that was handed over in the room.
    """

    nursery: trio.Nursery
    entropy: Entropy
    wall_clock: Callable[[], WallTime]
    connect: Callable[[RelayAddress], RelayConnection]
    inviting: Callable[[str], RunningCircle]
    finding: Callable[[str], RunningCircle]
    invite: Callable[..., Awaitable[views.InvitationView]]
    known_relays: Callable[[], Sequence[RelayAddress]]
    meeting: Meetings
    keep: Callable[[InvitationLink, InvitationContent], None]
    _offered: dict[str, _Offered] = field(factory=dict, init=False)
    _served: int = field(default=0, init=False)

    async def offer(
        self, circle: str, *, expires_in: int, language: Literal["ar", "en"]
    ) -> SpokenView:
        """Offer one seat by a code."""
        running = self.inviting(circle)
        cold, made = running.service.circle.cold, _Seat()

        async def make_seat() -> str | None:
            try:
                link = (await self.invite(cold.id.hex(), expires_in=expires_in)).link
            except Refused:
                return None
            made.content = content_of(running.service.circle.cold, link)
            return link

        relays, room = self._relays_of(running), self._room_place(made)
        if not relays and room is None:
            raise Refused("room_closed")
        places: list[SpokenPlace] = [self._place(relay) for relay in relays]
        service = SpokenOfferService(
            code=draw_spoken_code(self.entropy, language=language),
            places=places if room is None else [*places, room],
            entropy=self.entropy,
            make_seat=make_seat,
        )
        if self._served >= MOST_CODES:
            raise Refused("busy")
        claim: Claim = await self.nursery.start(self._serve, service, room)
        if claim == "unreachable" and not relays:
            raise Refused("room_no_network")
        if claim != "ours":
            raise Refused(_UNCLAIMED[claim], address=str(relays[0]) if relays else "")
        if room is not None:
            self.meeting.open_beside(running)
        left = service.offer.expires - trio.current_time()
        offered = _Offered(
            id=self.entropy.draw(8).hex(),
            circle=cold.id,
            expires_at=WallTime(self.wall_clock() + int(left)),
            service=service,
        )
        self._forget_what_is_over()
        self._offered[offered.id] = offered
        return offered.view

    async def codes(self, circle: str) -> Sequence[SpokenView]:
        """Return the codes of a circle that wait for somebody."""
        circle_id = self.finding(circle).service.circle.cold.id
        self._forget_what_is_over()
        return [one.view for one in self._offered.values() if one.circle == circle_id]

    async def follow(self, circle: str, code_id: str) -> AsyncGenerator[SpokenView, None]:
        """Give how a code stands until it is over."""
        self.finding(circle)
        candidates = [(bytes.fromhex(one.id), one.id, one) for one in self._offered.values()]
        service = (offered := find(code_id, candidates, missing="no_such_invitation")).service
        while True:
            changed = service.changed
            yield offered.view
            if service.offer.is_over:
                return
            await changed.wait()

    def withdraw(self, circle: CircleId, code_id: str) -> bool:
        """Take a code back, if one of this circle has an id that begins so."""
        self._forget_what_is_over()
        meant = [
            one
            for one in self._offered.values()
            if one.circle == circle and code_id and one.id.startswith(code_id.lower())
        ]
        if len(meant) == 1:
            meant[0].service.withdraw()
        return len(meant) == 1

    async def look_up(self, code: str, *, relays: Sequence[str]) -> LookedUpView:
        """Find who waits at the code's number and try its words with them."""
        spoken = read_code(code)
        where = tuple(dict.fromkeys(map(read_relay, relays))) or tuple(self.known_relays())
        room = self.meeting.room
        may_look_here = room.lan is not None and room.network.may_use_lan
        if not relays and may_look_here and (room.is_open or not where):
            found_here = await self._look_here(spoken)
            if isinstance(found_here, FoundInRoom):
                if found_here.content is not None:
                    self.keep(found_here.link, found_here.content)
                return LookedUpView(str(found_here.link))
            if not where or isinstance(found_here, TurnedAway):
                raise _refused(found_here, _NOTHING_IN_ROOM)
        if not where:
            raise Refused("spoken_no_relay")
        found = await look_up(
            spoken, where[:MOST_RELAYS], connect=self.connect, entropy=self.entropy
        )
        if not isinstance(found, InvitationLink):
            raise _refused(found, _NOTHING)
        return LookedUpView(str(found))

    async def _look_here(self, code: SpokenCode) -> RoomOutcome:
        """Look a code up on the local network, until somebody closes the room."""
        room = self.meeting.room
        with trio.CancelScope() as scope, room.until_closed(scope.cancel):
            return await look_up_in_room(
                code, lan=room.require_lan(), interfaces=room.interfaces, entropy=self.entropy
            )
        raise Refused("lan_off")

    async def _serve(
        self,
        service: SpokenOfferService,
        here: RoomPlace | None,
        *,
        task_status: trio.TaskStatus[Claim],
    ) -> None:
        self._served += 1
        try:
            with ExitStack() as stack:
                if here is not None:
                    stack.enter_context(self.meeting.room.until_closed(here.close))
                await service.run(task_status=task_status)
        finally:
            self._served -= 1

    def _relays_of(self, running: RunningCircle) -> list[RelayAddress]:
        """Return where a code is left. With the room open nobody waits for a relay that is gone."""
        relays = running.service.circle.cold.relays
        is_open = self.meeting.room.is_open
        return [relay for relay in relays if not is_open or running.is_up(relay)]

    def _room_place(self, made: _Seat) -> RoomPlace | None:
        room = self.meeting.room
        if not room.is_open:
            return None
        return RoomPlace(
            room.require_lan(), self.entropy, room.interfaces, lambda: made.content, room.ends
        )

    def _place(self, relay: RelayAddress) -> RelayPlace:
        return RelayPlace(
            self.connect(relay),
            SigningSeed(self.entropy.draw(ED_SIZE)),
            DepositToken(self.entropy.draw(TOKEN_SIZE)),
        )

    def _forget_what_is_over(self) -> None:
        for offered in list(self._offered.values()):
            if offered.service.offer.is_over:
                del self._offered[offered.id]


def read_code(text: str) -> SpokenCode:
    """Read a code as a person typed it.

    Raises:
        Refused: spoken_word_unknown, spoken_word_unsure, spoken_code_malformed.
    """
    try:
        return parse_spoken_code(text)
    except WordNotFound as missing:
        if missing.suggestion:
            raise Refused(
                "spoken_word_unsure", name=missing.typed, suggestion=missing.suggestion
            ) from None
        raise Refused("spoken_word_unknown", name=missing.typed) from None
    except RemoteError:
        raise Refused("spoken_code_malformed") from None


def content_of(cold: Cold, link: str) -> bytes:
    """Return the sealed content behind a link of ours."""
    return next((one.sealed for one in cold.invitations if invitation_view(one).link == link), b"")


def _refused(found: NothingFound | TurnedAway, nothing: Mapping[str, RefusalCode]) -> Refused:
    match found:
        case NothingFound(why):
            return Refused(nothing[why])
        case TurnedAway(SpokenRefusal.WRONG_WORDS, tries_left) if tries_left > 0:
            return Refused("spoken_words_wrong", tries=tries_left)
        case TurnedAway(SpokenRefusal.WRONG_WORDS):
            return Refused("spoken_code_burned")
        case TurnedAway():
            return Refused("spoken_code_over")
        case _:
            assert_never(found)
