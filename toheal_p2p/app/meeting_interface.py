"""Meeting in one room as the application's doors see it. Everything is plain, as in `interface`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from attrs import field, frozen

from toheal_p2p.app.vocabulary import MeetingState


@frozen
class MeetingView:
    """How meeting members of one circle on the local network goes.

    Attributes:
        until: when it closes by itself; 0 where it is closed.
        networks: interface and address, for each network we are to be found on.
        met: the names of the members who are in the room.
        room_until: until when newcomers with a spoken code may find us; 0: they may not.
    """

    circle: str
    circle_name: str = field(repr=False)
    state: MeetingState
    until: int
    networks: tuple[str, ...] = field(repr=False)
    met: tuple[str, ...] = field(repr=False)
    room_until: int = 0


class MeetingInterface(Protocol):
    """Meeting in one room: open only while the person has it open."""

    async def open(
        self, circle: str | None, *, seconds: int, interfaces: Sequence[str], room: bool = False
    ) -> Sequence[MeetingView]:
        """Open it for a circle, or (None) for every active one; opening again begins anew.

        A circle at whose door we stand counts as active here.

        Args:
            seconds: after which it closes by itself.
            interfaces: the names of those to be found on; none: all that could be a room.
            room: let newcomers find us by a spoken code, too; then there may be no circle yet.

        Raises:
            Refused: no_such_circle, ambiguous_name, not_admitted_yet, left_circle,
                declined_at_door, removed_from_circle, no_such_interface, lan_off,
                not_supported_here.
        """
        ...

    async def close(self, circle: str | None) -> None:
        """Close it for a circle, or (None) altogether, newcomers included.

        What is on its way gets two seconds.
        """
        ...

    async def views(self) -> Sequence[MeetingView]:
        """Return how it goes, for every active circle."""
        ...
