"""The connection to one relay: kept up for as long as somebody runs it.

                 watch, deposit, delete                    events
    the circle  ------------------------>  RelayConnection  ------------------------>  the circle

    run ── dials, says hello, converses, backs off, dials again
     ├── tell        hands events over, and gives the relay credit for mail that was taken
     └── converse    while connected:  read │ write │ watch over the relay's silence

Nothing here is stored. What was deposited and not answered when the connection breaks is reported
as refused; what was not deleted is pushed again. Both repeat, and receivers accept repeats.

Spec: docs/protocol/mailboxes.md, section 8.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeAlias

import trio
from attrs import define, field, frozen

from toheal_p2p.ports.relays import Dial, Reason, RelayChannel, RelayLost
from toheal_p2p.services.relay_line import DIRECT_LINE, UNWELCOME_PAUSE, Line, pause_before
from toheal_p2p.services.relay_session import (
    Deposited,
    DepositRefused,
    MailArrived,
    OpenRefused,
    RelaySession,
    TurnAnswered,
    WatchedMailbox,
)
from toheal_p2p.services.relay_wishes import RelayWishes
from toheal_protocol.crypto import SigningSeed
from toheal_protocol.errors import MalformedFrame, RemoteError
from toheal_protocol.model import Address, DepositToken
from toheal_protocol.wire.mailbox import ItemId
from toheal_protocol.wire.mailbox_answers import Hello, decode_answer
from toheal_protocol.wire.relay_address import RelayAddress

__all__ = [
    "DepositRefused",
    "Deposited",
    "MailArrived",
    "RelayConnection",
    "RelayDown",
    "RelayEvent",
    "RelayHeard",
    "RelaySilent",
    "RelayUp",
    "WatchedMailbox",
]

STEADY: Final = 5.0
"""Seconds a connection has to live before the next attempt counts as a first one again."""

HAIL_AFTER: Final = 25.0
"""Seconds of silence after which we ask whether anybody is there: below what NATs forget (30)."""

LIVELY: Final = 60.0
"""Seconds for which a conversation counts as going on after the last thing said or heard."""

HAIL_LIVELY: Final = 5.0
"""Seconds of silence after which we ask in a conversation: a line that died has to be noticed while
somebody waits for an answer. In quiet times the longer wait lets a phone sleep."""

LOOK: Final = 0.5
"""Seconds between two looks while an answer is owed: what is owed changes with each answer."""

SLOWEST_LINE: Final = 4096.0
"""Bytes per second at which what we sent may still be on its way; patience is longer by that."""

MOST_DEPOSITS: Final = 512
"""Deposits that may be under way here, until their answer is in the channel of events."""

EVENTS: Final = 64
"""Events that may wait in the channel to whoever listens."""


@frozen
class RelayUp:
    """The relay answers. `boot` (16 bytes) names its run: another one has forgotten everything."""

    boot: bytes


@frozen
class RelayDown:
    """The relay cannot be used now. Told once, and again when the reason changes."""

    reason: Reason


@frozen
class RelaySilent:
    """The relay owes an answer for long. It is waited for still; another one should be used."""


@frozen
class RelayHeard:
    """The relay said something after it was silent."""


RelayEvent: TypeAlias = (
    RelayUp | RelayDown | RelaySilent | RelayHeard | MailArrived | Deposited | DepositRefused
)


@define(eq=False)
class RelayConnection:
    """A connection to one relay, and everything it has to remember to be made again.

    Args:
        address: whom to reach.
        dial: how.
        jitter: draws from [0, 1), so that a relay's clients do not come back all at once.
        line: says how patient to be; asked again for every attempt.
    """

    address: RelayAddress
    dial: Dial
    jitter: Callable[[], float] = random.random
    line: Callable[[], Line] = lambda: DIRECT_LINE
    events: trio.MemoryReceiveChannel[RelayEvent] = field(init=False)
    """What happened, in order. Ends when `run` does. Who does not listen is not dialled for."""
    _teller: trio.MemorySendChannel[RelayEvent] = field(init=False)
    _wishes: RelayWishes = field(factory=RelayWishes, init=False)
    _happened: deque[RelayEvent] = field(factory=deque, init=False)
    _under_way: int = field(default=0, init=False)
    _is_connected: bool = field(default=False, init=False)
    _conversation: trio.CancelScope = field(factory=trio.CancelScope, init=False)
    _pausing: trio.CancelScope = field(factory=trio.CancelScope, init=False)
    _turn_answer: TurnAnswered | None = field(default=None, init=False, repr=False)
    _turn_told: trio.Event | None = field(default=None, init=False)
    _retry_at: float | None = field(default=None, init=False)
    _told_reason: Reason | None = field(default=None, init=False)
    _heard_at: float = field(default=0.0, init=False)
    _times_heard: int = field(default=0, init=False)
    _lively_until: float = field(default=0.0, init=False)
    _is_silent: bool = field(default=False, init=False)
    _hurried_at: float = field(default=-math.inf, init=False)
    _trying: trio.CancelScope = field(factory=trio.CancelScope, init=False)
    _has_work: trio.Event = field(factory=trio.Event, init=False)
    _has_news: trio.Event = field(factory=trio.Event, init=False)
    _has_asked: trio.Event = field(factory=trio.Event, init=False)
    _has_answered: trio.Event = field(factory=trio.Event, init=False)
    _all_told: trio.Event = field(factory=trio.Event, init=False)

    def __attrs_post_init__(self) -> None:
        self._teller, self.events = trio.open_memory_channel[RelayEvent](EVENTS)

    @property
    def is_connected(self) -> bool:
        """Whether the relay answers now."""
        return self._is_connected

    @property
    def again_in(self) -> float | None:
        """Seconds until the next attempt; None while there is a connection or an attempt at one."""
        return None if self._retry_at is None else max(0.0, self._retry_at - trio.current_time())

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the connection up until cancelled."""
        task_status.started()
        async with self._teller, trio.open_nursery() as nursery:
            nursery.start_soon(self._tell)
            attempt = 0
            while True:
                began = trio.current_time()
                reason: Reason = "closed"
                with trio.CancelScope() as self._trying:
                    reason = await self._connect()
                attempt = 0 if trio.current_time() - began > STEADY else attempt + 1
                pause = pause_before(attempt, reason, luck=self.jitter())
                self._retry_at = trio.current_time() + pause
                self._lose(reason)
                with trio.CancelScope() as self._pausing:
                    await trio.sleep(pause)
                await self._all_told.wait()
                self._retry_at = None

    def watch(self, mailboxes: Sequence[WatchedMailbox]) -> None:
        """Have mailboxes opened, now and after every reconnect, until `unwatch`."""
        self._wishes.watch(mailboxes)
        self._has_work.set()

    def unwatch(self, addresses: Iterable[Address]) -> None:
        """Forget mailboxes. They go on existing at the relay until their time is over."""
        self._wishes.unwatch(addresses)
        self._has_work.set()

    def deposit(self, ticket: int, address: Address, token: DepositToken, frame: bytes) -> None:
        """Have a frame stored; `Deposited` or `DepositRefused` with this ticket follows, once.

        While the relay is known to be out of reach, the refusal says when it is tried again.

        Raises:
            trio.WouldBlock: too much is under way already; nothing was taken.
            LocalError: address, token or frame are of a size that no deposit has.
        """
        if self._under_way >= MOST_DEPOSITS or self._wishes.is_full:
            raise trio.WouldBlock
        if self._retry_at is None:
            self._wishes.deposit(ticket, address, token, frame)
            self._has_work.set()
        else:
            wait = max(0.0, self._retry_at - trio.current_time())
            self._note([DepositRefused(ticket, wait)])
        self._under_way += 1

    def delete(self, read_seed: SigningSeed, items: Sequence[ItemId]) -> None:
        """Have items deleted that are stored here by now. Best effort: a lost one is pushed again."""
        if self._is_connected:  # another run of the relay would not know their names
            self._wishes.delete(read_seed, items)
            self._has_work.set()

    def hail(self) -> None:
        """Ask whether anybody is there: `RelaySilent` follows where the answer does not come soon."""
        if self._is_connected:
            self._wishes.hail()
            self._has_work.set()

    async def ask_turn(self) -> TurnAnswered:
        """Ask for leave to use the relay's TURN service; who asks meanwhile gets the same answer.

        Waits for the relay: put a deadline around it. Without a connection the answer is no.
        """
        if not self._is_connected:
            return TurnAnswered(None)
        if self._turn_told is None:
            self._turn_told = trio.Event()
            self._wishes.ask_turn()
            self._has_work.set()
        await self._turn_told.wait()
        return self._turn_answer or TurnAnswered(None)

    async def make_sure(self) -> None:
        """Find out whether the relay still hears us, and dial anew if not; return when that is known."""
        if not self._is_connected:
            self._pausing.cancel()
            return
        conversation, heard = self._conversation, self._times_heard
        self.hail()
        await trio.sleep(self.line().suspicion)
        if self._conversation is conversation and self._times_heard == heard:
            conversation.cancel()

    def hurry(self) -> None:
        """Try at once if we wait before the next attempt: another relay has just failed.

        Not more often than a connection may fail: two relays that let us in and throw us out would
        have us run between them.
        """
        if trio.current_time() >= self._hurried_at + STEADY:
            self._hurried_at = trio.current_time()
            self._pausing.cancel()

    def redial(self) -> None:
        """Give up the present connection, or the attempt at one, and dial again."""
        self._trying.cancel()
        self._pausing.cancel()

    def liven(self) -> None:
        """Watch the line more closely for a while: somebody talks over it."""
        is_new = trio.current_time() >= self._lively_until
        self._lively_until = trio.current_time() + LIVELY
        if is_new:
            self._has_asked.set()  # so that the next hail is planned anew

    # ---- telling

    async def _tell(self) -> None:
        while True:
            if not self._happened:
                self._all_told.set()
                self._has_news = trio.Event()
                await self._has_news.wait()
            event = self._happened.popleft()
            await self._teller.send(event)
            if isinstance(event, Deposited | DepositRefused):
                self._under_way -= 1
            elif isinstance(event, MailArrived):
                self._give_credit(event)

    def _note(self, events: Iterable[RelayEvent]) -> None:
        self._happened.extend(events)
        if self._happened and self._all_told.is_set():
            self._all_told = trio.Event()
        if self._happened:
            self._has_news.set()

    def _give_credit(self, mail: MailArrived) -> None:
        # mail of an earlier connection is told before there is another: see `run`
        if self._is_connected and self._wishes.credit(len(mail.frame)):
            self._has_work.set()

    # ---- connecting

    async def _connect(self) -> Reason:
        """Connect and converse; return why that ended."""
        channel: RelayChannel | None = None
        try:
            with trio.fail_after(self.line().dialling):
                channel = await self.dial(self.address)
                first, *more = await channel.receive()
            hello = decode_answer(first)
            if not isinstance(hello, Hello):
                raise MalformedFrame("not a hello")
            return await self._converse(channel, hello, more)
        except RelayLost as lost:
            return lost.reason
        except (trio.TooSlowError, RemoteError):
            return "unreachable"
        finally:
            if channel is not None:
                with trio.CancelScope(shield=True):
                    await channel.aclose()

    async def _converse(self, channel: RelayChannel, hello: Hello, more: Sequence[bytes]) -> Reason:
        session = RelaySession(hello, self.address.fingerprint)
        self._wishes.connected()
        self._is_connected = True
        self._told_reason = None
        self._is_silent = False
        self._note([RelayUp(hello.boot)])
        reason: Reason = "closed"
        try:
            async with trio.open_nursery() as nursery:
                self._conversation = nursery.cancel_scope
                nursery.start_soon(self._write, channel, session)
                nursery.start_soon(self._watch_over, session, nursery.cancel_scope)
                try:
                    await self._read(channel, session, more, nursery)
                except RelayLost as lost:
                    reason = lost.reason
                except RemoteError:
                    reason = "unreachable"
                nursery.cancel_scope.cancel()
        finally:
            self._is_connected = False
            self._tell_turn(TurnAnswered(None))
            self._note(session.give_up())
        return reason

    async def _read(
        self,
        channel: RelayChannel,
        session: RelaySession,
        messages: Sequence[bytes],
        nursery: trio.Nursery,
    ) -> None:
        while True:
            self._heard_at = trio.current_time()
            self._times_heard += 1
            if self._is_silent:
                self._is_silent = False
                self._note([RelayHeard()])
            for message in messages:
                for event in session.receive(message):
                    if isinstance(event, OpenRefused):
                        nursery.start_soon(self._open_later, event)
                    elif isinstance(event, TurnAnswered):
                        self._tell_turn(event)
                    elif isinstance(event, MailArrived) and not self._wishes.wants(event.address):
                        self._give_credit(event)  # it was under way when we unwatched
                    else:
                        if isinstance(event, MailArrived):
                            self.liven()
                        self._note([event])
            self._has_work.set()
            if not session.is_waiting:
                self._has_answered.set()  # nobody need look, at a time of its own
            messages = await channel.receive()

    def _tell_turn(self, answer: TurnAnswered) -> None:
        self._turn_answer = answer
        if self._turn_told is not None:
            self._turn_told.set()
            self._turn_told = None

    async def _open_later(self, refused: OpenRefused) -> None:
        await trio.sleep(max(refused.retry_after, UNWELCOME_PAUSE) * (1 + self.jitter()))
        self._wishes.open_again(refused.mailboxes)
        self._has_work.set()

    async def _watch_over(self, session: RelaySession, conversation: trio.CancelScope) -> None:
        """Doubt a relay that owes us a word and says none; later end the conversation with it."""
        line = self.line()
        while True:
            await self._until_owed(session)
            asked_at = trio.current_time()
            while session.is_waiting:
                since = max(asked_at, self._heard_at)
                doubted_at = since + line.doubt + session.next_unanswered / SLOWEST_LINE
                lost_at = since + line.patience + session.unanswered_bytes / SLOWEST_LINE
                if trio.current_time() >= lost_at:
                    conversation.cancel()
                    return
                if trio.current_time() >= doubted_at and not self._is_silent:
                    self._is_silent = True
                    self._note([RelaySilent()])
                next_at = lost_at if self._is_silent else min(doubted_at, lost_at)
                self._has_answered = trio.Event()
                with trio.move_on_at(min(next_at, trio.current_time() + LOOK)):
                    await self._has_answered.wait()

    async def _until_owed(self, session: RelaySession) -> None:
        """Wait until the relay owes us a word; after a silence we ask for one."""
        while not session.is_waiting:
            self._has_asked = trio.Event()
            with trio.move_on_at(self._hail_at) as silence:
                await self._has_asked.wait()
            if silence.cancelled_caught and trio.current_time() >= self._hail_at:
                self._wishes.hail()
                self._has_work.set()
                await self._has_asked.wait()

    @property
    def _hail_at(self) -> float:
        soon = self._heard_at + HAIL_LIVELY
        return soon if soon < self._lively_until else self._heard_at + HAIL_AFTER

    async def _write(self, channel: RelayChannel, session: RelaySession) -> None:
        while True:
            self._has_work = trio.Event()
            messages = self._wishes.next_messages(session)
            if not messages:
                await self._has_work.wait()
                continue
            if session.is_waiting:
                self._has_asked.set()
            try:
                await channel.send(messages)
            except RelayLost:
                return  # who reads finds out why

    # ---- losing

    def _lose(self, reason: Reason) -> None:
        """Tell that the relay is lost, and what is lost with it."""
        if self._told_reason != reason:
            self._told_reason = reason
            self._note([RelayDown(reason)])
        self._note(self._wishes.disconnected())
