"""The desk: what one relay says to each message of each visitor.

Pure: messages in, messages out, `now` as an argument. The server brings the bytes; a test can
bring them from memory. A visitor is one connection.

                     receive(visitor, message)
    transport  ------------------------------------->  desk  --->  mailboxes
               <-------------------------------------        <---  admission
                     next_message(visitor)

Nothing is queued for a visitor but replies: what is pushed stays in its mailbox until the
transport can take it, so a slow reader costs nothing and a fast one waits for nobody.

Spec: docs/protocol/mailboxes.md, sections 4 to 6.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, TypeAlias, assert_never

from attrs import Factory, define, field

from toheal_protocol.errors import MalformedFrame
from toheal_protocol.model import Address, Instant
from toheal_protocol.wire.mailbox import (
    AskTurn,
    Binding,
    Credit,
    Delete,
    Deposit,
    Hail,
    ItemId,
    Open,
    Unwatch,
    address_of,
    check_signatures,
    decode_command,
)
from toheal_protocol.wire.mailbox_answers import (
    BOOT_SIZE,
    DONE,
    NONCE_SIZE,
    WINDOW,
    Code,
    Hello,
    Outcome,
    encode_hello,
    encode_mail,
    encode_reply,
    encode_turn,
)
from toheal_relay.admission import Admission
from toheal_relay.limits import Limits
from toheal_relay.mailboxes import Mailboxes
from toheal_relay.metrics import Holdings, Mood, Tally
from toheal_relay.pace import Pace
from toheal_relay.shares import Source
from toheal_relay.turn.credentials import Credentials

_SECRET_SIZE = 32

_Answered: TypeAlias = Open | Deposit | Delete | Unwatch | Hail | AskTurn

_REFUSED: Final = Outcome(Code.REFUSED)

_CREDIT_COST = 0.25
"""Commands that a `Credit` counts for: it costs us little, and nothing must cost nothing."""


@define(eq=False)
class Visitor:
    """One connection, as the desk knows it.

    `watching` holds, for each mailbox, what was not pushed to this visitor yet, oldest first;
    `ready` the mailboxes where that is something. `is_cut` tells the transport to end it.
    """

    source: Source
    binding: Binding = field(repr=False)
    pace: Pace
    volume: Pace
    replies: deque[bytes] = Factory(deque)
    reply_bytes: int = 0
    unacknowledged: int = 0
    watching: dict[Address, deque[ItemId]] = Factory(dict)
    ready: dict[Address, None] = Factory(dict)
    is_cut: bool = False


class Desk:
    """One relay without its network.

    Args:
        fingerprint: 32 bytes, of the relay's key; signatures are bound to it.
        draw: gives fresh random bytes.
        turn: what to hand out to who asks for TURN; None if there is none here.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        fingerprint: bytes,
        draw: Callable[[int], bytes],
        turn: Credentials | None = None,
    ) -> None:
        self.limits = limits
        self.admission = Admission(limits, draw=draw)
        self.boot = draw(BOOT_SIZE)
        self._fingerprint = fingerprint
        self._draw = draw
        self._turn = turn
        self._tally = Tally()
        self._mailboxes = Mailboxes(
            limits, secret=draw(_SECRET_SIZE), tally=self._tally, on_lost=self._lose
        )
        self._watchers: dict[Address, Visitor] = {}
        self._stirred: dict[Visitor, None] = {}
        self._faults = 0
        self.on_deposit: Callable[[int, Instant], None] | None = None
        """Told the size and the time of each deposit: for demonstrations, never set otherwise."""

    def enter(self, host: str, *, now: Instant) -> Visitor | None:
        """Let a connection from an IP address in; None if there is no place. It has to `leave`."""
        source = self.admission.source_of(host, now=now)
        if not self.admission.enter(source, now=now):
            return None
        limits = self.limits
        visitor = Visitor(
            source,
            Binding(self._fingerprint, self._draw(NONCE_SIZE)),
            pace=Pace(limits.commands_per_second, limits.commands_burst),
            volume=Pace(limits.bytes_per_second, limits.bytes_burst),
        )
        self._say(visitor, encode_hello(Hello(visitor.binding.nonce, self.boot)))
        return visitor

    def leave(self, visitor: Visitor, *, now: Instant) -> None:
        """Forget a visitor. Its mailboxes stay."""
        for address in list(visitor.watching):
            self._unwatch(visitor, address, now=now)
        self._stirred.pop(visitor, None)
        self.admission.leave(visitor.source)

    def receive(self, visitor: Visitor, message: bytes, *, now: Instant) -> float:
        """Take one message; return for how many seconds no other should be read (mostly 0).

        Raises:
            RemoteError: it broke a rule. The transport ends the connection, whatever it was.
        """
        command = decode_command(message)
        if isinstance(command, Credit):
            self._credit(visitor, command)
            return visitor.pace.owe(_CREDIT_COST, now=now)
        cost = len(command.openings) if isinstance(command, Open) else 1
        if retry := self.admission.spend(visitor.source, cost=cost, size=len(message), now=now):
            self._refuse(visitor, command, retry)
        else:
            self._carry_out(visitor, command, now=now)
        return max(visitor.pace.owe(cost, now=now), visitor.volume.owe(len(message), now=now))

    def next_message(self, visitor: Visitor, *, now: Instant) -> bytes | None:
        """Return what is to be sent to a visitor next, None if nothing is now."""
        if visitor.replies:
            message = visitor.replies.popleft()
            visitor.reply_bytes -= len(message)
            return message
        while visitor.ready and visitor.unacknowledged < WINDOW:
            if (mail := self._next_mail(visitor, now=now)) is not None:
                return mail
        return None

    def take_stirred(self) -> list[Visitor]:
        """Return, once, those for whom `next_message` may have something new."""
        stirred = list(self._stirred)
        self._stirred.clear()
        return stirred

    def sweep(self, *, now: Instant) -> None:
        """Forget everything whose time is over. To be called every few seconds."""
        self._mailboxes.sweep(now=now)
        self.admission.sweep(now=now)

    def holdings(self) -> Holdings:
        """Count what is here."""
        mailboxes, strays = self._mailboxes, self._mailboxes.strays
        return Holdings(
            connections=self.admission.connections,
            sources=self.admission.sources,
            mailboxes=len(mailboxes),
            watched=len(self._watchers),
            items=mailboxes.item_count,
            item_bytes=mailboxes.used,
            strays=len(strays),
            stray_bytes=strays.used,
            faults=self._faults,
            **{mood.value: self._tally.of(mood) for mood in Mood},
        )

    def note_fault(self) -> None:
        """Count a connection that ended by a bug of ours."""
        self._faults += 1

    def _carry_out(self, visitor: Visitor, command: _Answered, *, now: Instant) -> None:
        match command:
            case Deposit():
                outcomes = [self._deposit(visitor, command, now=now)]
            case Open():
                check_signatures(command, visitor.binding)
                outcomes = self._open(visitor, command, now=now)
            case Delete():
                check_signatures(command, visitor.binding)
                self._mailboxes.delete(address_of(command.read_key), command.items)
                outcomes = [DONE]
            case Unwatch():
                for address in command.addresses:
                    self._unwatch(visitor, address, now=now)
                outcomes = [DONE]
            case Hail():
                outcomes = [DONE]
            case AskTurn(number):
                self._say(visitor, self._grant(visitor, number, now=now))
                return
            case _:
                assert_never(command)
        self._say(visitor, encode_reply(command.number, outcomes))

    def _grant(self, visitor: Visitor, number: int, *, now: Instant) -> bytes:
        if self._turn is None:
            return encode_reply(number, [_REFUSED])
        if retry := self.admission.ask_turn(visitor.source, now=now):
            self._tally.note(Mood.REFUSED)
            return encode_reply(number, [Outcome(Code.FULL, int(retry) + 1)])
        return encode_turn(self._turn.grant(number))

    def _refuse(self, visitor: Visitor, command: _Answered, retry: float) -> None:
        self._tally.note(Mood.REFUSED)
        count = len(command.openings) if isinstance(command, Open) else 1
        outcome = Outcome(Code.FULL, int(retry) + 1)
        self._say(visitor, encode_reply(command.number, [outcome] * count))

    def _deposit(self, visitor: Visitor, deposit: Deposit, *, now: Instant) -> Outcome:
        if self.on_deposit is not None:
            self.on_deposit(len(deposit.frame), now)
        outcome, name = self._mailboxes.deposit(deposit, visitor.source, now=now)
        if name is not None and (watcher := self._watchers.get(deposit.address)) is not None:
            watcher.watching[deposit.address].append(name)
            watcher.ready[deposit.address] = None
            self._stirred[watcher] = None
        return outcome

    def _open(self, visitor: Visitor, command: Open, *, now: Instant) -> list[Outcome]:
        outcomes = []
        for opening in command.openings:
            outcome = self._mailboxes.open(opening, visitor.source, now=now)
            if opening.watch and outcome.code is Code.DONE:
                self._watch(visitor, address_of(opening.read_key), now=now)
            outcomes.append(outcome)
        return outcomes

    def _watch(self, visitor: Visitor, address: Address, *, now: Instant) -> None:
        """One mailbox has one watcher, the latest: an older one is a connection that died unseen."""
        if (older := self._watchers.get(address)) is not None:
            self._unwatch(older, address, now=now)
        self._mailboxes.watched(address, now=now, is_watched=True)
        self._watchers[address] = visitor
        visitor.watching[address] = deque(self._mailboxes.names(address, now=now))
        visitor.ready[address] = None
        self._stirred[visitor] = None

    def _unwatch(self, visitor: Visitor, address: Address, *, now: Instant) -> None:
        if self._watchers.get(address) is visitor:
            del self._watchers[address]
            del visitor.watching[address]
            visitor.ready.pop(address, None)
            self._mailboxes.watched(address, now=now, is_watched=False)

    def _lose(self, address: Address) -> None:
        """End the connection of a reader whose mailbox had to make room: it opens what it can."""
        if (watcher := self._watchers.get(address)) is not None:
            watcher.is_cut = True
            self._stirred[watcher] = None

    def _next_mail(self, visitor: Visitor, *, now: Instant) -> bytes | None:
        """Take one frame from the first mailbox in line, which then goes to the end of it."""
        address = next(iter(visitor.ready))
        del visitor.ready[address]
        names = visitor.watching[address]
        while names:
            name = names.popleft()
            frame = self._mailboxes.frame(address, name, now=now)
            if frame is not None:
                if names:
                    visitor.ready[address] = None
                visitor.unacknowledged += len(frame)
                return encode_mail(address, name, frame)
        return None

    def _credit(self, visitor: Visitor, credit: Credit) -> None:
        if credit.amount > visitor.unacknowledged:
            raise MalformedFrame("more credit than was pushed")
        visitor.unacknowledged -= credit.amount
        self._stirred[visitor] = None

    def _say(self, visitor: Visitor, message: bytes) -> None:
        visitor.replies.append(message)
        visitor.reply_bytes += len(message)
        self._stirred[visitor] = None
        if visitor.reply_bytes > self.limits.reply_queue:
            visitor.is_cut = True
