"""A relay as the place where an inviter waits for whoever has a spoken code.

```
  nameplate mailbox   derived from relay and number: anybody may read it    the announcement lies there
  inbox               drawn at random, named by the announcement            joiners write to it
  a joiner's mailbox  drawn at random, named by the approach                we answer into it
```
A number is ours when our announcement is the first that lies there: the relay pushes a mailbox in
the order of arrival, so two who choose one number at once agree on who has it.

Spec: docs/protocol/spoken.md, section 7.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import trio
from attrs import define, evolve, field, frozen

from toheal_p2p.ports.spoken_places import Claim
from toheal_p2p.services.relay_connection import (
    Deposited,
    DepositRefused,
    MailArrived,
    RelayConnection,
    RelayEvent,
    RelayUp,
    WatchedMailbox,
)
from toheal_protocol.crypto import SigningSeed, token_of
from toheal_protocol.errors import RemoteError
from toheal_protocol.machines.spoken_keys import Channel, nameplate_mailbox, relay_channel
from toheal_protocol.machines.spoken_offer import SPOKEN_LIFE
from toheal_protocol.messages.spoken import (
    OfferId,
    SpokenAnnouncement,
    Way,
    decode_mailbox_way,
    decode_spoken,
    encode_mailbox_way,
    encode_spoken,
)
from toheal_protocol.model import Address, DepositToken
from toheal_protocol.wire.mailbox import ItemId, MailboxKind

MOST_ATTEMPTS: Final = 30
"""Times a frame is deposited: what a relay that restarts needs, and less than for ever where a
stranger named a mailbox that takes nothing."""

CLAIM_DEADLINE: Final = 8.0
"""Seconds to reach a relay and see our announcement lie there; longer where the way to it is."""

LOOK_AGAIN_AFTER: Final = 1.3
"""Seconds after which a number is opened once more. A mailbox has one watcher, the latest: somebody
who looked at the same moment may have been told in our place."""

SHORTEST_REPEAT: Final = 1.0
"""Seconds before a frame that was not stored is deposited again."""


def short_lived(read_seed: SigningSeed, token: DepositToken) -> WatchedMailbox:
    """Return a mailbox whose frames live as long as a code does."""
    return WatchedMailbox(
        read_seed=read_seed,
        token_hash=token_of(token),
        kind=MailboxKind.SIGNAL,
        ttl=int(SPOKEN_LIFE),
    )


@frozen
class _Letter:
    """A frame on its way to a mailbox, kept until the relay has it."""

    address: Address
    token: DepositToken = field(repr=False)
    frame: bytes = field(repr=False)
    attempts: int = 0


@frozen
class _Plate:
    """The number we announce ourselves under."""

    box: WatchedMailbox
    letter: _Letter


@define(eq=False)
class RelayPlace:
    """Fulfils `ports.spoken_places.SpokenPlace` with one connection to one relay.

    Args:
        connection: not running yet; ours alone.
        inbox_seed: 32 fresh bytes.
        inbox_token: 16 fresh bytes.
    """

    connection: RelayConnection
    inbox_seed: SigningSeed = field(repr=False)
    inbox_token: DepositToken = field(repr=False)
    _plate: _Plate | None = field(default=None, init=False)
    _claimed: trio.MemorySendChannel[Claim] | None = field(default=None, init=False)
    _lies_as: ItemId | None = field(default=None, init=False)
    _is_taken: bool = field(default=False, init=False)
    _boot: bytes | None = field(default=None, init=False)
    _letters: dict[int, _Letter] = field(factory=dict, init=False)
    _ticket: int = field(default=0, init=False)

    def channel(self, nameplate: str) -> Channel:
        """Return what a run at this relay and number is bound to."""
        return relay_channel(self.connection.address.fingerprint, nameplate)

    async def run(
        self,
        arrived: Callable[[bytes], None],
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve until cancelled."""
        inbox = short_lived(self.inbox_seed, self.inbox_token)
        self.connection.watch([inbox])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.connection.run)
            task_status.started()
            async for event in self.connection.events:
                self._take(event, inbox.address, arrived, nursery)

    async def claim(self, nameplate: str, offer: OfferId) -> Claim:
        """Announce an offer under a number.

        A relay that does not answer in time keeps being tried: once it is back, the offer is
        announced there too.
        """
        self.withdraw()
        inbox = short_lived(self.inbox_seed, self.inbox_token)
        way = encode_mailbox_way(inbox.address, self.inbox_token)
        read_seed, token = nameplate_mailbox(self.connection.address.fingerprint, nameplate)
        box = short_lived(read_seed, token)
        frame = encode_spoken(SpokenAnnouncement(offer, way))
        self._plate = _Plate(box, _Letter(box.address, token, frame))
        self._claimed, claims = trio.open_memory_channel[Claim](1)
        self._is_taken = False
        self._announce(self._plate)
        with claims, trio.move_on_after(CLAIM_DEADLINE + self.connection.line().slack):
            while True:
                with trio.move_on_after(LOOK_AGAIN_AFTER):
                    return await claims.receive()
                self.connection.unwatch([box.address])
                self.connection.watch([box])
        self._claimed = None
        return "unreachable"

    def answer(self, way: Way, frame: bytes) -> None:
        """Deposit a frame where a joiner wants it."""
        try:
            address, token = decode_mailbox_way(way)
        except RemoteError:
            return  # they named nothing we could write to: their loss
        self._deposit(_Letter(address, token, frame))

    def withdraw(self) -> None:
        """Delete the announcement."""
        if self._plate is not None:
            self.connection.unwatch([self._plate.box.address])
            if self._lies_as is not None:
                self.connection.delete(self._plate.box.read_seed, [self._lies_as])
        self._plate = self._lies_as = None

    def _announce(self, plate: _Plate) -> None:
        self.connection.watch([plate.box])
        self._deposit(plate.letter)

    def _take(
        self,
        event: RelayEvent,
        inbox: Address,
        arrived: Callable[[bytes], None],
        nursery: trio.Nursery,
    ) -> None:
        match event:
            case RelayUp(boot):
                has_forgotten = self._boot not in (None, boot)
                self._boot = boot
                if has_forgotten and self._plate is not None:
                    self._announce(self._plate)
            case MailArrived(address, item, frame) if address == inbox:
                self.connection.delete(self.inbox_seed, [item])
                arrived(frame)
            case MailArrived(address, item, frame):
                self._take_plate(address, item, frame)
            case Deposited(ticket):
                self._letters.pop(ticket, None)
            case DepositRefused(ticket, retry_after):
                nursery.start_soon(self._deposit_later, ticket, retry_after)
            case _:
                pass

    def _take_plate(self, address: Address, item: ItemId, frame: bytes) -> None:
        """See what lies under our number, oldest first."""
        plate = self._plate
        if plate is None or address != plate.box.address:
            return
        if frame == plate.letter.frame:
            self._lies_as = item
            self.connection.unwatch([address])  # whoever reads it next must not have to compete
            self._tell("taken" if self._is_taken else "ours")
        elif _is_announcement(frame):
            self._is_taken = True

    def _tell(self, claim: Claim) -> None:
        if self._claimed is not None:
            with self._claimed:
                self._claimed.send_nowait(claim)
        self._claimed = None

    def _deposit(self, letter: _Letter) -> None:
        self._ticket += 1
        try:
            self.connection.deposit(self._ticket, letter.address, letter.token, letter.frame)
        except trio.WouldBlock:
            return  # somebody makes us answer faster than the relay takes it: they may ask again
        self._letters[self._ticket] = evolve(letter, attempts=letter.attempts + 1)

    async def _deposit_later(self, ticket: int, retry_after: float) -> None:
        letter = self._letters.pop(ticket, None)
        await trio.sleep(max(retry_after, SHORTEST_REPEAT))
        is_stale = letter is None or (
            _is_announcement(letter.frame) and (self._plate is None or self._plate.letter != letter)
        )
        if letter is not None and not is_stale:
            self._deposit(letter)


def _is_announcement(frame: bytes) -> bool:
    try:
        return isinstance(decode_spoken(frame), SpokenAnnouncement)
    except RemoteError:
        return False  # garbage keeps nobody from a number
