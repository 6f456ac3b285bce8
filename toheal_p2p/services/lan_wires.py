"""The wires of one circle: links to members who were recognised in the same room.

A wire is a link over a stream. It begins and ends by itself; the circle's machine hears of it with
`LanMet` and `LanParted` and sends over it as long as it stands. A wire of somebody who has shown no
more than the link of an invitation leads to nobody until the machine has named them.

Spec: docs/protocol/lan.md, sections 4.2, 5, 6 and 8.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Final

import trio
from attrs import define, field

from toheal_p2p.ports.channels import ChannelFailed
from toheal_p2p.services.committer import Committer
from toheal_p2p.services.lan_channel import LanChannel
from toheal_p2p.services.link import Link
from toheal_p2p.services.link_queue import LinkQueue, take_more
from toheal_protocol.machines import events as machine
from toheal_protocol.model import Frame, MemberId
from toheal_protocol.wire.link_record import LinkKeys

BOTH_YOUNG: Final = 3.0
"""Seconds within which two wires to one member count as made by both sides at once."""


UNNAMED_LONGEST: Final = 10.0
"""Seconds in which somebody at the door has to say who they are."""

MOST_UNNAMED: Final = 8
"""Wires that lead to nobody yet, at one time."""


@define(eq=False)
class _Wire:
    """`known_as`: as whom they were recognised; `member` is None until they are named."""

    number: int
    known_as: MemberId
    member: MemberId | None
    link: Link
    exporter: bytes = field(repr=False)
    since: float
    scope: trio.CancelScope = field(factory=trio.CancelScope)
    outgoing: LinkQueue = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self.outgoing = LinkQueue(self.link)


@define(eq=False)
class LanWires:
    """Who of one circle is reached in the room just now.

    Attributes:
        take: gives the circle's machine an event.
    """

    take: Callable[[machine.Event], object]
    committer: Committer
    _wires: dict[MemberId, _Wire] = field(factory=dict, init=False)
    _unnamed: dict[int, _Wire] = field(factory=dict, init=False)
    _numbers: count[int] = field(factory=lambda: count(1), init=False)

    def link_of(self, member: MemberId) -> Link | None:
        """Return the link to a member in the room, or to somebody recognised as this."""
        wire = self._wires.get(member)
        if wire is None:
            others = (*self._wires.values(), *self._unnamed.values())
            wire = next((one for one in others if one.known_as == member), None)
        return None if wire is None else wire.link

    def outgoing_to(self, member: MemberId) -> LinkQueue | None:
        """Return what waits to go over the wire to a member."""
        wire = self._wires.get(member)
        return None if wire is None else wire.outgoing

    def members(self) -> tuple[MemberId, ...]:
        """Return who is in the room."""
        return tuple(self._wires)

    def send(self, member: MemberId, frames: tuple[Frame, ...]) -> bool:
        """Send frames in order; False when there is no wire."""
        wire = self._wires.get(member)
        if wire is None:
            return False
        wire.outgoing.send(frames)
        return True

    def close(self, member: MemberId, number: int) -> None:
        """End this wire, if it still stands."""
        wire = self._wires.get(member)
        if wire is not None and wire.number == number:
            wire.scope.cancel()

    def name(self, number: int, member: MemberId) -> None:
        """Let a wire that led to nobody lead to this person from now on."""
        wire = self._unnamed.pop(number, None)
        if wire is None:
            self.take(machine.LanParted(member, number))  # it ended in the meantime
            return
        wire.member = member
        other = self._wires.get(member)
        if other is not None:
            other.scope.cancel()
        self._wires[member] = wire

    async def drain(self) -> None:
        """Let both sides of every wire take what is on its way. Put a deadline around it."""
        async with trio.open_nursery() as nursery:
            for wire in self._wires.values():
                nursery.start_soon(wire.link.drain)

    async def serve(
        self, member: MemberId, channel: LanChannel, keys: LinkKeys, *, invitation: bytes = b""
    ) -> None:
        """Run a wire from its proof to its end. Closes the channel.

        Args:
            member: as whom they were recognised.
            invitation: whose link they hold, if that is all they have shown.
        """
        link = Link(channel, keys)
        with suppress(ChannelFailed):
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(channel.run)
                    await self._serve(member, link, channel.exporter, invitation)
                    nursery.cancel_scope.cancel()
            except* ChannelFailed:
                pass  # it never proved itself: there was no wire

    async def _serve(
        self, known_as: MemberId, link: Link, exporter: bytes, invitation: bytes
    ) -> None:
        member = None if invitation else known_as
        wire = _Wire(next(self._numbers), known_as, member, link, exporter, trio.current_time())
        with wire.scope:
            async with trio.open_nursery() as nursery:
                await nursery.start(link.run)
                if not self._may_stand(wire):
                    nursery.cancel_scope.cancel()
                    return
                nursery.start_soon(wire.outgoing.feed)
                try:
                    self._begin(wire, nursery)
                    async for frames in link.incoming:
                        self.take(_arrived(wire, invitation, frames + take_more(link)))
                        await self.committer.room()
                finally:
                    self._forget(wire)
                nursery.cancel_scope.cancel()

    def _begin(self, wire: _Wire, nursery: trio.Nursery) -> None:
        if wire.member is None:
            self._unnamed[wire.number] = wire
            nursery.start_soon(_await_name, wire)
        else:
            self._wires[wire.member] = wire
            self.take(machine.LanMet(wire.member, wire.number))

    def _may_stand(self, wire: _Wire) -> bool:
        """Let one wire to a member stand: the newer, or of two at once the same one on both sides."""
        if wire.member is None:
            return len(self._unnamed) < MOST_UNNAMED
        other = self._wires.get(wire.member)
        if other is None:
            return True
        if wire.since - other.since < BOTH_YOUNG and other.exporter < wire.exporter:
            return False
        other.scope.cancel()
        return True

    def _forget(self, wire: _Wire) -> None:
        self._unnamed.pop(wire.number, None)
        if wire.member is None:
            return
        if self._wires.get(wire.member) is wire:
            del self._wires[wire.member]
        self.take(machine.LanParted(wire.member, wire.number))


def _arrived(wire: _Wire, invitation: bytes, frames: tuple[Frame, ...]) -> machine.Event:
    if wire.member is None:
        return machine.LanKnocked(invitation, wire.number, frames)
    return machine.LanArrived(wire.member, frames)


async def _await_name(wire: _Wire) -> None:
    """Close a wire whose other end does not say who it is."""
    await trio.sleep(UNNAMED_LONGEST)
    if wire.member is None:
        wire.scope.cancel()
