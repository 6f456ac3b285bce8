"""One circle in one room: while it runs, members who also meet here find and recognise each other.

```
  segments, looked at every few seconds          an interface came, or is gone
     spot: announced, hears, listens               a new one each day, with new names
        somebody appeared -> pursue: connect, recognise, serve the wire
        streams accepted  -> recognise, serve the wire
```
Everything that comes in was chosen by strangers: it is bounded in number, size and time.

Spec: docs/protocol/lan.md, sections 3 and 4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import trio
from attrs import define, field

from toheal_p2p.ports.lan import Appeared, Lan, LanFailed, LanStream, Segment, Spot, Vanished
from toheal_p2p.services.circle import CircleService
from toheal_p2p.services.lan_channel import LanChannel
from toheal_p2p.services.lan_doorstep import MOST_OF_ONE, Doorstep, recognise
from toheal_p2p.services.lan_pace import Pace
from toheal_protocol.crypto import Entropy
from toheal_protocol.machines.lan_keys import PairKey, known_peers, labels_of, our_name
from toheal_protocol.machines.lan_names import Names, draw_names
from toheal_protocol.machines.lan_recognition import Recognised, Role
from toheal_protocol.machines.state import Stage
from toheal_protocol.model import MemberId, WallTime

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

MEETS: Final = (Stage.ACTIVE, Stage.KNOCKING)
"""Members meet, and whoever stands at the door meets the one who invited."""

SAY_AGAIN: Final = 6.0
"""Seconds after which somebody at a door whom nobody called is announced anew."""

MOST_FOUND: Final = 64
"""Instances that are pursued; a room of ours has 23 at most."""

MOST_CALLS: Final = 8
"""Connections we are making at one time."""


@define(eq=False)
class _Found:
    """Somebody who listens under our label, or so somebody says."""

    places: dict[Segment, tuple[str, int]] = field(factory=dict)
    member: MemberId | None = None
    is_strange: bool = False
    scope: trio.CancelScope = field(factory=trio.CancelScope)

    def is_at(self, host: str) -> bool:
        """Say whether they are announced at this address."""
        return any(place[0] == host for place in self.places.values())


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
    _places: dict[Segment, _Place] = field(factory=dict, init=False)
    _found: dict[str, _Found] = field(factory=dict, init=False)
    _names: Names = field(init=False, repr=False)
    _labels: tuple[str, ...] = field(default=(), init=False)
    _say_again_at: float = field(default=0.0, init=False)
    _heard_before: bool = field(default=False, init=False)
    _doorstep: Doorstep = field(factory=Doorstep, init=False)
    _pace: Pace = field(factory=Pace, init=False)
    _calls: trio.CapacityLimiter = field(
        factory=lambda: trio.CapacityLimiter(MOST_CALLS), init=False
    )
    _known: frozenset[PairKey] = field(default=frozenset(), init=False, repr=False)
    _knows_more: trio.Event = field(factory=trio.Event, init=False, repr=False)
    _withdrawn: trio.Event = field(factory=trio.Event, init=False, repr=False)
    _nursery: trio.Nursery | None = field(default=None, init=False)

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The networks on which we are to be found now."""
        return tuple(at for at, place in self._places.items() if place.open is not None)

    @property
    def has_heard_others(self) -> bool:
        """Whether any other machine announced anything on our networks: none at all is suspicious."""
        spots = [place.open for place in self._places.values() if place.open is not None]
        return self._heard_before or any(spot.has_heard_others for spot in spots)

    async def run(self) -> None:
        """Meet until withdrawn, or until we left the circle, and the last wire has ended.

        Cancelled, it ends every wire at once.
        """
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            while not self._withdrawn.is_set():
                if self.service.circle.cold.stage not in MEETS:
                    break
                self._note_whom_we_know()
                self._follow_labels()
                if self._labels:
                    self._follow_segments(nursery)
                with trio.move_on_after(LOOK_EVERY):
                    await self._withdrawn.wait()
            self._disappear()

    def withdraw(self) -> None:
        """Be found no more, and find nobody; wires stay."""
        self._withdrawn.set()
        self._disappear()

    # ---- where

    def _follow_labels(self) -> None:
        """Take new names when the day turns or the secret changes; what is connected stays."""
        labels = labels_of(self.service.circle.cold, wall_now=self.wall_clock())
        if labels == self._labels and not self._must_say_it_again():
            return
        if labels[:1] != self._labels[:1]:
            self._names = draw_names(labels[0], self.entropy)
        self._labels = labels
        self._say_again_at = trio.current_time() + SAY_AGAIN
        self._disappear()

    def _must_say_it_again(self) -> bool:
        """At a door we are only listened for: we are announced anew until somebody has called."""
        is_unheard = not self.service.lan.members() and trio.current_time() >= self._say_again_at
        return self.service.circle.cold.stage is Stage.KNOCKING and is_unheard

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
        place.open = spot = await self.lan.open(segment, self._names, heard=self._labels[1:])
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._hear, segment, spot)
                nursery.start_soon(self._accept, spot, place)
        finally:
            self._heard_before = self._heard_before or spot.has_heard_others
            with trio.CancelScope(shield=True):
                await spot.aclose()

    # ---- who

    def _note_whom_we_know(self) -> None:
        """Try those again who were nobody, when we were introduced to somebody or somebody knocks."""
        known = frozenset(one.key for one in known_peers(self.service.circle.cold))
        if known - self._known:
            self._knows_more.set()
            self._knows_more = trio.Event()
        self._known = known

    async def _hear(self, segment: Segment, spot: Spot) -> None:
        while True:
            match await spot.hear():
                case Appeared() as appeared:
                    self._find(segment, appeared)
                case Vanished(instance):
                    self._lose(instance)

    def _find(self, segment: Segment, appeared: Appeared) -> None:
        """Take note of somebody under our label, and pursue them."""
        if appeared.instance == self._names.instance:
            return
        found = self._found.get(appeared.instance)
        if found is None:
            if not self._has_room(appeared.host) or self._nursery is None:
                return
            found = self._found[appeared.instance] = _Found()
            self._nursery.start_soon(self._pursue, appeared.instance, found)
        found.places[segment] = (appeared.host, appeared.port)

    def _lose(self, instance: str) -> None:
        """Pursue somebody no more; their wire stays."""
        found = self._found.pop(instance, None)
        if found is not None:
            found.scope.cancel()

    def _has_room(self, host: str) -> bool:
        """Make room by forgetting somebody who turned out to be nobody we know.

        One address has a few places only, so whoever floods from one keeps nobody else out.
        """
        there = [name for name, one in self._found.items() if one.is_at(host)]
        if len(there) < MOST_OF_ONE:
            if len(self._found) < MOST_FOUND:
                return True
            there = list(self._found)
        strange = next((name for name in there if self._found[name].is_strange), None)
        if strange is not None:
            self._lose(strange)
        return strange is not None

    async def _pursue(self, instance: str, found: _Found) -> None:
        with found.scope:
            if instance < self._names.instance:
                await trio.sleep(OTHER_SIDE_FIRST)
            wait = RETRY_FIRST
            while True:
                if not self._is_met(found):
                    was_met = await self._call(found)
                    wait = RETRY_FIRST if was_met else min(2 * wait, RETRY_LONGEST)
                with trio.move_on_after(wait):
                    await self._knows_more.wait()
                    wait = RETRY_FIRST

    def _is_met(self, found: _Found) -> bool:
        return found.member is not None and self.service.lan.link_of(found.member) is not None

    async def _call(self, found: _Found) -> bool:
        """Connect and serve the wire; False when it was nobody we know, or nobody at all."""
        for segment, (host, port) in list(found.places.items()):
            place = self._places.get(segment)
            spot = None if place is None else place.open
            if place is None or spot is None:
                del found.places[segment]
                continue
            await self._pace.turn(host)
            async with self._calls:
                stream = await _connect(spot, host, port)
                recognised = None if stream is None else await self._recognise(stream, Role.CALLER)
            if stream is not None and recognised is not None:
                found.member, found.is_strange = recognised.member, False
                self._begin(recognised, stream, place)
                return True
        found.is_strange = True
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
            found.member, found.is_strange = recognised.member, False
        self._begin(recognised, stream, place)

    async def _recognise(self, stream: LanStream, role: Role) -> Recognised | None:
        cold = self.service.circle.cold
        return await recognise(
            stream,
            role,
            ours=our_name(cold),
            known=known_peers(cold),
            instance=self._names.instance,
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
                await self.service.lan.serve(
                    recognised.member,
                    channel,
                    recognised.keys,
                    invitation=recognised.invitation,
                )
            finally:
                place.wires.discard(scope)


async def _connect(spot: Spot, host: str, port: int) -> LanStream | None:
    with trio.move_on_after(CONNECT_LONGEST):
        try:
            return await spot.connect(host, port)
        except LanFailed:
            return None
    return None
