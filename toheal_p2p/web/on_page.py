"""Which entries the open page shows.

A page keeps what it was given. So that it does not go on showing what has disappeared, was taken
back or changed meanwhile, we remember what it shows and compare now and then (`web.live`).

Docs: docs/page.md, section 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from attrs import define, evolve, field

from toheal_p2p.app.interface import EntryView

DAY: Final = 24 * 3600

COMPARED: Final = 100
"""Entries that are compared at once: a few milliseconds."""


@define(eq=False)
class OnPage:
    """The entries that the open page of one circle shows.

    Attributes:
        can_answer: there is a place to write on it.
    """

    circle: str = ""
    can_answer: bool = False
    _entries: dict[str, EntryView] = field(factory=dict, init=False, repr=False)
    _next: int = field(default=0, init=False)

    def begin(self, circle: str, entries: Sequence[EntryView], *, can_answer: bool) -> None:
        """A page with these entries was made."""
        self.circle, self.can_answer, self._next = circle, can_answer, 0
        self._entries = {}
        self.add(circle, entries)

    def add(self, circle: str, entries: Sequence[EntryView]) -> None:
        """These came to it, or took the place of what it showed of them."""
        if circle == self.circle:
            self._entries |= {entry.id: entry for entry in entries}

    def remove(self, message: str) -> None:
        """This one was taken from it."""
        self._entries.pop(message, None)

    def one(self, message: str) -> list[EntryView]:
        """Return what is shown of one message."""
        return [self._entries[message]] if message in self._entries else []

    def next_few(self) -> list[EntryView]:
        """Return the next entries to compare, oldest first; after the last the first again."""
        shown = sorted(self._entries.values(), key=lambda entry: entry.position)
        first = self._next if self._next < len(shown) else 0
        self._next = first + COMPARED
        return shown[first : self._next]


def as_seen(entry: EntryView) -> EntryView:
    """Return an entry without what changes and is not seen; how a file comes is told elsewhere."""
    soon = 0 if entry.left is not None and entry.left < DAY else None
    return evolve(entry, left=soon, is_new=False, attachment=None)
