"""One connection to a relay from its hello on: what was asked, what was answered. Pure.

Spec: docs/protocol/mailboxes.md, sections 4 and 5.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias, TypeVar

from attrs import define, field, frozen

from toheal_protocol.crypto import SigningSeed, verify_key
from toheal_protocol.errors import MalformedFrame
from toheal_protocol.model import Address, DepositToken
from toheal_protocol.wire.mailbox import (
    LONGEST_LIFE,
    MAX_BATCH,
    MAX_DELETED,
    Binding,
    ItemId,
    MailboxKind,
    Opening,
    address_of,
    encode_ask_turn,
    encode_credit,
    encode_deposit,
    encode_hail,
    encode_unwatch,
    sign_delete,
    sign_open,
)
from toheal_protocol.wire.mailbox_answers import (
    WINDOW,
    Code,
    Hello,
    Mail,
    Outcome,
    Reply,
    decode_answer,
)
from toheal_protocol.wire.turn_grant import TurnGrant

ORDINARY_LIFE: Final = {
    MailboxKind.SIGNAL: 600,
    MailboxKind.MAIL: LONGEST_LIFE[MailboxKind.MAIL],
}
"""Seconds an item is kept when nobody says otherwise: a signal is worth nothing after minutes."""

_NUMBERS: Final = 2**32

_T = TypeVar("_T")


@frozen
class WatchedMailbox:
    """A mailbox of ours to open and, if `is_watched`, to have pushed.

    `kind` may be given as its number; `ttl` is in seconds, None for what is usual for the kind.
    """

    read_seed: SigningSeed = field(repr=False)
    token_hash: bytes = field(repr=False)
    kind: MailboxKind = field(converter=MailboxKind)
    ttl: int | None = None
    is_watched: bool = True

    @property
    def address(self) -> Address:
        """Where it is."""
        return address_of(verify_key(self.read_seed))


@frozen
class MailArrived:
    """One frame out of a mailbox of ours; it stays at the relay until it is deleted."""

    address: Address
    item: ItemId
    frame: bytes = field(repr=False)


@frozen
class Deposited:
    """The relay stored a deposit."""

    ticket: int


@frozen
class DepositRefused:
    """The relay did not store it, or was lost before it answered (then 0 seconds)."""

    ticket: int
    retry_after: float


@frozen
class OpenRefused:
    """The relay has no room for these mailboxes now; 0 seconds means: never these."""

    mailboxes: tuple[WatchedMailbox, ...]
    retry_after: float


@frozen
class TurnAnswered:
    """What the relay said about TURN; without a grant it has none for us for so many seconds."""

    grant: TurnGrant | None
    retry_after: float = 0.0


Answered: TypeAlias = MailArrived | Deposited | DepositRefused | OpenRefused | TurnAnswered


@frozen
class _DepositAsked:
    ticket: int
    size: int


@frozen
class _OpenAsked:
    mailboxes: tuple[WatchedMailbox, ...]


@frozen
class _TurnAsked:
    """A `TurnGrant` or a refusal follows."""


@frozen
class _Asked:
    """Something whose answer changes nothing."""


_Question: TypeAlias = _DepositAsked | _OpenAsked | _TurnAsked | _Asked


@define(eq=False)
class RelaySession:
    """What one connection knows: numbers, what is unanswered, what was pushed and not taken over."""

    hello: Hello
    relay: bytes
    unanswered_bytes: int = field(default=0, init=False)
    """Bytes of deposits that were sent and not answered."""
    unacknowledged: int = field(default=0, init=False)
    """Bytes of mail that arrived and was not taken over."""
    _number: int = field(default=0, init=False)
    _asked: dict[int, _Question] = field(factory=dict, init=False)

    @property
    def is_waiting(self) -> bool:
        """Whether the relay owes an answer."""
        return bool(self._asked)

    @property
    def next_unanswered(self) -> int:
        """Bytes of what the relay has to answer next, where they are many."""
        first = next(iter(self._asked.values()), None)
        return first.size if isinstance(first, _DepositAsked) else 0

    def open(self, mailboxes: Sequence[WatchedMailbox]) -> list[bytes]:
        """Ask for mailboxes, in as many commands as it takes."""
        return [self._open(batch) for batch in _batches(mailboxes, MAX_BATCH)]

    def deposit(self, ticket: int, address: Address, token: DepositToken, frame: bytes) -> bytes:
        """Ask for a frame to be stored."""
        self.unanswered_bytes += len(frame)
        number = self._ask(_DepositAsked(ticket, len(frame)))
        return encode_deposit(number, address, token, frame)

    def delete(self, seed: SigningSeed, items: Sequence[ItemId]) -> list[bytes]:
        """Ask for items of one mailbox to be deleted."""
        return [
            sign_delete(self._ask(_Asked()), seed, batch, self._binding)
            for batch in _batches(items, MAX_DELETED)
        ]

    def unwatch(self, addresses: Sequence[Address]) -> list[bytes]:
        """Ask for no more mail out of mailboxes."""
        return [
            encode_unwatch(self._ask(_Asked()), batch) for batch in _batches(addresses, MAX_BATCH)
        ]

    def credit(self, amount: int) -> bytes:
        """Tell that so many bytes of mail were taken over."""
        self.unacknowledged -= amount
        return encode_credit(amount)

    def hail(self) -> bytes:
        """Ask whether anybody is there."""
        return encode_hail(self._ask(_Asked()))

    def ask_turn(self) -> bytes:
        """Ask for leave to use TURN."""
        return encode_ask_turn(self._ask(_TurnAsked()))

    def receive(self, message: bytes) -> tuple[Answered, ...]:
        """Take one message.

        Raises:
            RemoteError: the relay broke a rule. It is not worth talking to.
        """
        answer = decode_answer(message)
        match answer:
            case Mail(address, item, frame):
                if self.unacknowledged >= WINDOW:
                    raise MalformedFrame("more mail than we gave credit for")
                self.unacknowledged += len(frame)
                return (MailArrived(address, item, frame),)
            case Reply(number, outcomes):
                return self._answered(number, outcomes)
            case Hello():
                raise MalformedFrame("a second hello")
            case TurnGrant(number):
                if not isinstance(self._asked.pop(number, None), _TurnAsked):
                    raise MalformedFrame("an answer to nothing we asked")
                return (TurnAnswered(answer),)

    def give_up(self) -> tuple[DepositRefused, ...]:
        """Return what has to be said about deposits that will not be answered any more."""
        tickets = [
            asked.ticket for asked in self._asked.values() if isinstance(asked, _DepositAsked)
        ]
        self._asked.clear()
        return tuple(DepositRefused(ticket, 0.0) for ticket in tickets)

    @property
    def _binding(self) -> Binding:
        return Binding(self.relay, self.hello.nonce)

    def _open(self, mailboxes: Sequence[WatchedMailbox]) -> bytes:
        wanted = [(each.read_seed, _opening(each)) for each in mailboxes]
        return sign_open(self._ask(_OpenAsked(tuple(mailboxes))), wanted, self._binding)

    def _ask(self, asked: _Question) -> int:
        self._number = (self._number + 1) % _NUMBERS
        self._asked[self._number] = asked
        return self._number

    def _answered(self, number: int, outcomes: tuple[Outcome, ...]) -> tuple[Answered, ...]:
        asked = self._asked.pop(number, None)
        expected = len(asked.mailboxes) if isinstance(asked, _OpenAsked) else 1
        if asked is None or len(outcomes) != expected:
            raise MalformedFrame("an answer to nothing we asked")
        match asked:
            case _DepositAsked(ticket, size):
                self.unanswered_bytes -= size
                return (_deposit_answer(ticket, outcomes[0]),)
            case _OpenAsked(mailboxes):
                return tuple(_refusals(mailboxes, outcomes))
            case _TurnAsked():
                return (TurnAnswered(None, float(outcomes[0].value)),)
            case _Asked():
                return ()


def _opening(mailbox: WatchedMailbox) -> Opening:
    kind = mailbox.kind
    return Opening(
        read_key=verify_key(mailbox.read_seed),
        token_hash=mailbox.token_hash,
        kind=kind,
        ttl=mailbox.ttl or ORDINARY_LIFE[kind],
        watch=mailbox.is_watched,
    )


def _deposit_answer(ticket: int, outcome: Outcome) -> Deposited | DepositRefused:
    if outcome.code is Code.DONE:
        return Deposited(ticket)
    return DepositRefused(ticket, float(outcome.value))


def _refusals(
    mailboxes: tuple[WatchedMailbox, ...], outcomes: tuple[Outcome, ...]
) -> Iterator[OpenRefused]:
    refused = [
        (mailbox, outcome.value)
        for mailbox, outcome in zip(mailboxes, outcomes, strict=True)
        if outcome.code is not Code.DONE
    ]
    if refused:
        yield OpenRefused(tuple(each for each, _ in refused), float(max(s for _, s in refused)))


def _batches(things: Sequence[_T], most: int) -> Iterator[Sequence[_T]]:
    for start in range(0, len(things), most):
        yield things[start : start + most]
