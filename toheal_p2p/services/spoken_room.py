"""A room of the local network as the place where an inviter waits for whoever has a spoken code.

```
  announced   under a label that the number gives: anybody who tries numbers finds it
  a guest     connects, is told the offer, and may try once:
                announcement -->  <-- approach   answer -->  <-- proof   handover, content -->
```
Answers go back on the connection they were asked on. Whoever connects and says anything else, or
nothing, is put out and has cost the code nothing.

Spec: docs/protocol/spoken.md, section 8.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final

import trio
from attrs import define, field

from toheal_p2p.ports.lan import Lan, LanFailed, LanStream, Segment, Spot
from toheal_p2p.ports.spoken_places import Claim
from toheal_p2p.services.lan_doorstep import Doorstep
from toheal_p2p.services.lan_presence import close_stream, on_every_segment, read_exactly
from toheal_protocol.crypto import Entropy
from toheal_protocol.errors import MalformedFrame, RemoteError
from toheal_protocol.machines.lan_names import Names, draw_names, room_label
from toheal_protocol.machines.spoken_keys import Channel, room_channel
from toheal_protocol.messages.spoken import (
    SPOKEN_FRAME_SIZE,
    OfferId,
    RunId,
    SpokenAnnouncement,
    SpokenApproach,
    SpokenHandover,
    SpokenProof,
    Way,
    decode_spoken,
    encode_spoken,
)
from toheal_protocol.wire.codec import prefixed16

OPEN_LONGEST: Final = 3.0
"""Seconds to begin being announced on the first network."""

WORD_LONGEST: Final = 5.0
"""Seconds a guest has for each frame: the program on the other side asks nobody."""

SEAT_LONGEST: Final = 10.0
"""Seconds for making the seat and handing it over."""

RUNS_OF_ONE: Final = 6
"""Tries from one address: two people's on one machine. A code takes sixteen in all, and one stranger
must not use them up with tries that are never finished."""

_NO_WAY: Final = Way(b"")
"""Answers go back on the connection they were asked on."""


@define(eq=False)
class _Guest:
    """Somebody who is connected."""

    host: str
    to_say: trio.MemorySendChannel[bytes]


@define(eq=False)
class RoomPlace:
    """Fulfils `ports.spoken_places.SpokenPlace` on the networks of one room.

    Args:
        interfaces: names of the interfaces to be found on; empty: all there are.
        content: what lies behind the link that is handed over, sealed; empty: it lies at a relay.
        ends: when the room closes, by the clock of trio.
    """

    lan: Lan
    entropy: Entropy
    interfaces: frozenset[str]
    content: Callable[[], bytes]
    ends: float = math.inf
    _guests: dict[RunId, _Guest] = field(factory=dict, init=False)
    _runs_of: Counter[str] = field(factory=Counter, init=False)
    _doorstep: Doorstep = field(factory=Doorstep, init=False)
    _announced: trio.CancelScope = field(factory=trio.CancelScope, init=False)
    _all: trio.CancelScope = field(init=False)
    _hello: bytes = field(default=b"", init=False)
    _arrived: Callable[[bytes], None] | None = field(default=None, init=False)
    _nursery: trio.Nursery | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self._all = trio.CancelScope(deadline=self.ends)

    def channel(self, nameplate: str) -> Channel:
        """Return what a run in a room of this number is bound to."""
        return room_channel(nameplate)

    async def run(
        self,
        arrived: Callable[[bytes], None],
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve until cancelled or closed."""
        self._arrived = arrived
        with self._all:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                task_status.started()
                await trio.sleep_forever()

    async def claim(self, nameplate: str, offer: OfferId) -> Claim:
        """Be announced under a number.

        Another offer of the same number in this room is not looked for: whoever answers for it could
        as well be somebody who wants to keep us from every number. Joiners try both.
        """
        self.withdraw()
        self._hello = encode_spoken(SpokenAnnouncement(offer, _NO_WAY))
        names = draw_names(room_label(nameplate), self.entropy)
        is_open = trio.Event()
        self._announced = trio.CancelScope()
        if self._nursery is not None:
            self._nursery.start_soon(self._be_announced, self._announced, names, is_open)
            with trio.move_on_after(OPEN_LONGEST):
                await is_open.wait()
        return "ours" if is_open.is_set() else "unreachable"

    def answer(self, way: Way, frame: bytes) -> None:
        """Send a frame to whoever began its run, if they are still connected."""
        message = decode_spoken(frame)
        if isinstance(message, SpokenAnnouncement) or message.run not in self._guests:
            return
        if isinstance(message, SpokenHandover):
            frame += prefixed16(self.content())
        with suppress(trio.WouldBlock, trio.BrokenResourceError):
            self._guests[message.run].to_say.send_nowait(frame)

    def withdraw(self) -> None:
        """Be announced no more, and let nobody else in; guests stay."""
        self._announced.cancel()

    def close(self) -> None:
        """Say not one word more."""
        self._all.cancel()

    async def _be_announced(
        self, scope: trio.CancelScope, names: Names, is_open: trio.Event
    ) -> None:
        with scope:
            await on_every_segment(
                self.lan, self.interfaces, partial(self._be_at, names=names, is_open=is_open)
            )

    async def _be_at(self, segment: Segment, *, names: Names, is_open: trio.Event) -> None:
        spot = await self.lan.open(segment, names)
        try:
            is_open.set()
            await self._accept(spot)
        finally:
            with trio.CancelScope(shield=True):
                await spot.aclose()

    async def _accept(self, spot: Spot) -> None:
        while True:
            stream = await spot.accept()
            if self._nursery is not None and self._doorstep.may_enter(stream.host):
                self._nursery.start_soon(self._entertain, stream)
            else:
                await stream.aclose()

    async def _entertain(self, stream: LanStream) -> None:
        try:
            async with trio.open_nursery() as nursery:
                await self._take_one_try(stream, nursery)
                nursery.cancel_scope.cancel()
        except* (LanFailed, RemoteError, trio.TooSlowError):
            pass  # they went, or said something that is not a try
        finally:
            self._doorstep.leave(stream.host)
            await close_stream(stream)

    async def _take_one_try(self, stream: LanStream, nursery: trio.Nursery) -> None:
        """Say what is on offer, and take one approach and one proof.

        Raises:
            LanFailed, RemoteError, trio.TooSlowError: there will be no try.
        """
        to_say, saying = trio.open_memory_channel[bytes](3)
        guest = _Guest(stream.host, to_say)
        nursery.start_soon(_say, saying, stream)
        to_say.send_nowait(self._hello)
        frame = await _hear(stream)
        run = self._begin(guest, frame)
        try:
            self._hand_on(frame)
            frame = await _hear(stream)
            if not isinstance(proof := decode_spoken(frame), SpokenProof) or proof.run != run:
                raise MalformedFrame("not the proof of this try")
            self._hand_on(frame)
            with trio.move_on_after(SEAT_LONGEST):
                await stream.receive_some(1)  # they close when they have what they came for
        finally:
            del self._guests[run]

    def _begin(self, guest: _Guest, frame: bytes) -> RunId:
        """Note whose try this is.

        Raises:
            MalformedFrame: it is no approach, one of somebody else's, or one too many.
        """
        approach = decode_spoken(frame)
        if not isinstance(approach, SpokenApproach) or approach.way != _NO_WAY:
            raise MalformedFrame("not an approach in a room")
        if approach.run in self._guests or self._runs_of[guest.host] >= RUNS_OF_ONE:
            raise MalformedFrame("one approach too many")
        self._runs_of[guest.host] += 1
        self._guests[approach.run] = guest
        return approach.run

    def _hand_on(self, frame: bytes) -> None:
        if self._arrived is not None:
            self._arrived(frame)


async def _hear(stream: LanStream) -> bytes:
    with trio.fail_after(WORD_LONGEST):
        return await read_exactly(stream, SPOKEN_FRAME_SIZE)


async def _say(saying: trio.MemoryReceiveChannel[bytes], stream: LanStream) -> None:
    async for frame in saying:
        await stream.send_all(frame)
