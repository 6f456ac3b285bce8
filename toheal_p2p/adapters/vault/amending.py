"""Edits and retractions: what becomes of a message when something is said about it.

It comes out the same in whatever order they arrive: a message and what is said about it are
brought together whenever either comes. Only the author can, and only for the same audience; a
retraction ends everything, and of edits the one counts that the author wrote last.

Spec: docs/protocol/circle.md, section 7.3; docs/vault.md, section 6.
"""

from __future__ import annotations

from typing import Final, cast

import apsw

from toheal_p2p.adapters.vault.forgetting_files import forget_file_of
from toheal_p2p.adapters.vault.words import forget_words, index_words
from toheal_protocol.model import MessageId

ABOUT: Final = ("edit", "retraction")
"""Kinds of entries that change another one."""

ERASED: Final = ("retracted", "forgotten")
"""Kinds of entries that were taken back or are over: a repeat brings nothing again."""


def is_forgotten(db: apsw.Connection, circle: int, mid: MessageId) -> bool:
    """Say whether a message was here and has disappeared, row and all."""
    row = db.execute("SELECT 1 FROM forgotten WHERE circle = ? AND mid = ?", (circle, mid))
    return row.fetchone() is not None


def is_erased(db: apsw.Connection, circle: int, mid: MessageId) -> bool:
    """Say whether a message was here and is gone: a repeat brings nothing again."""
    row = db.execute(
        "SELECT 1 FROM entries WHERE circle = ? AND mid = ? AND kind IN ('retracted', 'forgotten')",
        (circle, mid),
    ).fetchone()
    return row is not None or is_forgotten(db, circle, mid)


def is_spoken_about(db: apsw.Connection, circle: int, mid: MessageId) -> bool:
    """Say whether anybody's edit or retraction of a message is here: seldom, before the message is."""
    row = db.execute(
        "SELECT 1 FROM entries INDEXED BY entries_about"
        " WHERE circle = ? AND reply = ? AND kind IN ('edit', 'retraction') LIMIT 1",
        (circle, mid),
    )
    return row.fetchone() is not None


def is_edited(db: apsw.Connection, position: int) -> bool:
    """Say whether a message has the words of an edit."""
    row = db.execute("SELECT edit FROM entries WHERE position = ?", (position,)).fetchone()
    return row is not None and row[0] != 0


def settle(db: apsw.Connection, circle: int, target: MessageId | None) -> None:
    """Let a message be what its author says of it now. Nothing happens until it is here."""
    row = db.execute(
        "SELECT position, kind, text, edit, author, audience FROM entries"
        " WHERE circle = ? AND mid = ? AND kind IN ('text', 'request', 'attachment', 'retracted')",
        (circle, target),
    ).fetchone()
    if row is None:
        return
    position, kind, text, edit, author, audience = row
    # By name: SQLite would go through everything the author ever said, for each new message.
    about = db.execute(
        "SELECT kind, author_seq, text, notes FROM entries INDEXED BY entries_about"
        " WHERE circle = ? AND reply = ?"
        " AND kind IN ('edit', 'retraction') AND author = ? AND audience = ?"
        " ORDER BY kind = 'retraction' DESC, author_seq DESC, mid DESC LIMIT 1",
        (circle, target, author, audience),
    ).fetchone()
    if about is None:
        return
    new_kind, number, new_text, notes = about
    place, old_text = cast(int, position), cast(str, text)
    if kind == "retracted" or new_kind == "retraction":
        erase(db, circle, place, old_text)
        _erase_edits(db, circle, cast(MessageId, target), cast(int, author))
        db.execute("UPDATE entries SET kind = 'retracted', edit = 0 WHERE position = ?", (place,))
    elif (number, new_text) != (edit, text):
        forget_words(db, circle, place, old_text)
        index_words(db, circle, place, cast(str, new_text))
        db.execute(
            "UPDATE entries SET text = ?, notes = ?, edit = ? WHERE position = ?",
            (new_text, notes, number, place),
        )


def _erase_edits(db: apsw.Connection, circle: int, target: MessageId, author: int) -> None:
    for (position,) in db.execute(
        "SELECT position FROM entries INDEXED BY entries_about WHERE circle = ? AND reply = ?"
        " AND kind IN ('edit', 'retraction') AND kind = 'edit' AND author = ? AND text <> ''",
        (circle, target, author),
    ).fetchall():
        erase(db, circle, cast(int, position), "")


def erase(db: apsw.Connection, circle: int, position: int, indexed: str) -> None:
    """Erase a message's text, words and notes at once, its key and common part once nobody is owed it.

    Args:
        indexed: the text by which it is found now.
    """
    forget_words(db, circle, position, indexed)
    forget_file_of(db, position)
    db.execute("UPDATE entries SET text = '', notes = x'' WHERE position = ?", (position,))
    db.execute("INSERT OR IGNORE INTO ending VALUES (?)", (position,))
    erase_delivered(db)


def erase_delivered(db: apsw.Connection) -> None:
    """Erase what is ending and owed to nobody: of what has disappeared nothing stays but its id."""
    for (position,) in db.execute(
        "SELECT position FROM ending WHERE NOT EXISTS (SELECT 1 FROM owed JOIN entries"
        " ON entries.mid = owed.mid WHERE entries.position = ending.position)"
    ).fetchall():
        db.execute("UPDATE envelopes SET key = x'', common = x'' WHERE position = ?", (position,))
        _leave_only_the_id(db, cast(int, position))
        db.execute("DELETE FROM ending WHERE position = ?", (position,))


def _leave_only_the_id(db: apsw.Connection, position: int) -> None:
    db.execute(
        "INSERT OR IGNORE INTO forgotten (circle, mid) SELECT circle, mid FROM entries"
        " WHERE position = ? AND kind = 'forgotten'",
        (position,),
    )
    db.execute("DELETE FROM entries WHERE position = ? AND kind = 'forgotten'", (position,))
    db.execute(
        "DELETE FROM envelopes WHERE position = ?1"
        " AND NOT EXISTS (SELECT 1 FROM entries WHERE position = ?1)",
        (position,),
    )
