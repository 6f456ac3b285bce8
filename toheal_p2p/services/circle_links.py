"""The links of one circle: prepared, connected, fed and closed as its machine asks.

Several may be there for one member: the one that frames go over, one that is being opened beside
it, and an older one that lets what is on its way arrive. Each has its attempt's name, and each
ends with one `LinkClosed`, whatever ended it.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import trio
from attrs import define, field

from toheal_p2p.ports.channels import (
    Channel,
    ChannelFailed,
    Channels,
    PreparedChannel,
    RelayServer,
)
from toheal_p2p.services.contained_channel import ContainedChannel
from toheal_p2p.services.link import Link
from toheal_p2p.services.link_queue import LinkQueue, take_more
from toheal_protocol.machines import events as machine
from toheal_protocol.model import Frame, MemberId

DRAIN_LONGEST: Final = 5.0
"""Seconds for what is on the way over a link that another one has replaced."""

AGING: Final = 120.0
"""Seconds before what a relay lent ends, when another link is opened beside: several attempts' time."""

EXPECTED_LONGEST: Final = 8.0
"""Seconds that sockets are kept for an offer that is expected: an offer takes its author a few round trips."""

LOOK_AHEAD: Final = 60.0
"""Seconds between two looks at whether the leave is still there. It is asked for anew at half of its life only."""

_log = logging.getLogger(__name__)


async def no_servers() -> Sequence[RelayServer]:
    """No relay does anything for a channel."""
    return ()


@define(eq=False)
class HeldLink:
    """A link, or the attempt to open one."""

    member: MemberId
    attempt: bytes
    way: machine.LinkWay
    scope: trio.CancelScope = field(factory=trio.CancelScope)
    prepared: PreparedChannel | None = None
    link: Link | None = None
    until: float = math.inf
    """When what a relay lent for it ends."""
    outgoing: LinkQueue | None = None

    @property
    def is_relayed(self) -> bool:
        """Whether its frames pass a relay's TURN service just now."""
        return self.link is not None and self.link.channel.is_relayed

    @property
    def round_trip(self) -> float | None:
        """Seconds to the peer and back; None until it was measured."""
        return None if self.link is None else self.link.round_trip


@define(eq=False)
class ExpectedLink:
    """What was opened for a link that a member is about to offer."""

    way: machine.LinkWay
    prepared: PreparedChannel | None = None
    until: float = math.inf
    ready: trio.Event = field(factory=trio.Event)
    """Set once `prepared` is there, or never will be."""
    scope: trio.CancelScope = field(factory=trio.CancelScope)


@define(eq=False)
class CircleLinks:
    """Acts for a circle's machine on links, and tells it what became of them.

    Attributes:
        take: gives an event to the machine.
        room: waits until the committer takes more.
        servers: what the circle's relays do for a channel just now.
        nursery: where links live; None while the circle does not run.
    """

    take: Callable[[machine.Event], None]
    room: Callable[[], Awaitable[None]]
    channels: Channels | None
    servers: Callable[[], Awaitable[Sequence[RelayServer]]]
    nursery: trio.Nursery | None = field(default=None, init=False)
    _held: dict[bytes, HeldLink] = field(factory=dict, init=False)
    _routes: dict[MemberId, HeldLink] = field(factory=dict, init=False)
    _expected: dict[MemberId, ExpectedLink] = field(factory=dict, init=False)
    _ahead_at: float = field(default=-math.inf, init=False)

    def route_to(self, member: MemberId) -> HeldLink | None:
        """Return the link that frames to a member go over, if there is one."""
        return self._routes.get(member)

    def outgoing_to(self, member: MemberId) -> LinkQueue | None:
        """Return what waits to go over the present link to a member."""
        held = self._routes.get(member)
        return None if held is None else held.outgoing

    async def drain_all(self) -> None:
        """Let every link finish what is on its way. Put a deadline around it."""
        async with trio.open_nursery() as nursery:
            for held in list(self._held.values()):
                if held.link is not None and held.link.is_open:
                    nursery.start_soon(held.link.drain)

    def expect(self, effect: machine.ExpectLink) -> None:
        """Open what an offer that is expected will need, unless that was done a moment ago."""
        if effect.member not in self._expected and self.nursery is not None:
            self._expected[effect.member] = expected = ExpectedLink(effect.way)
            self._start(self._keep_expected, effect.member, expected)

    def look_ahead(self) -> None:
        """Ask the relays for leave to use TURN while we write to somebody: a link may follow the answer."""
        if self.channels is not None and trio.current_time() >= self._ahead_at:
            self._ahead_at = trio.current_time() + LOOK_AHEAD
            self._start(self.servers)

    def forget_expected(self) -> None:
        """Close what was opened for offers that did not come yet: our addresses are others now."""
        for expected in self._expected.values():
            expected.scope.cancel()
        self._expected.clear()

    def prepare(self, effect: machine.PrepareLink) -> None:
        """Begin an attempt."""
        held = HeldLink(effect.member, effect.attempt, effect.way)
        self._held[effect.attempt] = held  # here, so that a close finds it
        self._start(self._prepare, effect, held)

    def connect(self, effect: machine.ConnectLink) -> None:
        """Go on with an attempt: the peer's half is here."""
        self._start(self._connect, effect)

    def close(self, effect: machine.CloseLink) -> None:
        """End a link or an attempt, at once or after what is on its way."""
        held = self._held.get(effect.attempt)
        if held is None:
            return
        if effect.drains and held.link is not None and held.link.is_open:
            self._start(self._drain, held)
            return
        self._forget(held)
        held.scope.cancel()
        if held.prepared is not None:
            self._start(held.prepared.aclose)

    def close_all(self) -> None:
        """End every link and every attempt at once, and tell the machine."""
        self.forget_expected()
        for held in list(self._held.values()):
            self.close(machine.CloseLink(held.member, held.attempt))
            self.take(machine.LinkClosed(held.member, held.attempt))

    def probe(self, effect: machine.ProbeLink) -> None:
        """Have a link find out whether its peer is still there."""
        held = self._held.get(effect.attempt)
        if held is not None and held.link is not None:
            held.link.probe()

    def send(self, member: MemberId, frames: tuple[Frame, ...]) -> None:
        """Send frames over the present link, in order."""
        held = self._routes.get(member)
        if held is not None and held.outgoing is not None:
            held.outgoing.send(frames)
        # else it closed a moment ago; the machine hears of it and starts over

    # ---- one attempt, one link

    async def _prepare(self, effect: machine.PrepareLink, held: HeldLink) -> None:
        with held.scope:
            prepared = await self._prepared(effect, held)
            if prepared is None:
                self._over(held)
                return
            if self._held.get(held.attempt) is not held:
                await prepared.aclose()
                return
            held.prepared = prepared
            self.take(machine.LinkPrepared(held.member, held.attempt, prepared.blob))

    async def _prepared(
        self, effect: machine.PrepareLink, held: HeldLink
    ) -> PreparedChannel | None:
        opened = None
        if not effect.is_controlling:
            opened = await self._take_expected(effect.member, effect.way)
        if opened is None:
            opened = await self._open(effect.way, controlling=effect.is_controlling)
        prepared, held.until = opened
        return prepared

    async def _open(
        self, way: machine.LinkWay, *, controlling: bool
    ) -> tuple[PreparedChannel | None, float]:
        """Open our half of a channel; return it and until when what a relay lent for it is good."""
        if self.channels is None:
            return None, math.inf
        servers = await self.servers() if way is not machine.LinkWay.LAN else ()
        until = min((server.until for server in servers), default=math.inf)
        try:
            prepared = await self.channels.prepare(
                controlling=controlling, way=way, servers=servers
            )
        except ChannelFailed:
            return None, until
        except Exception as error:  # noqa: BLE001  an adapter's fault ends this attempt and no more
            _log.error("preparing a channel: %s", type(error).__name__)
            return None, until
        return prepared, until

    async def _keep_expected(self, member: MemberId, expected: ExpectedLink) -> None:
        """Open what an offer will need, and close it again if none takes it."""
        try:
            with expected.scope:
                opened = await self._open(expected.way, controlling=False)
                expected.prepared, expected.until = opened
                expected.ready.set()
                if expected.prepared is not None:
                    await trio.sleep(EXPECTED_LONGEST)
        finally:
            expected.ready.set()
            self._drop_expected(member, expected)
            if expected.prepared is not None:
                with trio.CancelScope(shield=True):
                    await expected.prepared.aclose()

    async def _take_expected(
        self, member: MemberId, way: machine.LinkWay
    ) -> tuple[PreparedChannel | None, float] | None:
        """Return what was opened for this offer, as `_open` does, for use once; None if nothing was."""
        expected = self._expected.get(member)
        if expected is None:
            return None
        if expected.way is way:
            await expected.ready.wait()
        is_good = expected.way is way and not expected.scope.cancel_called
        taken = (expected.prepared, expected.until) if is_good else None
        if is_good:
            expected.prepared = None
        expected.scope.cancel()
        self._drop_expected(member, expected)
        return taken

    def _drop_expected(self, member: MemberId, expected: ExpectedLink) -> None:
        if self._expected.get(member) is expected:
            del self._expected[member]

    async def _connect(self, effect: machine.ConnectLink) -> None:
        held = self._held.get(effect.attempt)
        if held is None or held.prepared is None:
            self.take(machine.LinkClosed(effect.member, effect.attempt))
            return
        held.scope = trio.CancelScope()  # preparing had its own
        try:
            with held.scope:
                channel = await _connected(held.prepared, effect.their_blob)
                held.prepared = None
                await self._serve(effect, held, channel)
        except* ChannelFailed:
            pass  # said below, like every other end of a link
        finally:
            self._over(held)

    async def _serve(self, effect: machine.ConnectLink, held: HeldLink, channel: Channel) -> None:
        link = Link(ContainedChannel(channel), effect.keys)
        async with trio.open_nursery() as nursery:
            await nursery.start(link.run)
            held.link, held.outgoing = link, LinkQueue(link)
            self._routes[held.member] = held
            nursery.start_soon(held.outgoing.feed)
            nursery.start_soon(self._age, held)
            self.take(machine.LinkOpened(held.member, held.attempt))
            async for frames in link.incoming:
                self.take(machine.FramesArrived(held.member, frames + take_more(link)))
                await self.room()
            nursery.cancel_scope.cancel()

    async def _age(self, held: HeldLink) -> None:
        """Tell in time that what a relay lent for a link ends."""
        await trio.sleep_until(held.until - AGING)
        while self.route_to(held.member) is held:
            if held.is_relayed:
                self.take(machine.LinkAging(held.member, held.attempt))
            await trio.sleep(AGING / 4)

    async def _drain(self, held: HeldLink) -> None:
        if held.link is not None:
            with trio.move_on_after(DRAIN_LONGEST):
                await held.link.drain()
        held.scope.cancel()

    def _over(self, held: HeldLink) -> None:
        self._forget(held)
        if self.nursery is not None:
            self.take(machine.LinkClosed(held.member, held.attempt))

    def _forget(self, held: HeldLink) -> None:
        if self._held.get(held.attempt) is held:
            del self._held[held.attempt]
        if self._routes.get(held.member) is held:
            del self._routes[held.member]

    def _start(self, work: Callable[..., Awaitable[object]], *args: object) -> None:
        if self.nursery is not None:
            self.nursery.start_soon(work, *args)


async def _connected(prepared: PreparedChannel, their_blob: bytes) -> Channel:
    try:
        return await prepared.connect(their_blob)
    except ChannelFailed:
        raise
    except Exception as error:  # noqa: BLE001  an adapter's fault ends this attempt and no more
        _log.error("connecting a channel: %s", type(error).__name__)
        raise ChannelFailed("the adapter failed") from None
