"""Seats, notices and words at the door, as the application's doors see them. Plain, as in `interface`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from attrs import field, frozen

from toheal_p2p.app.vocabulary import SeatState


@frozen
class SeatView:
    """One seat that this device offered, whatever became of it. Nobody else sees it.

    Attributes:
        used_by: the name of who came in by it.
        at_door: the names of who stands at the door with it.
    """

    id: str
    state: SeatState
    expires_at: int
    used_by: str | None = field(repr=False)
    at_door: tuple[str, ...] = field(repr=False)


@frozen
class NoticeView:
    """A knock link that many can use, and by which nobody comes in.

    Attributes:
        waiting, came: how many stand at this door now, and how many ever came.
    """

    id: str
    link: str = field(repr=False)
    topic: str = field(repr=False)
    state: SeatState
    expires_at: int
    waiting: int
    came: int


@frozen
class DoorLineView:
    """A few words at the door."""

    mine: bool
    name: str = field(repr=False)
    text: str = field(repr=False)
    at: int


class NoticesInterface(Protocol):
    """What an application offers of this."""

    async def seats(self, circle: str) -> Sequence[SeatView]:
        """Return every seat this device ever offered in the circle, and what became of it."""
        ...

    async def notice_open(
        self, circle: str, *, topic: str, text: str, name: str, expires_in: int
    ) -> NoticeView:
        """Publish a notice: topic and text are what a stranger reads, name what they know us by.

        Raises:
            Refused: not_a_facilitator, no_relay, talk_is_for_two, name_*, charter_*, notice_enough.
        """
        ...

    async def notices(self, circle: str) -> Sequence[NoticeView]:
        """Return the notices this device published for the circle."""
        ...

    async def notice_close(self, circle: str, notice: str) -> None:
        """Take a notice back: it leads nowhere any more. Refused: no_such_notice."""
        ...

    async def door(self, circle: str, who: str | None) -> Sequence[DoorLineView]:
        """Return what was said at the door; `who` None: with the one there is.

        Raises:
            Refused: nobody_waiting, ambiguous_name.
        """
        ...

    async def door_say(self, circle: str, who: str | None, text: str) -> None:
        """Say something through the door.

        Raises:
            Refused: nobody_waiting, ambiguous_name, text_empty, text_too_long, door_said_enough.
        """
        ...
