"""Search: which words are in which message.

The index has shelves, one for each circle and each 131 072 places. A word is kept with its shelf in
front, so a search looks through one shelf after the other, newest first, and ends where it has
enough. Without them, whoever asks for a frequent word would have to wait until all of its places
in all circles were gathered.

Spec: docs/vault.md, section 6.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, cast

import apsw

from toheal_p2p.adapters.search_text import (
    asked_words,
    holds,
    match_expression,
    normalise_text,
)
from toheal_p2p.adapters.vault.reads import LAST_POSITION
from toheal_p2p.adapters.vault.rows import ENTRY_COLUMNS, ENTRY_TABLES, entry_row
from toheal_p2p.ports.vault import EntryRow
from toheal_protocol.model import CircleId

SHELF_SIZE: Final = 1 << 17
"""Places of a shelf. Gathering a word that is in every message of it takes some milliseconds, and
looking into one in vain less than one."""

_FEW: Final = 64
"""Messages of a shelf that have a word, and are looked through for the others without the index."""

_DIGIT: Final = 1 << 12
"""Signs that stand for a part of a shelf's number: of those that are in nobody's words."""

_FIRST_DIGIT: Final = 0xE000
"""The first code point for private use. `normalise_text` leaves nothing but letters and digits."""


def index_words(db: apsw.Connection, circle: int, position: int, text: str) -> None:
    """Let a text be found."""
    if words := _on_shelf(circle, position, text):
        db.execute("INSERT INTO words (rowid, text) VALUES (?, ?)", (position, words))


def forget_words(db: apsw.Connection, circle: int, position: int, text: str) -> None:
    """Let a text be found no more."""
    # An index without its text must be told what to take out, word for word as it went in.
    if words := _on_shelf(circle, position, text):
        db.execute(
            "INSERT INTO words (words, rowid, text) VALUES ('delete', ?, ?)", (position, words)
        )


def search(
    db: apsw.Connection, circle: CircleId | None, query: str, limit: int
) -> tuple[EntryRow, ...]:
    """Read the newest entries that hold every word of a query."""
    asked = sorted(asked_words(query), key=lambda ways: len(ways[0]), reverse=True)
    if not asked:
        return ()
    wanted = db.execute(
        "SELECT number FROM circles WHERE ?1 IS NULL OR circle = ?1", (circle,)
    ).fetchall()
    circles = [cast(int, number) for (number,) in wanted]
    found: list[EntryRow] = []
    for first in _shelves(db, circles):
        here = [row for one in circles for row in _search_shelf(db, one, first, asked, limit)]
        here.sort(key=lambda row: row.position, reverse=True)
        found += here
        if len(found) >= limit:
            break
    return tuple(found[:limit])


def _on_shelf(circle: int, position: int, text: str) -> str:
    """Return the words of a text, each with its shelf in front."""
    words = normalise_text(text)
    if not words:
        return ""
    shelf = _shelf(circle, position)
    return shelf + words.replace(" ", " " + shelf)


def _shelf(circle: int, position: int) -> str:
    numbers = (*divmod(circle, _DIGIT), *divmod(position // SHELF_SIZE, _DIGIT))
    return "".join([chr(_FIRST_DIGIT + number) for number in numbers])


def _shelves(db: apsw.Connection, circles: list[int]) -> Iterator[int]:
    """Give where each row of shelves begins that any of these circles has something on, newest first."""
    before = LAST_POSITION
    while True:
        newest = [_newest(db, circle, before) for circle in circles]
        last = max((one for one in newest if one is not None), default=None)
        if last is None:
            return
        before = last - last % SHELF_SIZE
        yield before


def _newest(db: apsw.Connection, circle: int, before: int) -> int | None:
    row = db.execute(
        "SELECT max(position) FROM entries WHERE circle = ? AND position < ?", (circle, before)
    ).fetchone()
    return cast("int | None", row[0]) if row else None


def _search_shelf(
    db: apsw.Connection, circle: int, first: int, asked: list[tuple[str, ...]], limit: int
) -> list[EntryRow]:
    """Search one shelf.

    Args:
        asked: what to look for. A word that is seldom here comes first from now on: the messages
            that have it are looked through, and the places of frequent ones need not be gathered.
    """
    shelf = _shelf(circle, first)
    for place, ways in enumerate(asked if len(asked) > 1 else ()):
        rows = _matching(db, [ways], shelf, _FEW)
        if len(rows) < _FEW:
            asked.insert(0, asked.pop(place))
            return [row for row in rows if holds(row.text, asked)][:limit]
    return _matching(db, asked, shelf, limit)


def _matching(
    db: apsw.Connection, asked: list[tuple[str, ...]], shelf: str, limit: int
) -> list[EntryRow]:
    rows = db.execute(
        f"SELECT {ENTRY_COLUMNS} FROM words JOIN {ENTRY_TABLES} WHERE words MATCH ?"
        " AND entries.position = words.rowid ORDER BY words.rowid DESC LIMIT ?",
        (match_expression(asked, shelf=shelf), limit),
    )
    return [entry_row(row) for row in rows]
