"""One circle in one room: while it runs, members who also meet here find and recognise each other.

```
  segments, looked at every few seconds          an interface came, or is gone
     spot: hears adverts, listens                  a new one each day, with new names
        adverts heard  -> pursue: connect, recognise, serve the wire
        streams accepted -> recognise, serve the wire
```
Everything that comes in was chosen by strangers: it is bounded in number, size and time.

Spec: docs/protocol/lan.md, sections 3 and 4.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import trio
from attrs import define, evolve, field

from toheal_p2p.ports.lan import Lan, LanFailed, LanStream, Segment, Spot
from toheal_p2p.services.circle import CircleService
from toheal_p2p.services.lan_channel import LanChannel
from toheal_p2p.services.lan_doorstep import Doorstep, recognise
from toheal_p2p.services.lan_spot import Being
from toheal_protocol.crypto import Entropy
from toheal_protocol.machines import lan_discovery as discovery
from toheal_protocol.machines.lan_keys import (
    circle_lan_secret,
    day_of,
    known_peers,
    labels_around,
)
from toheal_protocol.machines.lan_recognition import Recognised, Role
from toheal_protocol.machines.state import Stage
from toheal_protocol.model import Instant, MemberId, WallTime
from toheal_protocol.wire.lan_dns import Advert

LOOK_EVERY: Final = 3.0
"""Seconds between looks at which networks there are: who has left the room is noticed that soon."""

CONNECT_LONGEST: Final = 3.0
"""Seconds a machine on the same network gets to take a connection."""

OTHER_SIDE_FIRST: Final = 2.0
"""Seconds that the one with the higher instance name waits for the other one's connection."""

RETRY_FIRST: Final = 5.0
"""Seconds until somebody who was nobody we know is tried again; doubles each time."""

RETRY_LONGEST: Final = 60.0
"""Seconds between two tries at most."""

FORGOTTEN_AFTER: Final = 150.0
"""Seconds after which an instance that is not heard any more is forgotten."""

MOST_FOUND: Final = 64
"""Instances that are pursued; a room of ours has 23 at most."""

MOST_CALLS: Final = 8
"""Connections we are making at one time."""


@define(eq=False)
class _Found:
    """Somebody who listens under one of our labels."""

    heard_at: float
    places: dict[Segment, tuple[str, int]] = field(factory=dict)
    member: MemberId | None = None
    is_strange: bool = False
    scope: trio.CancelScope = field(factory=trio.CancelScope)


@define(eq=False)
class _Place:
    """What we do on one segment."""

    scope: trio.CancelScope = field(factory=trio.CancelScope)
    is_begun: bool = False
    open: Spot | None = None
    wires: set[trio.CancelScope] = field(factory=set)


@define(eq=False)
class LanMeeting:
    """`run` it as long as the person has "meet here" open for this circle.

    Attributes:
        interfaces: names of the interfaces to meet on; empty: all there are.
    """

    lan: Lan
    service: CircleService
    entropy: Entropy
    wall_clock: Callable[[], WallTime]
    interfaces: frozenset[str] = frozenset()
    others_heard: int = field(default=0, init=False)
    """Packets of other machines on our networks, of whatever kind: none at all is suspicious."""
    _places: dict[Segment, _Place] = field(factory=dict, init=False)
    _found: dict[str, _Found] = field(factory=dict, init=False)
    _advert: Advert = field(init=False, repr=False)
    _labels: tuple[str, ...] = field(default=(), init=False, repr=False)
    _day: int = field(default=-1, init=False)
    _doorstep: Doorstep = field(factory=Doorstep, init=False)
    _calls: trio.CapacityLimiter = field(
        factory=lambda: trio.CapacityLimiter(MOST_CALLS), init=False
    )
    _withdrawn: trio.Event = field(factory=trio.Event, init=False, repr=False)
    _nursery: trio.Nursery | None = field(default=None, init=False)

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The networks on which we are to be found now."""
        return tuple(at for at, place in self._places.items() if place.open is not None)

    async def run(self) -> None:
        """Meet until withdrawn, or until we left the circle, and the last wire has ended.

        Cancelled, it ends every wire at once.
        """
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            while not self._withdrawn.is_set():
                if self.service.circle.cold.stage is not Stage.ACTIVE:
                    break
                self._turn_day()
                self._follow_segments(nursery)
                with trio.move_on_after(LOOK_EVERY):
                    await self._withdrawn.wait()
            self._disappear()

    def withdraw(self) -> None:
        """Be found no more, and find nobody; wires stay."""
        self._withdrawn.set()
        self._disappear()

    # ---- where

    def _turn_day(self) -> None:
        """Take new names when the day turns; what is connected stays."""
        day = day_of(self.wall_clock())
        if day == self._day:
            return
        self._day = day
        secret = circle_lan_secret(self.service.circle.cold.id)
        self._labels = labels_around(secret, day)
        draw = discovery.draw_name
        self._advert = Advert(self._labels[0], draw(self.entropy), draw(self.entropy), 0)
        self._disappear()

    def _disappear(self) -> None:
        for place in self._places.values():
            place.scope.cancel()
        for found in self._found.values():
            found.scope.cancel()
        self._found.clear()

    def _follow_segments(self, nursery: trio.Nursery) -> None:
        present = {
            segment
            for segment in self.lan.segments()
            if not self.interfaces or segment.name in self.interfaces
        }
        for segment in [one for one in self._places if one not in present]:
            gone = self._places.pop(segment)
            for scope in (gone.scope, *gone.wires):
                scope.cancel()
        for segment in present:
            place = self._places.setdefault(segment, _Place())
            if not place.is_begun:
                place.is_begun, place.scope = True, trio.CancelScope()
                nursery.start_soon(self._be_at, segment, place)

    async def _be_at(self, segment: Segment, place: _Place) -> None:
        """Be on one network until it is gone or the day turns; then the next look begins anew."""
        try:
            with place.scope:
                await self._open(segment, place)
        except* LanFailed:
            pass  # the network is gone, or lets nobody speak
        finally:
            place.is_begun, place.open = False, None

    async def _open(self, segment: Segment, place: _Place) -> None:
        place.open = spot = await self.lan.open(segment)
        advert = evolve(self._advert, port=spot.port)
        being = Being(
            spot=spot,
            presence=discovery.appear(advert, self._labels, now=Instant(trio.current_time())),
            entropy=self.entropy,
            find=partial(self._find, segment),
            note=partial(self._note, segment),
        )
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(being.run)
                nursery.start_soon(self._accept, spot, place)
        finally:
            with trio.CancelScope(shield=True):
                await spot.aclose()

    def _note(self, segment: Segment, host: str) -> None:
        self.others_heard += host != segment.host

    # ---- who

    def _find(self, segment: Segment, advert: Advert, host: str) -> None:
        """Take note of somebody under our labels, and pursue them."""
        found = self._found.get(advert.instance)
        if found is None:
            if not self._has_room() or self._nursery is None:
                return
            found = self._found[advert.instance] = _Found(trio.current_time())
            self._nursery.start_soon(self._pursue, advert.instance, found)
        found.heard_at = trio.current_time()
        found.places[segment] = (host, advert.port)

    def _has_room(self) -> bool:
        """Make room by forgetting somebody who turned out to be nobody we know."""
        if len(self._found) < MOST_FOUND:
            return True
        strange = next((name for name, one in self._found.items() if one.is_strange), None)
        if strange is None:
            return False
        self._found.pop(strange).scope.cancel()
        return True

    async def _pursue(self, instance: str, found: _Found) -> None:
        with found.scope:
            if instance < self._advert.instance:
                await trio.sleep(OTHER_SIDE_FIRST)
            wait = RETRY_FIRST
            while trio.current_time() - found.heard_at < FORGOTTEN_AFTER:
                if not self._is_met(found):
                    was_met = await self._call(found)
                    wait = RETRY_FIRST if was_met else min(2 * wait, RETRY_LONGEST)
                await trio.sleep(wait)
        if self._found.get(instance) is found:
            del self._found[instance]

    def _is_met(self, found: _Found) -> bool:
        return found.member is not None and self.service.lan.link_of(found.member) is not None

    async def _call(self, found: _Found) -> bool:
        """Connect and serve the wire; False when it was nobody we know, or nobody at all."""
        for segment, (host, port) in list(found.places.items()):
            place = self._places.get(segment)
            if place is None or place.open is None:
                del found.places[segment]
                continue
            async with self._calls:
                stream = await _connect(place.open, host, port)
                recognised = None if stream is None else await self._recognise(stream, Role.CALLER)
            if stream is not None and recognised is not None:
                found.member = recognised.member
                self._begin(recognised, stream, place)
                return True
            found.is_strange = stream is not None
        return False

    async def _accept(self, spot: Spot, place: _Place) -> None:
        while True:
            stream = await spot.accept()
            if self._nursery is not None and self._doorstep.may_enter(stream.host):
                self._nursery.start_soon(self._answer, stream, place)
            else:
                await stream.aclose()

    async def _answer(self, stream: LanStream, place: _Place) -> None:
        try:
            recognised = await self._recognise(stream, Role.LISTENER)
        finally:
            self._doorstep.leave(stream.host)
        if recognised is None:
            return
        found = self._found.get(recognised.instance)
        if found is not None:
            found.member = recognised.member
        self._begin(recognised, stream, place)

    async def _recognise(self, stream: LanStream, role: Role) -> Recognised | None:
        cold = self.service.circle.cold
        return await recognise(
            stream,
            role,
            ours=cold.persona.keys.member_id,
            known=known_peers(cold),
            instance=self._advert.instance,
            entropy=self.entropy,
        )

    def _begin(self, recognised: Recognised, stream: LanStream, place: _Place) -> None:
        """Serve the wire beside everything else: it outlives the day's names."""
        if self._nursery is not None:
            self._nursery.start_soon(self._serve, recognised, stream, place)

    async def _serve(self, recognised: Recognised, stream: LanStream, place: _Place) -> None:
        channel = LanChannel(stream, recognised.exporter)
        with trio.CancelScope() as scope:
            place.wires.add(scope)
            try:
                await self.service.lan.serve(recognised.member, channel, recognised.keys)
            finally:
                place.wires.discard(scope)


async def _connect(spot: Spot, host: str, port: int) -> LanStream | None:
    with trio.move_on_after(CONNECT_LONGEST):
        try:
            return await spot.connect(host, port)
        except LanFailed:
            return None
    return None
