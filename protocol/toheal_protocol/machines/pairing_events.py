"""What a person, or the program for them, does about conversations of two, and says at the door."""

from __future__ import annotations

from attrs import field, frozen

from toheal_protocol.model import MemberId


@frozen
class TalkAsked:
    """The person asks a member for a conversation of two. `card`: what they want to say first."""

    partner: MemberId
    card: str = field(default="", repr=False)


@frozen
class TalkIntroduced:
    """The person brings two members together."""

    one: MemberId
    other: MemberId


@frozen
class TalkAccepted:
    """The person says yes."""

    talk: bytes
    card: str = field(default="", repr=False)


@frozen
class TalkDeclined:
    """The person says no, or takes a question back. Nobody is told."""

    talk: bytes
    is_for_good: bool = False


@frozen
class TalkOpened:
    """The circle of two was begun, and this leads into it."""

    talk: bytes
    link: str = field(repr=False)


@frozen
class TalkJoined:
    """We knocked at the circle of two."""

    talk: bytes


@frozen
class TalkCardSaid:
    """What was to be said first has been said."""

    talk: bytes


@frozen
class DoorSpoken:
    """The person says something through the door."""

    member: MemberId
    text: str = field(repr=False)


PairingEvent = (
    TalkAsked
    | TalkIntroduced
    | TalkAccepted
    | TalkDeclined
    | TalkOpened
    | TalkJoined
    | TalkCardSaid
    | DoorSpoken
)
