"""A circle's connections to its relays: one for reading, another for depositing.

Two, so that a relay cannot tell from one connection both what a circle reads and to whom it
writes. Reading connections are watched across reconnects; what comes out of both is fed to the
circle's machine as events.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import ceil

import trio
from attrs import define, field

from toheal_p2p.services.circle import CircleService
from toheal_p2p.services.relay_connection import (
    Deposited,
    DepositRefused,
    MailArrived,
    RelayConnection,
    RelayDown,
    RelayEvent,
    RelayHeard,
    RelaySilent,
    RelayUp,
    WatchedMailbox,
)
from toheal_p2p.services.turn_leave import TurnLeave
from toheal_protocol.crypto import token_of
from toheal_protocol.machines import events as machine
from toheal_protocol.machines.moving import relays_in_use
from toheal_protocol.machines.state import Cold
from toheal_protocol.model import Address
from toheal_protocol.wire.mailbox import ItemId
from toheal_protocol.wire.relay_address import RelayAddress

LINGER = 3.0
"""Seconds for which connections stay that are needed no more: what lies there is deleted meanwhile."""

MAIL_BATCH = 32
"""Frames from a mailbox that are given to the machine as one event."""


def _tell_nobody(_pair: RelayPair) -> None:
    """Tell nobody."""


@define(eq=False)
class RelayPair:
    """One circle's two connections to one relay. Fulfils `services.circle.Mailboxes`."""

    address: RelayAddress
    reader: RelayConnection = field(repr=False)
    depositor: RelayConnection = field(repr=False)
    turn: TurnLeave = field(init=False, repr=False)
    problem: str | None = "unreachable"
    """Why the relay is out of reach just now, as a code; None when it answers."""
    on_change: Callable[[RelayPair], None] = field(default=_tell_nobody, repr=False)
    """Told whenever `problem` was found out anew."""
    others: list[RelayPair] = field(factory=list, repr=False)
    """Those to the circle's other relays: they hurry when this one fails."""

    @property
    def again_in(self) -> int | None:
        """Whole seconds until the relay is tried again, None where nothing is waited for."""
        wait = self.depositor.again_in
        return None if wait is None else ceil(wait)

    def __attrs_post_init__(self) -> None:
        self.turn = TurnLeave(self.depositor)

    def watch(self, mailboxes: tuple[machine.WatchedMailbox, ...]) -> None:
        """Open mailboxes and have what lies in them pushed."""
        self.reader.watch(
            [
                WatchedMailbox(
                    read_seed=box.read_seed,
                    token_hash=token_of(box.token),
                    kind=box.kind,
                    is_watched=box.is_watched,
                )
                for box in mailboxes
            ]
        )

    def unwatch(self, addresses: tuple[Address, ...]) -> None:
        """Stop watching."""
        self.reader.unwatch(addresses)

    def deposit(self, deposit: machine.Deposit) -> None:
        """Put a frame into a mailbox; the answer comes as an event."""
        self.depositor.liven()
        self.reader.liven()
        self.depositor.deposit(deposit.ticket, deposit.address, deposit.token, deposit.frame)

    def delete(self, delete: machine.DeleteMail) -> None:
        """Delete what is stored here by now."""
        self.reader.delete(delete.read_seed, [ItemId(item) for item in delete.items])

    def hail(self) -> None:
        """Ask for a sign of life of the relay; its silence comes as an event."""
        self.depositor.hail()

    async def run(self, service: CircleService) -> None:
        """Keep both connections up and feed the circle until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.reader.run)
            nursery.start_soon(self.depositor.run)
            nursery.start_soon(self._feed, self.reader, partial(self._take_read, service))
            nursery.start_soon(self._feed, self.depositor, partial(self._take_written, service))

    async def make_sure(self) -> None:
        """Have both connections find out whether the relay still hears us; returns when they know."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.reader.make_sure)
            nursery.start_soon(self.depositor.make_sure)

    async def _feed(
        self, connection: RelayConnection, take: Callable[[list[RelayEvent]], None]
    ) -> None:
        async for event in connection.events:
            batch = [event]
            while len(batch) < MAIL_BATCH:
                try:
                    batch.append(connection.events.receive_nowait())
                except (trio.WouldBlock, trio.EndOfChannel):
                    break
            take(batch)

    def _take_read(self, service: CircleService, batch: list[RelayEvent]) -> None:
        mail = tuple(
            machine.Mail(event.address, event.item, event.frame)
            for event in batch
            if isinstance(event, MailArrived)
        )
        if mail:
            service.take(machine.MailArrived(self.address, mail))

    def _take_written(self, service: CircleService, batch: list[RelayEvent]) -> None:
        for event in batch:
            match event:
                case RelayUp(boot):
                    self.problem = None
                    self.on_change(self)
                    service.take(machine.RelayUp(self.address, boot))
                case RelayDown(reason):
                    was_up, self.problem = self.problem is None, reason
                    self.on_change(self)
                    if was_up:
                        service.take(machine.RelayDown(self.address))
                        self._hurry_others()
                case RelaySilent():
                    service.take(machine.RelaySilent(self.address))
                    self._hurry_others()
                case RelayHeard():
                    service.take(machine.RelayHeard(self.address))
                case Deposited(ticket):
                    service.take(machine.Deposited(ticket))
                case DepositRefused(ticket, retry_after):
                    service.take(machine.DepositRefused(ticket, retry_after))
                case MailArrived():
                    pass  # the depositing connection watches nothing

    def _hurry_others(self) -> None:
        for other in self.others:
            other.reader.hurry()
            other.depositor.hurry()


@define(eq=False)
class CircleConnections:
    """A circle's connections to the relays it needs just now, two to each, and to no other relay."""

    connect: Callable[[RelayAddress], RelayConnection]
    on_change: Callable[[RelayPair], None]
    pairs: dict[RelayAddress, RelayPair] = field(factory=dict, init=False)
    """Shared with whoever sends through them; it changes while the circle runs."""
    _scopes: dict[RelayAddress, trio.CancelScope] = field(factory=dict, init=False)
    _wanted: frozenset[RelayAddress] = field(default=frozenset(), init=False)
    _service: CircleService | None = field(default=None, init=False)
    _nursery: trio.Nursery | None = field(default=None, init=False)

    def follow(self, cold: Cold) -> None:
        """Begin what the circle needs from here on, and end in a moment what it does not."""
        wanted = relays_in_use(cold)
        self._wanted = frozenset(wanted)
        for relay in wanted:
            if relay not in self.pairs:
                self._begin(relay)
        for relay in self.pairs:
            if relay not in self._wanted and self._nursery is not None:
                self._nursery.start_soon(self._end_soon, relay)

    async def run(self, service: CircleService) -> None:
        """Keep them up until cancelled."""
        async with trio.open_nursery() as nursery:
            self._service, self._nursery = service, nursery
            for pair in self.pairs.values():
                self._start(pair)
            await trio.sleep_forever()

    def _begin(self, relay: RelayAddress) -> None:
        pair = RelayPair(relay, self.connect(relay), self.connect(relay), on_change=self.on_change)
        self.pairs[relay] = pair
        self._tell_of_others()
        if self._nursery is not None:
            self._start(pair)

    def _start(self, pair: RelayPair) -> None:
        if self._nursery is not None:
            self._scopes[pair.address] = trio.CancelScope()
            self._nursery.start_soon(self._run, pair, self._scopes[pair.address])

    async def _run(self, pair: RelayPair, scope: trio.CancelScope) -> None:
        if self._service is not None:
            with scope:
                await pair.run(self._service)

    async def _end_soon(self, relay: RelayAddress) -> None:
        """End the connections to a relay, once what was decided with the last step has gone out."""
        await trio.sleep(LINGER)
        if relay in self._wanted or relay not in self.pairs or self._service is None:
            return
        del self.pairs[relay]
        self._scopes.pop(relay).cancel()
        self._tell_of_others()
        self._service.take(machine.RelayDown(relay))

    def _tell_of_others(self) -> None:
        for pair in self.pairs.values():
            pair.others[:] = [other for other in self.pairs.values() if other is not pair]
