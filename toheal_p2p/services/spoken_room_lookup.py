"""Looking up a spoken code in the room: find who is announced under its number, and try the words.

Nothing is announced. The question for the number goes to the group, and whoever answers is called
and tried, one after another: each of them gets one guess at our words at most.

Spec: docs/protocol/spoken.md, section 8.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import trio
from attrs import define, field, frozen

from toheal_p2p.ports.lan import Appeared, Lan, LanFailed, LanStream, Lookout, Segment
from toheal_p2p.services.lan_presence import close_stream, on_every_segment, read_exactly
from toheal_p2p.services.spoken_lookup import MOST_TRIES, NothingFound
from toheal_protocol.crypto import Entropy
from toheal_protocol.errors import MalformedFrame, RemoteError
from toheal_protocol.identity import SpokenCode
from toheal_protocol.machines import spoken_lookup as machine
from toheal_protocol.machines.lan_names import room_label
from toheal_protocol.machines.spoken_keys import room_channel
from toheal_protocol.messages.invitation import (
    INVITATION_SIZES,
    InvitationContent,
    open_invitation,
)
from toheal_protocol.messages.spoken import (
    SPOKEN_FRAME_SIZE,
    OfferId,
    SpokenAnnouncement,
    Way,
    decode_spoken,
)
from toheal_protocol.wire.invitation_link import InvitationLink

EMPTY_AFTER: Final = 7.0
"""Seconds after which a number is free: the question is asked at once, after one and after five."""

CONNECT_LONGEST: Final = 3.0
"""Seconds a machine in the room gets to take a connection."""

ANSWER_LONGEST: Final = 15.0
"""Seconds for all that two programs say to each other."""

MOST_CALLED: Final = 8
"""Announcements that are called: anybody can announce anything under a number."""


@frozen
class FoundInRoom:
    """The words were right: the invitation, and what it says if that lies at no relay."""

    link: InvitationLink
    content: InvitationContent | None


RoomOutcome: TypeAlias = FoundInRoom | machine.TurnedAway | NothingFound


async def look_up_in_room(
    code: SpokenCode, *, lan: Lan, interfaces: frozenset[str], entropy: Entropy
) -> RoomOutcome:
    """Look a code up on this machine's networks, and return where it leads or why nowhere."""
    search = _Search(code, lan, entropy)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(on_every_segment, lan, interfaces, search.look_at)
        outcome = await search.outcome()
        nursery.cancel_scope.cancel()
    return outcome


@define(eq=False)
class _Search:
    """One look-up; `_found` are those to be called, in the order they were heard of."""

    code: SpokenCode
    lan: Lan
    entropy: Entropy
    is_looking: bool = False
    _heard: set[tuple[str, str]] = field(factory=set)
    _guesses: int = 0
    _turned_away: set[OfferId] = field(factory=set)
    """Offers that said no: the same one at another address would take a second guess. One that broke
    off is tried again elsewhere, for anybody can repeat the name of an offer."""
    _found: trio.MemorySendChannel[tuple[Lookout, Appeared]] = field(init=False)
    _finding: trio.MemoryReceiveChannel[tuple[Lookout, Appeared]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._found, self._finding = trio.open_memory_channel(MOST_CALLED)

    async def look_at(self, segment: Segment) -> None:
        """Ask on one network, and take note of who answers."""
        lookout = await self.lan.look(segment, room_label(self.code.nameplate))
        try:
            self.is_looking = True
            while True:
                match await lookout.hear():
                    case Appeared() as appeared:
                        self._note(lookout, appeared)
                    case _:
                        pass
        finally:
            with trio.CancelScope(shield=True):
                await lookout.aclose()

    def _note(self, lookout: Lookout, appeared: Appeared) -> None:
        known = (appeared.instance, appeared.host)
        if known not in self._heard and len(self._heard) < MOST_CALLED:
            self._heard.add(known)
            self._found.send_nowait((lookout, appeared))

    async def outcome(self) -> RoomOutcome:
        """Call one after another until the words fit, or nobody else is heard of."""
        outcome: RoomOutcome = NothingFound("empty")
        patience = EMPTY_AFTER
        while self._guesses < MOST_TRIES:
            chosen = None
            with trio.move_on_after(patience):
                chosen = await self._finding.receive()
            if chosen is None:
                break
            found = await self._call(*chosen)
            if isinstance(found, FoundInRoom):
                return found
            if not isinstance(outcome, machine.TurnedAway):
                outcome = found  # that somebody heard our words and said no is what counts most
            patience = 1.0
        return outcome if self.is_looking else NothingFound("unreachable")

    async def _call(self, lookout: Lookout, appeared: Appeared) -> RoomOutcome:
        outcome: RoomOutcome = NothingFound("silent")
        try:
            with trio.fail_after(CONNECT_LONGEST):
                stream = await lookout.connect(appeared.host, appeared.port)
        except (LanFailed, trio.TooSlowError):
            return outcome
        try:
            with trio.move_on_after(ANSWER_LONGEST):
                outcome = await self._try(stream)
        except (LanFailed, RemoteError):
            pass  # whoever it was, it was not the one who said the words
        finally:
            await close_stream(stream)
        return outcome

    async def _try(self, stream: LanStream) -> RoomOutcome:
        """Try our words once with whoever is at the other end.

        Raises:
            LanFailed: they went.
            RemoteError: they broke a rule.
        """
        hello = decode_spoken(await read_exactly(stream, SPOKEN_FRAME_SIZE))
        if not isinstance(hello, SpokenAnnouncement):
            raise MalformedFrame("not what is on offer")
        if hello.offer in self._turned_away:
            return NothingFound("silent")
        self._guesses += 1
        lookup, effects = machine.begin_lookup(
            self.code,
            hello,
            channel=room_channel(self.code.nameplate),
            way=Way(b""),
            entropy=self.entropy,
        )
        while True:
            for effect in effects:
                match effect:
                    case machine.Send(frame):
                        await stream.send_all(frame)
                    case machine.Found(link):
                        return FoundInRoom(link, await _read_content(stream, link))
                    case machine.TurnedAway():
                        self._turned_away.add(hello.offer)
                        return effect
            lookup, effects = machine.step(lookup, await read_exactly(stream, SPOKEN_FRAME_SIZE))


async def _read_content(stream: LanStream, link: InvitationLink) -> InvitationContent | None:
    """Read what follows the handover; None: nothing, it lies at the relay of the link.

    Raises:
        LanFailed: they went.
        RemoteError: it is not what the link was made for.
    """
    size = int.from_bytes(await read_exactly(stream, 2), "big")
    if not size:
        return None
    if size not in INVITATION_SIZES:
        raise MalformedFrame("no invitation has this size")
    return open_invitation(await read_exactly(stream, size), link=link)
