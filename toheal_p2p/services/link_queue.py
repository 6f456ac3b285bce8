"""What waits on either side of a link: frames for which it has no room yet, and those that came.

A link takes so many frames and then says that it is full. The circle's machine does not wait: what
it sends lies here, in order, and goes on as the link finds room.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import trio
from attrs import define, field

from toheal_p2p.services.link import Link
from toheal_protocol.model import Frame

OUTGOING_MOST: Final = 4096
"""Frames that may wait for room on a link. The machine hands over 384 at most before it hears of
them, and acknowledgements; beyond this, frames are dropped and sent again later."""


@define(eq=False)
class LinkQueue:
    """Frames that wait for room on one link."""

    link: Link
    _waiting: deque[Frame] = field(factory=deque, init=False, repr=False)
    _has_waiting: trio.Event = field(factory=trio.Event, init=False, repr=False)

    def send(self, frames: Sequence[Frame]) -> None:
        """Send frames in order, at once as far as there is room."""
        for frame in frames:
            if self._waiting or not self._is_taken(frame):
                if len(self._waiting) < OUTGOING_MOST:
                    self._waiting.append(frame)
                self._has_waiting.set()

    async def feed(self) -> None:
        """Hand over in order what waits for room, until the link closes."""
        with suppress(trio.ClosedResourceError):
            while True:
                while not self._waiting:
                    self._has_waiting = trio.Event()
                    await self._has_waiting.wait()
                await self.link.room()
                while self._waiting and self._is_taken(self._waiting[0]):
                    self._waiting.popleft()

    async def quiet(self) -> None:
        """Wait until nothing waits here or in the link.

        Raises:
            trio.ClosedResourceError: the link is over or draining.
        """
        await self.link.room(below=1)
        while self._waiting:
            await self.link.room(below=1)

    def _is_taken(self, frame: Frame) -> bool:
        try:
            self.link.send_nowait(frame)
        except trio.WouldBlock:
            return False
        except trio.ClosedResourceError:
            return True  # the link is over: the machine hears of it and starts over
        return True


def take_more(link: Link) -> tuple[Frame, ...]:
    """Return what else has arrived: one decision and one acknowledgement for all of it."""
    more: list[Frame] = []
    with suppress(trio.WouldBlock, trio.EndOfChannel):
        while True:
            more.extend(link.incoming.receive_nowait())
    return tuple(more)
