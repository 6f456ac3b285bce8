"""Looking up a spoken code: find who waits at the number, and try the words with them, once.

All relays are asked at once; nothing is said to anybody but "what lies at this number?". The words
are then tried where an announcement lies, one announcement after another: two codes may have one
number at two relays. One code at two relays is tried once.

Spec: docs/protocol/spoken.md, section 6.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Literal, TypeAlias

import trio
from attrs import define, field, frozen

from toheal_p2p.services.relay_connection import (
    DepositRefused,
    MailArrived,
    RelayConnection,
    RelayDown,
    RelayUp,
    WatchedMailbox,
)
from toheal_p2p.services.spoken_relay import LOOK_AGAIN_AFTER, SHORTEST_REPEAT, short_lived
from toheal_protocol.crypto import ED_SIZE, Entropy, SigningSeed
from toheal_protocol.errors import RemoteError
from toheal_protocol.identity import SpokenCode
from toheal_protocol.machines import spoken_lookup as machine
from toheal_protocol.machines.spoken_keys import nameplate_mailbox, relay_channel
from toheal_protocol.messages.spoken import (
    OfferId,
    SpokenAnnouncement,
    decode_mailbox_way,
    decode_spoken,
    encode_mailbox_way,
)
from toheal_protocol.model import TOKEN_SIZE, Address, DepositToken
from toheal_protocol.wire.invitation_link import InvitationLink
from toheal_protocol.wire.relay_address import RelayAddress

REACH_DEADLINE: Final = 15.0
"""Seconds to reach any of the relays; longer where the way to one is."""

EMPTY_AFTER: Final = 4.0
"""Seconds after which a number where nothing was pushed counts as free."""

OTHERS_AFTER: Final = 0.5
"""Seconds that other relays get once the first has somebody."""

ANSWER_DEADLINE: Final = 30.0
"""Seconds the other device has to answer: it may be a phone that has to wake up."""

MOST_TRIES: Final = 3
"""Announcements that are tried: each is a guess at our words by whoever made it."""


@frozen
class NothingFound:
    """No inviter. `unreachable`: no relay answered; `empty`: nobody waits at this number;
    `silent`: somebody announced themselves and says nothing."""

    why: Literal["unreachable", "empty", "silent"]


LookupOutcome: TypeAlias = InvitationLink | machine.TurnedAway | NothingFound


async def look_up(
    code: SpokenCode,
    relays: Sequence[RelayAddress],
    *,
    connect: Callable[[RelayAddress], RelayConnection],
    entropy: Entropy,
) -> LookupOutcome:
    """Look a code up at relays and return the invitation it leads to, or why there is none."""
    search = _Search(code, entropy, [_Asked(connect(relay), entropy) for relay in relays])
    async with trio.open_nursery() as nursery:
        for asked in search.asked:
            nursery.start_soon(asked.run, code.nameplate, search.stirred)
        outcome = await search.outcome()
        nursery.cancel_scope.cancel()
    return outcome


@define(eq=False)
class _Asked:
    """One relay that is asked."""

    connection: RelayConnection
    entropy: Entropy
    is_up: bool = False
    is_down: bool = False
    announcements: list[SpokenAnnouncement] = field(factory=list)
    arrived: Callable[[bytes], None] | None = None
    """Takes the frames of the try that is under way here."""
    _letters: dict[int, tuple[Address, DepositToken, bytes]] = field(factory=dict)
    _ticket: int = 0

    async def run(self, nameplate: str, stirred: Callable[[], None]) -> None:
        """Read what lies at the number, and hand over what arrives, until cancelled."""
        seed, token = nameplate_mailbox(self.connection.address.fingerprint, nameplate)
        plate = short_lived(seed, token)
        self.connection.watch([plate])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.connection.run)
            nursery.start_soon(self._look_again, plate)
            async for event in self.connection.events:
                match event:
                    case RelayUp():
                        self.is_up = True
                    case RelayDown():
                        self.is_down = True
                    case MailArrived(address, _, frame) if address == plate.address:
                        self._note(frame)
                    case MailArrived(frame=frame):
                        if self.arrived is not None:
                            self.arrived(frame)
                    case DepositRefused(ticket, retry_after):
                        nursery.start_soon(self._deposit_later, ticket, retry_after)
                    case _:
                        pass
                stirred()

    async def _look_again(self, plate: WatchedMailbox) -> None:
        while not self.announcements:
            # by chance, or two who began at once would get in each other's way every time
            await trio.sleep(LOOK_AGAIN_AFTER * (0.5 + self.entropy.draw(1)[0] / 256))
            self.connection.unwatch([plate.address])
            if not self.announcements:
                self.connection.watch([plate])

    def deposit(self, address: Address, token: DepositToken, frame: bytes) -> None:
        """Have a frame stored, however often it takes."""
        self._ticket += 1
        self._letters[self._ticket] = (address, token, frame)
        self.connection.deposit(self._ticket, address, token, frame)

    async def _deposit_later(self, ticket: int, retry_after: float) -> None:
        await trio.sleep(max(retry_after, SHORTEST_REPEAT))
        self.deposit(*self._letters.pop(ticket))

    def _note(self, frame: bytes) -> None:
        try:
            message = decode_spoken(frame)
        except RemoteError:
            return  # anybody can leave garbage at a number
        if isinstance(message, SpokenAnnouncement) and message not in self.announcements:
            self.announcements.append(message)


@define(eq=False)
class _Search:
    """One look-up at all relays."""

    code: SpokenCode
    entropy: Entropy
    asked: Sequence[_Asked]
    _news: trio.Event = field(factory=trio.Event)
    _tried: set[OfferId] = field(factory=set)

    def stirred(self) -> None:
        """Take note that something happened at a relay."""
        self._news.set()
        self._news = trio.Event()

    async def outcome(self) -> LookupOutcome:
        """Find somebody and try the words with them; with the next if they were meant for others."""
        outcome: LookupOutcome = NothingFound("empty")
        await self._until_somebody_is_there()
        if not any(one.is_up for one in self.asked):
            return NothingFound("unreachable")
        while (chosen := self._next()) is not None and len(self._tried) <= MOST_TRIES:
            found = await self._try(*chosen)
            if isinstance(found, InvitationLink):
                return found
            outcome = found
        return outcome

    def _next(self) -> tuple[_Asked, SpokenAnnouncement] | None:
        """Return the next announcement that was not tried yet, and mark it as tried."""
        for asked in self.asked:
            for announcement in asked.announcements:
                if announcement.offer not in self._tried:
                    self._tried.add(announcement.offer)
                    return asked, announcement
        return None

    async def _until_somebody_is_there(self) -> None:
        slack = max((one.connection.line().slack for one in self.asked), default=0.0)
        with trio.move_on_after(REACH_DEADLINE + slack) as patience:
            while not any(one.announcements for one in self.asked):
                if all(one.is_up or one.is_down for one in self.asked):
                    soon = trio.current_time() + EMPTY_AFTER + slack / 5
                    patience.deadline = min(patience.deadline, soon)
                await self._news.wait()
            await trio.sleep(OTHERS_AFTER)

    async def _try(self, asked: _Asked, announcement: SpokenAnnouncement) -> LookupOutcome:
        try:
            address, token = decode_mailbox_way(announcement.way)
        except RemoteError:
            return NothingFound("silent")  # they named nothing we could write to
        run = _Run(asked, address, token)
        seed = SigningSeed(self.entropy.draw(ED_SIZE))
        reply_token = DepositToken(self.entropy.draw(TOKEN_SIZE))
        box = short_lived(seed, reply_token)
        asked.connection.watch([box])
        run.lookup, effects = machine.begin_lookup(
            self.code,
            announcement,
            channel=relay_channel(asked.connection.address.fingerprint, self.code.nameplate),
            way=encode_mailbox_way(box.address, reply_token),
            entropy=self.entropy,
        )
        asked.arrived = run.take
        run.perform(effects)
        with trio.move_on_after(ANSWER_DEADLINE):
            await run.done.wait()
        asked.arrived = None
        asked.connection.unwatch([box.address])
        return run.outcome


@define(eq=False)
class _Run:
    """One try with one announcement."""

    asked: _Asked
    inbox: Address
    token: DepositToken = field(repr=False)
    lookup: machine.Lookup = field(init=False)
    outcome: LookupOutcome = field(default=NothingFound("silent"))
    done: trio.Event = field(factory=trio.Event)

    def take(self, frame: bytes) -> None:
        """Take a frame out of our mailbox; one that breaks a rule changes nothing."""
        try:
            self.lookup, effects = machine.step(self.lookup, frame)
        except RemoteError:
            return
        self.perform(effects)

    def perform(self, effects: tuple[machine.Effect, ...]) -> None:
        for effect in effects:
            match effect:
                case machine.Send(frame):
                    self.asked.deposit(self.inbox, self.token, frame)
                case machine.Found(link):
                    self.outcome = link
                    self.done.set()
                case machine.TurnedAway():
                    self.outcome = effect
                    self.done.set()
