"""What we want of one relay, whether or not it can be reached just now. Pure.

Mailboxes are wished for until they are unwished, across connections. Deposits and deletes are
wished for once: those that are left when a connection breaks are given up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

from attrs import define, field, frozen

from toheal_p2p.services.relay_session import DepositRefused, RelaySession, WatchedMailbox
from toheal_protocol.crypto import SigningSeed
from toheal_protocol.model import Address, DepositToken
from toheal_protocol.wire.mailbox import ItemId, check_deposit
from toheal_protocol.wire.mailbox_answers import WINDOW

MOST_WAITING: Final = 4 * 1024 * 1024
"""Bytes of frames that may wait here: what a crowd's connections may hold in memory together."""

MOST_UNANSWERED: Final = 128 * 1024
"""Bytes of deposits sent ahead of their answers: one round trip's worth of a 10 Mbit/s line."""

MOST_DELETES: Final = 16_384
"""Deletes that may wait here. A forgotten one costs a repeat, nothing else."""

BATCH: Final = 64 * 1024
"""Bytes of deposits written at once."""


@frozen
class _Deposit:
    ticket: int
    address: Address
    token: DepositToken = field(repr=False)
    frame: bytes = field(repr=False)


@define(eq=False)
class RelayWishes:
    """All that waits for a connection, or for the next write on it."""

    _wanted: dict[Address, WatchedMailbox] = field(factory=dict, init=False)
    _to_open: dict[Address, WatchedMailbox] = field(factory=dict, init=False)
    _to_unwatch: dict[Address, None] = field(factory=dict, init=False)
    _to_delete: dict[SigningSeed, list[ItemId]] = field(factory=dict, init=False, repr=False)
    _deletes: int = field(default=0, init=False)
    _deposits: deque[_Deposit] = field(factory=deque, init=False)
    _deposit_bytes: int = field(default=0, init=False)
    _credit: int = field(default=0, init=False)
    _hails: bool = field(default=False, init=False)
    _asks_turn: bool = field(default=False, init=False)

    @property
    def is_full(self) -> bool:
        """Whether no more deposits can wait."""
        return self._deposit_bytes >= MOST_WAITING

    def wants(self, address: Address) -> bool:
        """Whether mail out of this mailbox is of interest."""
        return address in self._wanted

    def watch(self, mailboxes: Iterable[WatchedMailbox]) -> None:
        """Wish for mailboxes. One that is wished for already, and in the same way, is not opened
        again: that would have everything in it pushed again.
        """
        for mailbox in mailboxes:
            address = mailbox.address
            if self._wanted.get(address) != mailbox:
                self._wanted[address] = self._to_open[address] = mailbox
                self._to_unwatch.pop(address, None)

    def unwatch(self, addresses: Iterable[Address]) -> None:
        """Wish for mailboxes no more."""
        for address in addresses:
            self._wanted.pop(address, None)
            if self._to_open.pop(address, None) is None:
                self._to_unwatch[address] = None

    def open_again(self, mailboxes: Iterable[WatchedMailbox]) -> None:
        """Try again to open mailboxes that were refused, if they are still wanted."""
        for mailbox in mailboxes:
            if self._wanted.get(mailbox.address) == mailbox:
                self._to_open[mailbox.address] = mailbox

    def deposit(self, ticket: int, address: Address, token: DepositToken, frame: bytes) -> None:
        """Wish for a frame to be stored.

        Raises:
            LocalError: address, token or frame are of a size that no deposit has.
        """
        check_deposit(address, token, frame)
        self._deposits.append(_Deposit(ticket, address, token, frame))
        self._deposit_bytes += len(frame)

    def delete(self, seed: SigningSeed, items: Sequence[ItemId]) -> None:
        """Wish for items to be deleted."""
        if self._deletes + len(items) <= MOST_DELETES:
            self._to_delete.setdefault(seed, []).extend(items)
            self._deletes += len(items)

    def credit(self, amount: int) -> bool:
        """Note that mail was taken over; say whether the relay should hear of it now.

        It need not hear of every frame: three quarters of the window are always left to it.
        """
        self._credit += amount
        return self._credit >= WINDOW // 4

    def hail(self) -> None:
        """Wish for a sign of life."""
        self._hails = True

    def ask_turn(self) -> None:
        """Wish for leave to use TURN."""
        self._asks_turn = True

    def connected(self) -> None:
        """Begin anew on a new connection: everything wanted has to be opened."""
        self._to_open = dict(self._wanted)
        self._forget_what_was_of_the_connection()

    def disconnected(self) -> tuple[DepositRefused, ...]:
        """Give up what was wished for once, and return what has to be said about it."""
        refused = tuple(DepositRefused(deposit.ticket, 0.0) for deposit in self._deposits)
        self._deposits.clear()
        self._deposit_bytes = 0
        self._forget_what_was_of_the_connection()
        return refused

    def next_messages(self, session: RelaySession) -> list[bytes]:
        """Take what is to be written next, about 64 kB at most; empty if there is nothing."""
        messages = session.open(list(self._to_open.values()))
        self._to_open.clear()
        messages += session.unwatch(list(self._to_unwatch))
        self._to_unwatch.clear()
        for seed, items in self._to_delete.items():
            messages += session.delete(seed, items)
        self._to_delete.clear()
        self._deletes = 0
        if self._hails:
            messages.append(session.hail())
            self._hails = False
        if self._asks_turn:
            messages.append(session.ask_turn())
            self._asks_turn = False
        messages += self._next_deposits(session)
        if self._credit and (messages or self._credit >= WINDOW // 4):
            messages.append(session.credit(self._credit))
            self._credit = 0
        return messages

    def _next_deposits(self, session: RelaySession) -> list[bytes]:
        messages, size = [], 0
        while self._deposits and size < BATCH and session.unanswered_bytes < MOST_UNANSWERED:
            each = self._deposits.popleft()
            size += len(each.frame)
            messages.append(session.deposit(each.ticket, each.address, each.token, each.frame))
        self._deposit_bytes -= size
        return messages

    def _forget_what_was_of_the_connection(self) -> None:
        self._to_unwatch.clear()
        self._to_delete.clear()
        self._deletes = self._credit = 0
        self._hails = self._asks_turn = False
