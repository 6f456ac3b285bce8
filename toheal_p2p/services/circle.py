"""The shell around one circle: it feeds the machine, has decisions committed, and then acts.

`take` is synchronous: an event is decided and handed to the committer without an await between,
so the order of commits is the order of decisions. Effects are carried out by `_perform`, which
the committer calls once the decision is on disk.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Final, Protocol, assert_never

import trio
from attrs import define, field

from toheal_p2p.ports.channels import Channel, ChannelFailed, Channels, PreparedChannel
from toheal_p2p.ports.vault import Vault
from toheal_p2p.services.committer import Committer
from toheal_p2p.services.link import Link
from toheal_p2p.services.recent_owed import RecentOwed
from toheal_protocol.crypto import Entropy
from toheal_protocol.machines import events as machine
from toheal_protocol.machines.circle import step
from toheal_protocol.machines.courier import DEPOSIT_RETRY
from toheal_protocol.machines.draft import Decision
from toheal_protocol.machines.state import Circle
from toheal_protocol.model import Address, Frame, Instant, MemberId, WallTime
from toheal_protocol.wire.relay_address import RelayAddress

OUTGOING_MOST: Final = 4096
"""Frames that may wait for room on a link. The machine hands over 256 at most before it hears of
them, and acknowledgements; beyond this, frames are dropped and sent again later."""


class Mailboxes(Protocol):
    """What a circle asks of its connections to one relay."""

    def watch(self, mailboxes: tuple[machine.WatchedMailbox, ...]) -> None:
        """Open these and have their frames pushed, across reconnects."""
        ...

    def unwatch(self, addresses: tuple[Address, ...]) -> None:
        """Stop watching these."""
        ...

    def deposit(self, deposit: machine.Deposit) -> None:
        """Put a frame into a mailbox.

        Raises:
            trio.WouldBlock: too many wait already.
        """
        ...

    def delete(self, delete: machine.DeleteMail) -> None:
        """Delete what was stored here."""
        ...


@define(eq=False)
class _OpenLink:
    """A link, or the attempt to open one."""

    attempt: bytes
    scope: trio.CancelScope = field(factory=trio.CancelScope)
    prepared: PreparedChannel | None = None
    link: Link | None = None
    outgoing: deque[Frame] = field(factory=deque)
    has_outgoing: trio.Event = field(factory=trio.Event)


@define(eq=False)
class CircleService:
    """Runs one circle. It owns the only copy of its state.

    Attributes:
        relays: connections by relay; a relay that is not in there is never reached.
        channels: where data channels come from; None where this machine makes none.
        tell: told of every `Show` and `Tell`, after the commit.
    """

    circle: Circle
    vault: Vault
    committer: Committer
    entropy: Entropy
    wall_clock: Callable[[], WallTime]
    relays: Mapping[RelayAddress, Mailboxes]
    channels: Channels | None
    tell: Callable[[machine.Show | machine.Tell], None]
    stun_servers: tuple[tuple[str, int], ...] = ()
    _links: dict[MemberId, _OpenLink] = field(factory=dict, init=False, repr=False)
    _recent: RecentOwed = field(factory=RecentOwed, init=False, repr=False)
    _alarm: trio.CancelScope = field(factory=trio.CancelScope, init=False, repr=False)
    _nursery: trio.Nursery | None = field(default=None, init=False, repr=False)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                self.take(machine.Started())
                task_status.started()
                await self._ring()
            finally:
                self._nursery = None

    def take(self, event: machine.Event, *, done: trio.Event | None = None) -> Decision:
        """Decide an event and hand the decision to the committer. `done` is set when it is on disk.

        Whoever brings events from outside awaits `committer.room()` afterwards.
        """
        decision = step(
            self.circle,
            event,
            now=Instant(trio.current_time()),
            wall_now=self.wall_clock(),
            entropy=self.entropy,
        )
        self._recent.note(decision.writes, next_seq=self._next_seq)
        self.circle = decision.circle
        loaded, effects = self._load_from_memory(decision.effects)
        self.committer.submit(decision.writes, partial(self._perform_all, effects), done=done)
        for answer in loaded:
            self.take(answer)
        return decision

    def link_of(self, member: MemberId) -> Link | None:
        """Return the open link to a member, if there is one."""
        held = self._links.get(member)
        if held is None or held.link is None or not self.circle_is_linked(member):
            return None
        return held.link

    def circle_is_linked(self, member: MemberId) -> bool:
        """Say whether frames to this member go over a data channel now."""
        courier = self.circle.live.couriers.get(member)
        return courier is not None and courier.is_linked

    async def drain_links(self) -> None:
        """Let every link finish what is on its way. Put a deadline around it."""
        async with trio.open_nursery() as nursery:
            for held in list(self._links.values()):
                if held.link is not None and held.link.is_open:
                    nursery.start_soon(held.link.drain)

    def close_links(self) -> None:
        """Close every link and every attempt at one, at once: they are not allowed any more."""
        for member, held in list(self._links.items()):
            self._close(member, held.attempt)
            self.take(machine.LinkClosed(member, held.attempt))

    # ---- acting

    def _perform_all(self, effects: Sequence[machine.Effect]) -> None:
        if self._nursery is None:
            return  # on the way down: what is owed stays owed
        for effect in effects:
            self._perform(effect, self._nursery)

    def _perform(self, effect: machine.Effect, nursery: trio.Nursery) -> None:  # noqa: C901 - one flat list of all effects
        match effect:
            case machine.SendFrames(member, frames):
                self._send(member, frames)
            case machine.WakeAt(instant):
                self._alarm.deadline = trio.current_time() + 3600 if instant is None else instant
            case machine.Deposit():
                self._deposit(effect)
            case machine.DeleteMail(relay):
                if relay in self.relays:
                    self.relays[relay].delete(effect)
            case machine.Watch(relay, mailboxes):
                if relay in self.relays:
                    self.relays[relay].watch(mailboxes)
            case machine.Unwatch(relay, addresses):
                if relay in self.relays:
                    self.relays[relay].unwatch(addresses)
            case machine.LoadOwed():
                nursery.start_soon(self._load_owed, effect)
            case machine.PrepareLink(member, attempt):
                held = self._links[member] = _OpenLink(attempt)  # here, so that a close finds it
                nursery.start_soon(self._prepare, effect, held)
            case machine.ConnectLink():
                nursery.start_soon(self._connect, effect)
            case machine.CloseLink(member, attempt):
                self._close(member, attempt)
            case machine.Show() | machine.Tell():
                self.tell(effect)
            case _:
                assert_never(effect)

    def _next_seq(self, member: MemberId) -> int:
        pair = self.circle.pairs.get(member)
        return 1 if pair is None else pair.next_seq

    def _load_from_memory(
        self, effects: tuple[machine.Effect, ...]
    ) -> tuple[list[machine.OwedLoaded], list[machine.Effect]]:
        """Answer at once what memory knows. What it answers is sent after what it knows it from."""
        loaded: list[machine.OwedLoaded] = []
        others: list[machine.Effect] = []
        for effect in effects:
            answer = self._recent.answer(effect) if isinstance(effect, machine.LoadOwed) else None
            if answer is None:
                others.append(effect)
            else:
                loaded.append(answer)
        return loaded, others

    def _deposit(self, effect: machine.Deposit) -> None:
        try:
            if effect.relay not in self.relays:
                raise trio.WouldBlock
            self.relays[effect.relay].deposit(effect)
        except trio.WouldBlock:
            self.take(machine.DepositRefused(effect.ticket, retry_after=DEPOSIT_RETRY))

    async def _load_owed(self, effect: machine.LoadOwed) -> None:
        rows = await self.vault.owed(
            self.circle.cold.id, effect.member, after=effect.after, limit=effect.limit
        )
        frames = tuple(
            machine.OwedFrame(row.seq, row.mid, row.item, row.frame, row.boot)
            for row in rows
            if row.seq <= effect.upto
        )
        is_complete = len(rows) < effect.limit or rows[-1].seq >= effect.upto
        self.take(machine.OwedLoaded(effect.member, effect.upto, is_complete, frames))

    async def _ring(self) -> None:
        while True:
            with trio.CancelScope(deadline=self._alarm.deadline) as self._alarm:
                await trio.sleep_forever()
            self._alarm = trio.CancelScope(deadline=trio.current_time() + 3600)
            self.take(machine.Woke())
            await self.committer.room()

    # ---- links

    async def _prepare(self, effect: machine.PrepareLink, held: _OpenLink) -> None:
        member, attempt = effect.member, effect.attempt
        if self.channels is None:
            self._over(member, held)
            return
        with held.scope:
            try:
                prepared = await self.channels.prepare(
                    controlling=effect.is_controlling, stun_servers=self.stun_servers
                )
            except ChannelFailed:
                self._over(member, held)
                return
            if self._links.get(member) is not held:
                await prepared.aclose()
                return
            held.prepared = prepared
            self.take(machine.LinkPrepared(member, attempt, prepared.blob))

    async def _connect(self, effect: machine.ConnectLink) -> None:
        held = self._links.get(effect.member)
        if held is None or held.attempt != effect.attempt or held.prepared is None:
            self.take(machine.LinkClosed(effect.member, effect.attempt))
            return
        held.scope = trio.CancelScope()  # preparing had its own
        try:
            with held.scope:
                channel = await held.prepared.connect(effect.their_blob)
                held.prepared = None
                await self._serve(effect, held, channel)
        except* ChannelFailed:
            pass  # said below, like every other end of a link
        finally:
            self._over(effect.member, held)

    async def _serve(self, effect: machine.ConnectLink, held: _OpenLink, channel: Channel) -> None:
        link = Link(channel, effect.keys)
        async with trio.open_nursery() as nursery:
            await nursery.start(link.run)
            held.link = link
            nursery.start_soon(self._feed_link, held, link)
            self.take(machine.LinkOpened(effect.member, effect.attempt))
            async for frames in link.incoming:
                self.take(machine.FramesArrived(effect.member, frames + _more(link)))
                await self.committer.room()
            nursery.cancel_scope.cancel()

    async def _feed_link(self, held: _OpenLink, link: Link) -> None:
        """Hand over in order what waits for room."""
        try:
            while True:
                while not held.outgoing:
                    held.has_outgoing = trio.Event()
                    await held.has_outgoing.wait()
                await link.room()
                while held.outgoing and _queued(link, held.outgoing[0]):
                    held.outgoing.popleft()
        except trio.ClosedResourceError:
            return

    def _send(self, member: MemberId, frames: tuple[Frame, ...]) -> None:
        held = self._links.get(member)
        if held is None or held.link is None:
            return  # it closed a moment ago; the machine hears of it and starts over
        for frame in frames:
            if held.outgoing or not _queued(held.link, frame):
                if len(held.outgoing) < OUTGOING_MOST:
                    held.outgoing.append(frame)
                held.has_outgoing.set()

    def _close(self, member: MemberId, attempt: bytes) -> None:
        held = self._links.get(member)
        if held is not None and held.attempt == attempt:
            del self._links[member]
            held.scope.cancel()
            if held.prepared is not None and self._nursery is not None:
                self._nursery.start_soon(held.prepared.aclose)

    def _over(self, member: MemberId, held: _OpenLink) -> None:
        if self._links.get(member) is held:
            del self._links[member]
        if self._nursery is not None:
            self.take(machine.LinkClosed(member, held.attempt))


def _more(link: Link) -> tuple[Frame, ...]:
    """Return what else has arrived: one decision and one acknowledgement for all of it."""
    more: list[Frame] = []
    with suppress(trio.WouldBlock, trio.EndOfChannel):
        while True:
            more.extend(link.incoming.receive_nowait())
    return tuple(more)


def _queued(link: Link, frame: Frame) -> bool:
    try:
        link.send_nowait(frame)
    except trio.WouldBlock:
        return False
    except trio.ClosedResourceError:
        return True  # the link is over: the machine hears of it and starts over
    return True
