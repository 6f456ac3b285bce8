"""Deposits for mailboxes that nobody registered (yet).

After a restart of the relay depositors may come before the reader does. What they bring waits here
for a day, in a small budget of its own, so that strangers who fill it harm nobody who registered.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen

from toheal_protocol.crypto import equal, token_of
from toheal_protocol.model import Address, Instant
from toheal_protocol.wire.mailbox import Deposit, ItemId
from toheal_protocol.wire.mailbox_answers import DONE, Code, Outcome
from toheal_relay.items import Item, cost_of, name_item
from toheal_relay.limits import RETRY_FULL, Limits
from toheal_relay.metrics import Mood, Tally
from toheal_relay.shares import Shares, Source


@frozen
class _Stray:
    item: Item
    token_hash: bytes


class Strays:
    """What waits for a reader to register."""

    def __init__(self, limits: Limits, *, secret: bytes, tally: Tally) -> None:
        self._limits = limits
        self._secret = secret
        self._tally = tally
        self._by_address: dict[Address, dict[ItemId, _Stray]] = {}
        self._by_age: dict[tuple[Address, ItemId], Instant] = {}
        self._shares: Shares[tuple[Address, ItemId]] = Shares(
            total=limits.stray_bytes_total, per_source=limits.stray_bytes_per_source
        )

    def __len__(self) -> int:
        return len(self._by_age)

    @property
    def used(self) -> int:
        """Bytes they are charged."""
        return self._shares.used

    def deposit(self, deposit: Deposit, source: Source, *, now: Instant) -> Outcome:
        """Keep a frame for a reader who may come."""
        self.sweep(now=now)
        token_hash = token_of(deposit.token)
        name = name_item(self._secret, deposit.address, token_hash, deposit.frame)
        here = self._by_address.get(deposit.address, {})
        if name in here:
            return DONE
        cost = cost_of(deposit.frame)
        victims = self._shares.make_room(source, cost)
        if victims is None or len(here) >= self._limits.strays_per_address:
            self._tally.note(Mood.CROWDED)
            return Outcome(Code.FULL, RETRY_FULL)
        for address, victim in victims:
            self._drop(address, victim)
            self._tally.note(Mood.CROWDED)
        expires_at = Instant(now + self._limits.stray_life)
        item = Item(deposit.frame, source, expires_at)
        # the last victim may have been the last one here: look the address up again
        here = self._by_address.setdefault(deposit.address, {})
        here[name] = _Stray(item, token_hash)
        self._by_age[deposit.address, name] = expires_at
        self._shares.take(source, (deposit.address, name), cost)
        return DONE

    def claim(
        self, address: Address, token_hash: bytes, *, now: Instant
    ) -> Iterator[tuple[ItemId, Item]]:
        """Hand over, oldest first, what waits for a reader, and forget it.

        What came with another token was not meant for this reader and is dropped.
        """
        for name, stray in list(self._by_address.get(address, {}).items()):
            self._drop(address, name)
            if equal(stray.token_hash, token_hash) and stray.item.expires_at > now:
                yield name, stray.item
            else:
                self._tally.note(Mood.LONELY)

    def sweep(self, *, now: Instant) -> None:
        """Forget those whose time is over: all live equally long, so the oldest are first."""
        while self._by_age:
            (address, name), expires_at = next(iter(self._by_age.items()))
            if expires_at > now:
                return
            self._drop(address, name)
            self._tally.note(Mood.LONELY)

    def _drop(self, address: Address, name: ItemId) -> None:
        here = self._by_address[address]
        stray = here.pop(name)
        if not here:
            del self._by_address[address]
        del self._by_age[address, name]
        self._shares.give_back(stray.item.depositor, (address, name))
