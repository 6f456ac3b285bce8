"""Meeting in one room: which circles have "meet here" open, until when, and how it goes.

Nothing of it is kept: after a restart everything is closed.

Docs: docs/command-line.md, section 4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import trio
from attrs import define, field

from toheal_p2p.app.interface import MeetingView
from toheal_p2p.app.network_policy import NetworkPolicy
from toheal_p2p.app.refusals import Refused
from toheal_p2p.app.room import Room
from toheal_p2p.app.running import RunningCircle, find_circle, require_active
from toheal_p2p.app.showing import name_of
from toheal_p2p.app.vocabulary import MeetingState
from toheal_p2p.ports.lan import Lan
from toheal_p2p.services.lan_meeting import MEETS, LanMeeting
from toheal_protocol.model import CircleId

SILENT_AFTER: Final = 20.0
"""Seconds without an announcement of any other machine after which a network is called silent."""

AT_THE_DOOR: Final = 7200
"""Seconds for which somebody who came in by a room meets there: as long as `toheal meet` stays open."""

CLOSING_LONGEST: Final = 2.0
"""Seconds for what is on its way when it closes. What is left is owed and comes later."""


@define(eq=False)
class _Open:
    """One circle that has it open."""

    meeting: LanMeeting
    since: float
    until: int
    ends: float
    closing: trio.Event = field(factory=trio.Event)
    closed: trio.Event = field(factory=trio.Event)
    scope: trio.CancelScope = field(factory=trio.CancelScope)
    """Cancelled when not one word more may be said on the local network."""


@define(eq=False)
class Meetings:
    """Fulfils `MeetingInterface`. Without a `lan` it refuses to open, and while the policy says no."""

    network: NetworkPolicy
    lan: Lan | None = None
    room: Room = field(init=False)
    _open: dict[CircleId, _Open] = field(factory=dict, init=False)
    _running: Mapping[CircleId, RunningCircle] = field(factory=dict, init=False)
    _nursery: trio.Nursery | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self.room = Room(self.network, self.lan)
        self.network.on_change(self._close_at_once_if_forbidden)

    async def run(self, running: Mapping[CircleId, RunningCircle]) -> None:
        """Serve until cancelled."""
        self._running = running
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            await trio.sleep_forever()

    async def open(
        self, circle: str | None, *, seconds: int, interfaces: Sequence[str], room: bool = False
    ) -> Sequence[MeetingView]:
        """Open it for a circle, or for every active one; and perhaps for newcomers."""
        lan = self.room.require_lan()
        names = {segment.name for segment in lan.segments()}
        for name in interfaces:
            if name not in names:
                raise Refused("no_such_interface", name=name[:64])
        chosen = self._chosen(circle, may_be_none=room)
        await self._close(chosen)
        for running in chosen:
            self._begin(running, lan, seconds=seconds, interfaces=frozenset(interfaces))
        if room:
            self.room.open(seconds=seconds, interfaces=frozenset(interfaces))
        await trio.lowlevel.checkpoint()
        return await self.views()

    def open_beside(self, running: RunningCircle) -> None:
        """Meet in a circle that somebody comes into from this room, unless it is open already.

        It is open as long as the room is, or for two hours where we only looked around in it.
        """
        if running.service.circle.cold.id in self._open or not self.network.may_use_lan:
            return
        seconds = self.room.seconds_left or AT_THE_DOOR
        lan = self.room.require_lan()
        self._begin(running, lan, seconds=seconds, interfaces=self.room.interfaces)

    def _begin(
        self, running: RunningCircle, lan: Lan, *, seconds: int, interfaces: frozenset[str]
    ) -> None:
        if self._nursery is None:
            raise Refused("not_supported_here")
        service = running.service
        meeting = LanMeeting(lan, service, service.entropy, service.wall_clock, interfaces)
        now = trio.current_time()
        opened = _Open(meeting, now, service.wall_clock() + seconds, now + seconds)
        self._open[service.circle.cold.id] = opened
        self._nursery.start_soon(self._meet, service.circle.cold.id, opened)

    async def close(self, circle: str | None) -> None:
        """Close it for a circle, or altogether."""
        if circle is None:
            self.room.close()
            await self._close(list(self._running.values()))
        else:
            await self._close([find_circle(circle, self._running)])

    async def views(self) -> Sequence[MeetingView]:
        """Return how it goes, for every active circle."""
        await trio.lowlevel.checkpoint()
        return [self._view(running) for running in self._active()]

    def _active(self) -> list[RunningCircle]:
        running = self._running.values()
        colds = [(one, one.service.circle.cold) for one in running]
        return [one for one, cold in colds if cold.stage in MEETS and not cold.porch_of]

    def _chosen(self, circle: str | None, *, may_be_none: bool) -> list[RunningCircle]:
        if circle is not None:
            found = find_circle(circle, self._running)
            return [found if found.service.circle.cold.stage in MEETS else require_active(found)]
        if not (active := self._active()) and not may_be_none:
            raise Refused("no_such_circle", name="")
        return active

    async def _close(self, circles: Sequence[RunningCircle]) -> None:
        for running in circles:
            opened = self._open.get(running.service.circle.cold.id)
            if opened is not None:
                opened.closing.set()
                await opened.closed.wait()

    def _close_at_once_if_forbidden(self) -> None:
        if not self.network.may_use_lan:
            for opened in self._open.values():
                opened.scope.cancel()

    async def _meet(self, circle: CircleId, opened: _Open) -> None:
        meeting = opened.meeting
        try:
            with opened.scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_run, meeting, opened.closing)
                    with trio.move_on_at(opened.ends):
                        await opened.closing.wait()
                    meeting.withdraw()
                    with trio.move_on_after(CLOSING_LONGEST):
                        await meeting.service.lan.drain()
                    nursery.cancel_scope.cancel()
        finally:
            if self._open.get(circle) is opened:
                del self._open[circle]
            opened.closed.set()

    def _view(self, running: RunningCircle) -> MeetingView:
        cold = running.service.circle.cold
        opened = self._open.get(cold.id)
        segments = () if opened is None else opened.meeting.segments
        met = running.service.lan.members()
        return MeetingView(
            circle=cold.id.hex(),
            circle_name=cold.name,
            state=_state(opened, is_met=bool(met)),
            until=0 if opened is None else opened.until,
            networks=tuple(f"{segment.name} {segment.host}" for segment in segments),
            met=tuple(name_of(cold, member) for member in met),
            room_until=self._room_until(running),
        )

    def _room_until(self, running: RunningCircle) -> int:
        left = self.room.seconds_left
        return running.service.wall_clock() + left if left else 0


async def _run(meeting: LanMeeting, ended: trio.Event) -> None:
    await meeting.run()
    ended.set()


def _state(opened: _Open | None, *, is_met: bool) -> MeetingState:
    if opened is None:
        return "closed"
    if is_met:
        return "met"
    age = trio.current_time() - opened.since
    if not opened.meeting.segments and age > 1:
        return "no_network"
    is_silent = age > SILENT_AFTER and not opened.meeting.has_heard_others
    return "silent" if is_silent else "searching"
