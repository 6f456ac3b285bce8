"""Who uses how much of one budget, and who must make room when it is used up.

Full means: refuse the new, keep the old. But one filler must not lock everybody out, so a newcomer
who uses less than the heaviest source gets room from what the heaviest brought last.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final, Generic, NewType, TypeVar

from attrs import Factory, define

Source = NewType("Source", bytes)
"""16 bytes: a keyed hash of the network address something came from, another one every day."""

SOURCE_SIZE: Final = 16
"""Bytes of a `Source`."""

Key = TypeVar("Key", bound=Hashable)


@define(eq=False)
class _Holding(Generic[Key]):
    size: int = 0
    entries: dict[Key, int] = Factory(dict)


class Shares(Generic[Key]):
    """One budget, divided among sources as they come.

    Every entry is taken and given back under the same source and key.
    """

    def __init__(self, *, total: int, per_source: int) -> None:
        self.used = 0
        self._total = total
        self._per_source = per_source
        self._holdings: dict[Source, _Holding[Key]] = {}

    def __len__(self) -> int:
        return len(self._holdings)

    def make_room(self, source: Source, size: int) -> tuple[Key, ...] | None:
        """Say which entries have to go so that `source` can have `size` more; None if it cannot.

        Nothing is changed: the caller removes the entries, which gives them back, and then takes.
        """
        holding = self._holdings.get(source)
        ours = size + (holding.size if holding else 0)
        if ours > self._per_source or size > self._total:
            return None
        over = self.used + size - self._total
        return () if over <= 0 else self._victims(source, ours=ours, over=over)

    def take(self, source: Source, key: Key, size: int) -> None:
        """Note that `source` uses `size` for `key`."""
        holding = self._holdings.setdefault(source, _Holding())
        holding.entries[key] = size
        holding.size += size
        self.used += size

    def give_back(self, source: Source, key: Key) -> None:
        """Note that `key` is gone."""
        holding = self._holdings[source]
        size = holding.entries.pop(key)
        holding.size -= size
        self.used -= size
        if not holding.entries:
            del self._holdings[source]

    def _victims(self, source: Source, *, ours: int, over: int) -> tuple[Key, ...] | None:
        heaviest = max(self._holdings, key=lambda each: self._holdings[each].size)
        holding = self._holdings[heaviest]
        if heaviest == source or holding.size <= ours:
            return None
        # a little more than is needed: looking for the heaviest again and again would be dear
        wanted = max(over, min(self._total // 256, holding.size - ours))
        victims, freed = [], 0
        for key, size in reversed(holding.entries.items()):
            if freed >= wanted:
                break
            victims.append(key)
            freed += size
        return tuple(victims) if freed >= over else None
