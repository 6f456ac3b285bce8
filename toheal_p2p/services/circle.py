"""The shell around one circle: it feeds the machine, has decisions committed, and then acts.

`take` is synchronous: an event is decided and handed to the committer without an await between,
so the order of commits is the order of decisions. Effects are carried out by `_perform`, which
the committer calls once the decision is on disk.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Protocol, assert_never

import trio
from attrs import define, field

from toheal_p2p.ports.channels import Channels, RelayServer
from toheal_p2p.ports.vault import Vault
from toheal_p2p.services.circle_links import CircleLinks, HeldLink, no_servers
from toheal_p2p.services.committer import Committer
from toheal_p2p.services.file_chunks import load_chunks
from toheal_p2p.services.lan_wires import LanWires
from toheal_p2p.services.link_queue import LinkQueue
from toheal_p2p.services.pace import Pace
from toheal_p2p.services.recent_owed import RecentOwed
from toheal_protocol.crypto import Entropy
from toheal_protocol.machines import events as machine
from toheal_protocol.machines import sync_events
from toheal_protocol.machines.circle import step
from toheal_protocol.machines.draft import Decision, Draft
from toheal_protocol.machines.file_effects import LoadChunks
from toheal_protocol.machines.placing import DEPOSIT_RETRY
from toheal_protocol.machines.state import Circle, Cold
from toheal_protocol.model import Address, Instant, MemberId, WallTime
from toheal_protocol.wire.relay_address import RelayAddress


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

    def hail(self) -> None:
        """Ask the relay whether it is there."""
        ...


@define(eq=False)
class CircleService:
    """Runs one circle. It owns the only copy of its state.

    Attributes:
        relays: connections by relay; a relay that is not in there is never reached.
        channels: where data channels come from; None where this machine makes none.
        servers: what the circle's relays do for a channel just now, credentials included.
        tell: told of every `Show` and `Tell`, after the commit.
        follow: told of each new cold part at once: other relays may be needed.
    """

    circle: Circle
    vault: Vault
    committer: Committer
    entropy: Entropy
    wall_clock: Callable[[], WallTime]
    relays: Mapping[RelayAddress, Mailboxes]
    channels: Channels | None
    tell: Callable[[machine.Show | machine.Tell], None]
    servers: Callable[[], Awaitable[Sequence[RelayServer]]] = no_servers
    follow: Callable[[Cold], None] = lambda _cold: None
    links: CircleLinks = field(init=False, repr=False)
    lan: LanWires = field(init=False, repr=False)
    """Who of the circle is reached in the same room."""
    _recent: RecentOwed = field(factory=RecentOwed, init=False, repr=False)
    _pace: Pace = field(init=False, repr=False)
    _alarm: trio.CancelScope = field(factory=trio.CancelScope, init=False, repr=False)
    _nursery: trio.Nursery | None = field(default=None, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self.links = CircleLinks(
            self._take_of_link, self.committer.room, self.channels, self.servers
        )
        self.lan = LanWires(self.take, self.committer)
        self._pace = Pace(self._recent.size_for)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = self.links.nursery = nursery
            try:
                nursery.start_soon(self._pace.run)
                self.take(machine.Started())
                task_status.started()
                await self._ring()
            finally:
                self._nursery = self.links.nursery = None

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
        if decision.circle.cold is not self.circle.cold:
            self.follow(decision.circle.cold)
        self.circle = decision.circle
        if isinstance(event, machine.NetworkChanged):
            self.links.forget_expected()
        loaded, effects = self._sort(decision.effects)
        self.committer.submit(
            decision.writes,
            partial(self._perform_all, effects) if effects else None,
            done=done,
            may_wait=done is None and not effects,
        )
        for answer in loaded:
            self.take(answer)
        self._pace.ease(self.circle)
        return decision

    def draft(self) -> Draft:
        """Return a draft to ask questions of; what it decides is nobody's."""
        now, wall_now = Instant(trio.current_time()), self.wall_clock()
        return Draft(self.circle, now=now, wall_now=wall_now, entropy=self.entropy)

    async def pace(self) -> None:
        """Wait a little if peers who are there are far behind: before much is written at once."""
        await self._pace.wait(self.circle)

    def link_of(self, member: MemberId) -> HeldLink | None:
        """Return the open link that frames to a member go over now, if there is one."""
        courier = self.circle.live.couriers.get(member)
        return self.links.route_to(member) if courier is not None and courier.is_linked else None

    async def drain(self) -> None:
        """Let links finish what is on its way, and mail leave that waits. Put a deadline around it."""
        self.take(machine.Ending())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.links.drain_all)
            nursery.start_soon(self.lan.drain)
            nursery.start_soon(self._drain_mail)

    async def _drain_mail(self) -> None:
        while waiting_here(self.circle):  # noqa: ASYNC110 - at an end, for two seconds at most
            await trio.sleep(0.05)

    def close_links(self) -> None:
        """Close every link and every attempt at one, at once: they are not allowed any more."""
        self.links.close_all()

    # ---- acting

    def _perform_all(self, effects: Sequence[machine.Effect]) -> None:
        if self._nursery is None:
            return  # on the way down: what is owed stays owed
        for effect in effects:
            self._perform(effect, self._nursery)

    def _perform(self, effect: machine.Effect, nursery: trio.Nursery) -> None:  # noqa: C901 - one flat list of all effects
        match effect:
            case machine.SendFrames(member, frames):
                if not self.lan.send(member, frames):
                    self.links.send(member, frames)
            case machine.WakeAt():
                pass  # it was set when it was decided
            case machine.Deposit():
                self._deposit(effect)
                self.links.look_ahead()
            case machine.DeleteMail(relay):
                if relay in self.relays:
                    self.relays[relay].delete(effect)
            case machine.Watch(relay, mailboxes):
                if relay in self.relays:
                    self.relays[relay].watch(mailboxes)
            case machine.Unwatch(relay, addresses):
                if relay in self.relays:
                    self.relays[relay].unwatch(addresses)
            case LoadChunks(member):
                outgoing = self.lan.outgoing_to(member) or self.links.outgoing_to(member)
                nursery.start_soon(self._load_chunks, effect, outgoing)
            case machine.LoadOwed():
                nursery.start_soon(self._load_owed, effect)
            case sync_events.FindEntries():
                nursery.start_soon(self._find_entries, effect)
            case sync_events.FindStories():
                nursery.start_soon(self._find_stories, effect)
            case machine.ExpectLink():
                self.links.expect(effect)
            case machine.PrepareLink():
                self.links.prepare(effect)
            case machine.ConnectLink():
                self.links.connect(effect)
            case machine.CloseLink():
                self.links.close(effect)
            case machine.ProbeLink():
                self.links.probe(effect)
            case machine.HailRelay(relay):
                if relay in self.relays:
                    self.relays[relay].hail()
            case machine.CloseLan(member, wire):
                self.lan.close(member, wire)
            case sync_events.BundleReady():
                pass  # whoever asked for it waits for the commit
            case machine.NameLan(wire, member):
                self.lan.name(wire, member)
            case machine.Show() | machine.Tell():
                self.tell(effect)
            case _:
                assert_never(effect)

    def _take_of_link(self, event: machine.Event) -> None:
        self.take(event)

    def _set_alarm(self, instant: Instant | None) -> None:
        """Ring at this instant. Most decisions leave it where it is, and moving it wakes trio."""
        at = trio.current_time() + 3600 if instant is None else instant
        if self._alarm.deadline != at:
            self._alarm.deadline = at

    def _next_seq(self, member: MemberId) -> int:
        pair = self.circle.pairs.get(member)
        return 1 if pair is None else pair.next_seq

    def _sort(
        self, effects: tuple[machine.Effect, ...]
    ) -> tuple[list[machine.OwedLoaded], list[machine.Effect]]:
        """Do at once what is nothing but ours; return answers from memory, and what awaits the commit.

        An alarm is never stored, and what it decides is committed after what set it. What memory
        answers is sent after what it knows it from.
        """
        loaded: list[machine.OwedLoaded] = []
        others: list[machine.Effect] = []
        for effect in effects:
            if isinstance(effect, machine.WakeAt):
                self._set_alarm(effect.instant)
                continue
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

    async def _load_chunks(self, effect: LoadChunks, outgoing: LinkQueue | None) -> None:
        circle = self.circle.cold.id
        self.take(await load_chunks(effect, self.vault, circle=circle, outgoing=outgoing))

    async def _find_entries(self, effect: sync_events.FindEntries) -> None:
        found = await self.vault.asked_entries(
            self.circle.cold.id,
            effect.asked.ranges,
            effect.asked.mids,
            after=effect.after,
            limit=effect.limit,
            most=effect.most,
        )
        self.take(sync_events.EntriesFound(effect.member, effect.asked, found))
        await self.committer.room()

    async def _find_stories(self, effect: sync_events.FindStories) -> None:
        stories = await self.vault.stories(
            self.circle.cold.id, effect.author, effect.audience, effect.seq
        )
        self.take(sync_events.StoriesFound(effect, stories))

    async def _ring(self) -> None:
        while True:
            with trio.CancelScope(deadline=self._alarm.deadline) as self._alarm:
                await trio.sleep_forever()
            self._alarm = trio.CancelScope(deadline=trio.current_time() + 3600)
            self.take(machine.Woke())
            await self.committer.room()


def waiting_here(circle: Circle) -> frozenset[MemberId]:
    """Return for whom something has not left this device, though there is a way."""
    waiting = {member for member, one in circle.live.couriers.items() if one.leave_at is not None}
    under_way = {one.member for one in circle.live.tickets.values() if one.member and one.seq}
    return frozenset(waiting | under_way)
