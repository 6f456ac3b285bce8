"""Notes about who comes and goes: the secret of the network, conversations of two, words at the door.

They travel as the other lasting notes do (`notes`).

Spec: docs/protocol/circle.md, sections 3, 9.2 and 13; docs/protocol/lan.md, section 2.1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, assert_never

from attrs import field, frozen

from toheal_protocol.errors import MalformedFrame
from toheal_protocol.messages.grants import take_text
from toheal_protocol.model import ID_SIZE, MemberId
from toheal_protocol.wire.codec import Reader, prefixed16, u16, u32

TALK_SIZE: Final = 16
"""Bytes that name a conversation of two before it has a circle."""

NOBODY: Final = bytes(ID_SIZE)
"""Stands for nobody else than the sender."""

_SECRET_SIZE: Final = 32

MAX_LINK_SIZE: Final = 1024
"""Bytes of an invitation's link."""

MAX_GONE: Final = 1024
"""People who can be gone from a circle: as many as it has operations."""

GONE_MARK_SIZE: Final = 8
"""Bytes of an id that tell who is gone: no two members of a circle meet in them by chance."""

MAX_DOOR_WORDS: Final = 1000
"""UTF-8 bytes of what is said at the door at once: enough to say who one is and what one hopes for."""


@frozen
class LanSecret:
    """What finds us on a local network from now on: known to those who stay.

    Attributes:
        without: first bytes of the ids of who was gone, to its drawer's knowledge.
    """

    turn: int
    drawer: MemberId
    value: bytes = field(repr=False)
    without: tuple[bytes, ...]


@frozen
class TalkAsk:
    """May we talk, the two of us? Or, from a facilitator: would you talk with this member? No words."""

    talk: bytes
    partner: MemberId | None


@frozen
class TalkYes:
    """Yes to being asked. There is no note that says no."""

    talk: bytes


@frozen
class TalkAgreed:
    """Both whom we introduced said yes: please begin it."""

    talk: bytes


@frozen
class TalkLink:
    """The way into the circle of two that was begun for this conversation."""

    talk: bytes
    link: str = field(repr=False)


@frozen
class DoorWords:
    """What who waits at the door and who looks after it say to each other."""

    text: str = field(repr=False)


@frozen
class Unmet:
    """We came out of a backup that did not have this member: please bring us together.

    Attributes:
        secret: what we will call them by; drawn by us, so that all who are asked say the same.
    """

    member: MemberId
    secret: bytes = field(repr=False)


@frozen
class MeetAgain:
    """This member lost their device and will call you by this secret."""

    member: MemberId
    secret: bytes = field(repr=False)


DoorNote = LanSecret | TalkAsk | TalkYes | TalkAgreed | TalkLink | DoorWords | Unmet | MeetAgain

DOOR_KINDS: Final[dict[type[DoorNote], int]] = {
    LanSecret: 30,
    TalkAsk: 31,
    TalkYes: 32,
    TalkAgreed: 33,
    TalkLink: 34,
    DoorWords: 35,
    Unmet: 46,
    MeetAgain: 47,
}


def encode_door_note(note: DoorNote) -> bytes:
    """Write the body of one of these."""
    match note:
        case TalkAsk(talk, partner):
            return talk + (NOBODY if partner is None else partner)
        case TalkYes(talk) | TalkAgreed(talk):
            return talk
        case TalkLink(talk, link):
            return talk + prefixed16(link.encode())
        case LanSecret(turn, drawer, value, without):
            return u32(turn) + drawer + value + u16(len(without)) + b"".join(without)
        case Unmet(member, secret) | MeetAgain(member, secret):
            return member + secret
        case DoorWords(text):
            return prefixed16(text.encode())
        case _:
            assert_never(note)


def _take_lan_secret(reader: Reader) -> LanSecret:
    turn, drawer, value = reader.u32(), MemberId(reader.take(ID_SIZE)), reader.take(32)
    count = reader.u16()
    if count > MAX_GONE:
        raise MalformedFrame("more people gone than a circle can have had")
    return LanSecret(turn, drawer, value, tuple(reader.take(GONE_MARK_SIZE) for _ in range(count)))


def _take_talk_ask(reader: Reader) -> TalkAsk:
    talk, partner = reader.take(TALK_SIZE), MemberId(reader.take(ID_SIZE))
    return TalkAsk(talk, None if partner == NOBODY else partner)


DOOR_TAKERS: Final[dict[int, Callable[[Reader], DoorNote]]] = {
    30: _take_lan_secret,
    31: _take_talk_ask,
    32: lambda reader: TalkYes(reader.take(TALK_SIZE)),
    33: lambda reader: TalkAgreed(reader.take(TALK_SIZE)),
    34: lambda reader: TalkLink(reader.take(TALK_SIZE), take_text(reader, MAX_LINK_SIZE)),
    35: lambda reader: DoorWords(take_text(reader, MAX_DOOR_WORDS)),
    46: lambda reader: Unmet(MemberId(reader.take(ID_SIZE)), reader.take(_SECRET_SIZE)),
    47: lambda reader: MeetAgain(MemberId(reader.take(ID_SIZE)), reader.take(_SECRET_SIZE)),
}
