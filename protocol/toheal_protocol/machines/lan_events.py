"""What can happen on wires to members in the same room.

All of it is part of `events.Event` and is imported from there.
"""

from __future__ import annotations

from attrs import field, frozen

from toheal_protocol.model import MemberId


@frozen
class LanMet:
    """A member was recognised on the local network; `wire` numbers the connection, from 1."""

    member: MemberId
    wire: int


@frozen
class LanKnocked:
    """Somebody in the room, at the other end of a wire that leads to nobody yet, says something.

    They hold the link of this invitation, and have proved that.
    """

    invitation: bytes
    wire: int
    frames: tuple[bytes, ...] = field(repr=False)


@frozen
class LanArrived:
    """A wire brought frames."""

    member: MemberId
    frames: tuple[bytes, ...] = field(repr=False)


@frozen
class LanParted:
    """A wire is over."""

    member: MemberId
    wire: int
