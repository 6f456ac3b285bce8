"""The newest frames a circle owes, in memory: a courier that fell behind need not read them back.

A person writes faster than a peer acknowledges for a moment, and the courier's window is full. What
comes after would then be fetched from the vault 64 frames at a time, each waiting for two commits.
This answers the same question at once, exactly as the vault will once everything decided so far is
on disk, or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from attrs import define, evolve, field

from toheal_protocol.machines.events import LoadOwed, OwedFrame, OwedLoaded
from toheal_protocol.machines.records import (
    DropOwed,
    GiveUpOwed,
    MarkAtRelay,
    PutOwed,
    UnsayOwed,
    Write,
    has_never_left,
    marked,
)
from toheal_protocol.model import Frame, MemberId

KEPT_MOST: Final = 2 * 1024 * 1024
"""Bytes of frames kept per circle: some 2 000 short messages. Older ones are read from the vault."""


@define(eq=False)
class _Owed:
    """What one member is owed from number `first` on: all of it, in rising order."""

    first: int
    rows: dict[int, OwedFrame] = field(factory=dict)
    size: int = 0
    """Bytes of all rows."""

    def put(self, row: OwedFrame) -> None:
        """Keep one row, in the place of an earlier one of its number."""
        before = self.rows.get(row.seq)
        self.size += _size(row) - (0 if before is None else _size(before))
        self.rows[row.seq] = row

    def take(self, seq: int) -> None:
        """Forget a row, if it is there."""
        row = self.rows.pop(seq, None)
        if row is not None:
            self.size -= _size(row)


@define(eq=False)
class RecentOwed:
    """Follows what is decided; belongs to one circle."""

    _members: dict[MemberId, _Owed] = field(factory=dict, repr=False)

    def size_for(self, member: MemberId) -> int:
        """Return how many bytes of what one member is owed are kept here."""
        owed = self._members.get(member)
        return 0 if owed is None else owed.size

    def note(self, writes: Iterable[Write], *, next_seq: Callable[[MemberId], int]) -> None:
        """Follow one decision.

        Args:
            next_seq: the number after the last one a member was owed before this decision.
        """
        for write in writes:
            match write:
                case PutOwed(member=member, seq=seq):
                    owed = self._members.setdefault(member, _Owed(next_seq(member)))
                    if seq >= owed.first:
                        owed.put(OwedFrame(seq, write.mid, write.item, write.frame, b""))
                case DropOwed(member=member):
                    self._drop(self._members.get(member), write)
                case UnsayOwed():
                    self._unsay(write)
                case MarkAtRelay(member=member):
                    self._mark(self._members.get(member), write)
                case GiveUpOwed(member=member):
                    self._members.pop(member, None)
                case _:
                    pass
        self._shrink()

    def answer(self, asked: LoadOwed) -> OwedLoaded | None:
        """Answer as the vault would, or None where only the vault knows."""
        owed = self._members.get(asked.member)
        if owed is None or asked.after + 1 < owed.first:
            return None
        found: list[OwedFrame] = []
        for seq in range(asked.after + 1, asked.upto + 1):
            if len(found) == asked.limit:
                return OwedLoaded(asked.member, asked.upto, False, tuple(found))
            if (row := owed.rows.get(seq)) is not None:
                found.append(row)
        return OwedLoaded(asked.member, asked.upto, True, tuple(found))

    def _drop(self, owed: _Owed | None, write: DropOwed) -> None:
        if owed is None:
            return
        while owed.rows and (first := next(iter(owed.rows))) <= write.through:
            owed.take(first)
        for seq in write.beyond:
            owed.take(seq)

    def _unsay(self, write: UnsayOwed) -> None:
        for owed in self._members.values():
            for row in list(owed.rows.values()):
                if row.mid == write.mid and has_never_left(row.item):
                    owed.put(evolve(row, mid=None, item=write.item, frame=Frame(b"")))

    def _mark(self, owed: _Owed | None, write: MarkAtRelay) -> None:
        for seq in write.seqs if owed else ():
            if owed and (row := owed.rows.get(seq)) is not None:
                owed.rows[seq] = evolve(row, boot=marked(row.boot, write.boot))

    def _shrink(self) -> None:
        """Leave the oldest of the largest to the vault."""
        while sum([owed.size for owed in self._members.values()]) > KEPT_MOST:
            owed = max(self._members.values(), key=lambda one: len(one.rows))
            oldest = next(iter(owed.rows))
            owed.take(oldest)
            owed.first = oldest + 1


def _size(row: OwedFrame) -> int:
    return len(row.frame) + len(row.item)
