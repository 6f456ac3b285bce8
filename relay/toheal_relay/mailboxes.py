"""The mailboxes of one relay: what lies where, for how long, and who must make room.

Pure: no clock, no randomness, no I/O. Whoever calls has checked the signatures. Everything is in
memory and nowhere else; a restart forgets it all, and the circle's outboxes bring it again.

Spec: docs/protocol/mailboxes.md, section 6.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heappush

from attrs import Factory, define, evolve

from toheal_protocol.crypto import equal, token_of
from toheal_protocol.model import Address, Instant
from toheal_protocol.wire.mailbox import (
    LONGEST_LIFE,
    Deposit,
    ItemId,
    MailboxKind,
    Opening,
    address_of,
)
from toheal_protocol.wire.mailbox_answers import DONE, Code, Outcome
from toheal_relay.items import Item, cost_of, name_item
from toheal_relay.limits import RETRY_FULL, Limits
from toheal_relay.metrics import Mood, Tally
from toheal_relay.shares import Shares, Source
from toheal_relay.strays import Strays

_FULL = Outcome(Code.FULL, RETRY_FULL)

_NEVER = Instant(math.inf)

_SLACK = 1024
"""Alarms without a mailbox that are not worth a cleaning."""


@define(eq=False)
class _Mailbox:
    """One registered mailbox. Items are in order of arrival, and expire in that order.

    `due` is when it will be looked at again: not later than its first item expires.
    """

    token_hash: bytes
    kind: MailboxKind
    ttl: int
    registrant: Source
    lapses_at: Instant
    due: Instant
    is_watched: bool = False
    size: int = 0
    items: dict[ItemId, Item] = Factory(dict)


class Mailboxes:
    """All mailboxes of one relay.

    `on_lost` is called with the address of a mailbox that had to make room while it was watched:
    its reader should hear of it.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        secret: bytes,
        tally: Tally,
        on_lost: Callable[[Address], None] = lambda _address: None,
    ) -> None:
        self.strays = Strays(limits, secret=secret, tally=tally)
        self.item_count = 0
        self._limits = limits
        self._secret = secret
        self._tally = tally
        self._on_lost = on_lost
        self._boxes: dict[Address, _Mailbox] = {}
        self._due: list[tuple[Instant, Address]] = []
        self._registrations: Shares[Address] = Shares(
            total=limits.mailboxes, per_source=limits.mailboxes_per_source
        )
        self._bytes: Shares[tuple[Address, ItemId]] = Shares(
            total=limits.bytes_total, per_source=limits.bytes_per_source
        )

    def __len__(self) -> int:
        return len(self._boxes)

    def __contains__(self, address: object) -> bool:
        return address in self._boxes

    @property
    def used(self) -> int:
        """Bytes that all items are charged."""
        return self._bytes.used

    def open(self, opening: Opening, source: Source, *, now: Instant) -> Outcome:
        """Register a mailbox, or renew it: its reader may change token, kind and time to live.

        What waited for it and came with this token is in it from now on.

        Returns:
            `DONE` with the number of items in it, or `FULL`.
        """
        address = address_of(opening.read_key)
        mailbox = self._live(address, now)
        if mailbox is None:
            victims = self._registrations.make_room(source, 1)
            if victims is None:
                self._tally.note(Mood.CROWDED)
                return _FULL
            for victim in victims:
                self._evict(victim)
            mailbox = self._register(address, opening, source, now=now)
            for name, item in self.strays.claim(address, opening.token_hash, now=now):
                self._move_in(address, mailbox, name, item, now=now)
        else:
            mailbox.token_hash = opening.token_hash
            mailbox.kind = opening.kind
            mailbox.ttl = _capped(opening)
            mailbox.lapses_at = self._lapse(opening.kind, now)
            self._look_again(address, mailbox, mailbox.lapses_at)
        return Outcome(Code.DONE, len(mailbox.items))

    def deposit(
        self, deposit: Deposit, source: Source, *, now: Instant
    ) -> tuple[Outcome, ItemId | None]:
        """Store one frame, once; return how it went and, if something new lies here, its name."""
        mailbox = self._live(deposit.address, now)
        if mailbox is None:
            return self.strays.deposit(deposit, source, now=now), None
        token_hash = token_of(deposit.token)
        if not equal(mailbox.token_hash, token_hash):
            self._tally.note(Mood.REFUSED)
            return Outcome(Code.REFUSED), None
        name = name_item(self._secret, deposit.address, token_hash, deposit.frame)
        if name in mailbox.items:
            return DONE, None
        item = Item(deposit.frame, source, self._expiry(mailbox, now))
        if not self._store(deposit.address, mailbox, name, item):
            self._tally.note(Mood.CROWDED)
            return _FULL, None
        return DONE, name

    def delete(self, address: Address, names: Iterable[ItemId]) -> None:
        """Delete items their reader has taken over. Unknown names are no fault: it may repeat."""
        mailbox = self._boxes.get(address)
        for name in names:
            if mailbox is not None and name in mailbox.items:
                self._drop(address, mailbox, name, Mood.HAPPY)

    def names(self, address: Address, *, now: Instant) -> tuple[ItemId, ...]:
        """Return the names of what lies in a mailbox, in order of arrival."""
        mailbox = self._live(address, now)
        return () if mailbox is None else tuple(mailbox.items)

    def frame(self, address: Address, name: ItemId, *, now: Instant) -> bytes | None:
        """Return a frame if it is still here and its time is not over."""
        mailbox = self._boxes.get(address)
        item = None if mailbox is None else mailbox.items.get(name)
        return None if item is None or item.expires_at <= now else item.frame

    def watched(self, address: Address, *, now: Instant, is_watched: bool) -> None:
        """Note that somebody watches, or nobody any more: a watched mailbox does not lapse."""
        mailbox = self._boxes.get(address)
        if mailbox is None:
            return
        mailbox.is_watched = is_watched
        mailbox.lapses_at = self._lapse(mailbox.kind, now)

    def sweep(self, *, now: Instant) -> None:
        """Forget items whose time is over and mailboxes nobody came back to."""
        self.strays.sweep(now=now)
        while self._due and self._due[0][0] <= now:
            due, address = heappop(self._due)
            mailbox = self._boxes.get(address)
            if mailbox is not None and mailbox.due == due:
                self._tidy(address, mailbox, now=now)

    def _register(
        self, address: Address, opening: Opening, source: Source, *, now: Instant
    ) -> _Mailbox:
        mailbox = _Mailbox(
            token_hash=opening.token_hash,
            kind=opening.kind,
            ttl=_capped(opening),
            registrant=source,
            lapses_at=self._lapse(opening.kind, now),
            due=_NEVER,
        )
        self._boxes[address] = mailbox
        self._registrations.take(source, address, 1)
        self._look_again(address, mailbox, mailbox.lapses_at)
        return mailbox

    def _move_in(
        self, address: Address, mailbox: _Mailbox, name: ItemId, item: Item, *, now: Instant
    ) -> None:
        expires_at = Instant(min(item.expires_at, now + mailbox.ttl))
        if not self._store(address, mailbox, name, evolve(item, expires_at=expires_at)):
            self._tally.note(Mood.CROWDED)

    def _store(self, address: Address, mailbox: _Mailbox, name: ItemId, item: Item) -> bool:
        limits, cost = self._limits, item.cost
        if (
            len(mailbox.items) >= limits.items_per_mailbox
            or mailbox.size + cost > limits.bytes_per_mailbox
        ):
            return False
        victims = self._bytes.make_room(item.depositor, cost)
        if victims is None:
            return False
        for victim_address, victim in victims:
            self._drop(victim_address, self._boxes[victim_address], victim, Mood.CROWDED)
        self._look_again(address, mailbox, item.expires_at)
        mailbox.items[name] = item
        mailbox.size += cost
        self.item_count += 1
        self._bytes.take(item.depositor, (address, name), cost)
        return True

    def _drop(self, address: Address, mailbox: _Mailbox, name: ItemId, mood: Mood) -> None:
        item = mailbox.items.pop(name)
        mailbox.size -= cost_of(item.frame)
        self.item_count -= 1
        self._bytes.give_back(item.depositor, (address, name))
        self._tally.note(mood)

    def _live(self, address: Address, now: Instant) -> _Mailbox | None:
        """Return a mailbox without anything whose time is over, itself included."""
        mailbox = self._boxes.get(address)
        if mailbox is not None and mailbox.due <= now:
            self._tidy(address, mailbox, now=now)
            return self._boxes.get(address)
        return mailbox

    def _tidy(self, address: Address, mailbox: _Mailbox, *, now: Instant) -> None:
        mailbox.due = _NEVER
        for name, item in list(mailbox.items.items()):
            if item.expires_at > now:
                self._look_again(address, mailbox, item.expires_at)
                break
            self._drop(address, mailbox, name, Mood.EXPIRED)
        if mailbox.is_watched:
            mailbox.lapses_at = self._lapse(mailbox.kind, now)
        if mailbox.lapses_at <= now:
            self._remove(address, mailbox, Mood.EXPIRED)
        else:
            self._look_again(address, mailbox, mailbox.lapses_at)

    def _look_again(self, address: Address, mailbox: _Mailbox, when: Instant) -> None:
        if when >= mailbox.due:
            return
        mailbox.due = when
        heappush(self._due, (when, address))
        if len(self._due) > 4 * len(self._boxes) + _SLACK:  # most of it is of the past
            self._due = [(each.due, name) for name, each in self._boxes.items()]
            heapify(self._due)

    def _evict(self, address: Address) -> None:
        mailbox = self._boxes[address]
        self._remove(address, mailbox, Mood.CROWDED)
        if mailbox.is_watched:
            self._on_lost(address)

    def _remove(self, address: Address, mailbox: _Mailbox, mood: Mood) -> None:
        for name in list(mailbox.items):
            self._drop(address, mailbox, name, mood)
        del self._boxes[address]
        self._registrations.give_back(mailbox.registrant, address)

    def _lapse(self, kind: MailboxKind, now: Instant) -> Instant:
        is_signal = kind is MailboxKind.SIGNAL
        limits = self._limits
        return Instant(
            now + (limits.registration_signal if is_signal else limits.registration_mail)
        )

    def _expiry(self, mailbox: _Mailbox, now: Instant) -> Instant:
        """An item never expires before one that arrived earlier: order is what we promise."""
        latest = next(reversed(mailbox.items.values()), None)
        return Instant(max(now + mailbox.ttl, latest.expires_at if latest else 0.0))


def _capped(opening: Opening) -> int:
    return min(opening.ttl, LONGEST_LIFE[opening.kind])
