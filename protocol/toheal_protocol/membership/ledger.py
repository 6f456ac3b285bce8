"""The ledger: operations that were taken in, in an order in which parents come first.

Each one has a number, and what it knows is a set of numbers, kept as the bits of one integer. So
"does A know B" is one shift, and a thousand operations fit in a few hundred kilobytes.

Spec: docs/protocol/membership.md, sections 1 and 3.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Final

from attrs import field, frozen

from toheal_protocol.identity import PersonaKeys
from toheal_protocol.messages.acts import (
    Act,
    Addition,
    Foundation,
    Leaving,
    Muting,
    Removal,
    RoleChange,
    Second,
    Term,
    Unmuting,
)
from toheal_protocol.messages.operations import Operation
from toheal_protocol.model import CircleId, MemberId, OperationId, Role

MAX_OPERATIONS: Final = 1024
"""Operations of one circle: years of coming and going among 24 people."""

MAX_BY_ONE: Final = 256
"""Operations of one author: no one member can use up the circle's."""

MAX_HELD: Final = 64
"""Operations that may wait for parents: honest ones come with theirs, or soon after."""

Bits = int
"""A set of operations: bit n stands for the operation with number n."""


@frozen
class Place:
    """Somebody's place in the circle at some point.

    Attributes:
        adds: the adds that make them a member there.
        role: their role there.
        made_by: the operations that made them a facilitator; empty for any other role.
    """

    adds: Bits
    role: Role
    made_by: Bits = 0


Roll = Mapping[MemberId, Place]
"""Who is in at some point, and as what."""


@frozen(eq=False)
class Entry:
    """One operation that was taken in: its number, what it says, what it knows, and who was in."""

    number: int
    operation: Operation
    act: Act
    past: Bits
    at: Roll = field(repr=False)

    @cached_property
    def author(self) -> MemberId:
        """Return who signed it."""
        return self.operation.author

    @cached_property
    def target(self) -> MemberId | None:
        """Return whom a removal, a change of role, a term or a mute is about."""
        match self.act:
            case Removal(target) | RoleChange(target) | Term(target):
                return target
            case Muting(target) | Unmuting(target):
                return target
            case _:
                return None

    def knows(self, number: int) -> bool:
        """Say whether this operation knows that one."""
        return bool(self.past >> number & 1)


class Ledger:
    """Operations taken in, and where to find them. It grows only while it is read.

    Attributes:
        numbers: the number of each operation, by id.
        torn: authors who signed two operations of which neither knows the other.
        adds, removals, roles, terms, mutes, unmutes: the operations about somebody; seconds: those that support an operation.
        held: operations some parent of which is not here.
        refused: operations that no device takes in, by id.
        rolls: who was in at a point, once it was worked out.
    """

    def __init__(self, circle: CircleId, entries: Iterable[Entry] = ()) -> None:
        self.circle = circle
        self.entries: list[Entry] = []
        self.numbers: dict[OperationId, int] = {}
        self.by_author: dict[MemberId, Bits] = {}
        self.torn: set[MemberId] = set()
        self.adds: dict[MemberId, tuple[int, ...]] = {}
        self.removals: dict[MemberId, tuple[int, ...]] = {}
        self.roles: dict[MemberId, tuple[int, ...]] = {}
        self.terms: dict[MemberId, tuple[int, ...]] = {}
        self.mutes: dict[MemberId, tuple[int, ...]] = {}
        self.unmutes: dict[MemberId, tuple[int, ...]] = {}
        self.seconds: dict[int, tuple[int, ...]] = {}
        self.leaves: dict[MemberId, Bits] = {}
        self.keys: dict[MemberId, PersonaKeys] = {}
        self.held: tuple[Operation, ...] = ()
        self.refused: frozenset[OperationId] = frozenset()
        self.rolls: dict[Bits, Roll] = {}
        self._heads: tuple[OperationId, ...] | None = None
        for entry in entries:
            self._enter(entry)

    @property
    def everything(self) -> Bits:
        """Return the set of all operations."""
        return (1 << len(self.entries)) - 1

    @property
    def is_for_two(self) -> bool:
        """Say whether this is a conversation of two."""
        first = self.entries[0].act if self.entries else None
        return isinstance(first, Foundation) and first.is_for_two

    @property
    def heads(self) -> tuple[OperationId, ...]:
        """Return the ids of the operations no other knows, rising: what a next one names."""
        if self._heads is None:
            self._heads = self.heads_of(self.everything)
        return self._heads

    def heads_of(self, within: Bits) -> tuple[OperationId, ...]:
        """Return the ids of the operations that no other of these knows, rising."""
        known = 0
        for entry in self.among(within):
            known |= entry.past
        return tuple(sorted(entry.operation.id for entry in self.among(within & ~known)))

    def known_to(self, heads: Iterable[OperationId]) -> Bits | None:
        """Return these operations and all they know; None where one is not here."""
        within = 0
        for head in heads:
            number = self.numbers.get(head)
            if number is None:
                return None
            within |= self.entries[number].past | 1 << number
        return within

    def among(self, within: Bits) -> Iterator[Entry]:
        """Give the entries of a set, parents first."""
        entries = self.entries
        while within:
            lowest = within & -within
            yield entries[lowest.bit_length() - 1]
            within ^= lowest

    def copied(self) -> Ledger:
        """Return a ledger with the same operations that can be added to."""
        copy = Ledger(self.circle, self.entries)
        copy.held, copy.refused, copy.rolls = self.held, self.refused, dict(self.rolls)
        return copy

    def append(self, operation: Operation, act: Act, past: Bits, at: Roll) -> None:
        """Take in an operation that may be: see `rights`."""
        self._enter(Entry(len(self.entries), operation, act, past, at))

    def _enter(self, entry: Entry) -> None:
        operation, act, number = entry.operation, entry.act, entry.number
        self.entries.append(entry)
        self._heads = None
        self.numbers[operation.id] = number
        before = self.by_author.get(operation.author, 0)
        self.by_author[operation.author] = before | 1 << number
        if before & ~entry.past:
            self.torn.add(operation.author)
        match act:
            case Foundation(_, keys) | Addition(keys):
                self.adds[keys.member_id] = (*self.adds.get(keys.member_id, ()), number)
                self.keys[keys.member_id] = keys
            case Removal(target):
                self.removals[target] = (*self.removals.get(target, ()), number)
            case RoleChange(target):
                self.roles[target] = (*self.roles.get(target, ()), number)
            case Term(target):
                self.terms[target] = (*self.terms.get(target, ()), number)
            case Muting(target):
                self.mutes[target] = (*self.mutes.get(target, ()), number)
            case Unmuting(target):
                self.unmutes[target] = (*self.unmutes.get(target, ()), number)
            case Second(subject):
                about = self.numbers[subject]
                self.seconds[about] = (*self.seconds.get(about, ()), number)
            case Leaving():
                left = self.leaves.get(operation.author, 0)
                self.leaves[operation.author] = left | 1 << number
            case _:
                pass
