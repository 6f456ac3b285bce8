"""Forgetting a message's file: its key, its facts, and its chunks unless another message has them.

Spec: docs/protocol/attachments.md, section 6.
"""

from __future__ import annotations

from typing import cast

import apsw


def forget_file_of(db: apsw.Connection, position: int) -> None:
    """Forget the file of the message at a position, if it has one: for what erases messages here."""
    row = db.execute("SELECT circle, mid FROM entries WHERE position = ?", (position,)).fetchone()
    if row is not None:
        forget_file(db, cast(int, row[0]), cast(bytes, row[1]), keeps_facts=False)


def forget_file(db: apsw.Connection, circle: int, mid: bytes, *, keeps_facts: bool) -> None:
    """Forget the file of a message; with `keeps_facts` only its chunks."""
    row = db.execute(
        "SELECT file FROM attachments WHERE circle = ? AND mid = ?", (circle, mid)
    ).fetchone()
    if row is None:
        return
    file = cast(bytes, row[0])
    if keeps_facts:
        db.execute(
            "UPDATE attachments SET is_whole = NULL WHERE circle = ? AND mid = ?",
            (circle, mid),
        )
    else:
        db.execute("DELETE FROM attachments WHERE circle = ? AND mid = ?", (circle, mid))
    db.execute(
        "DELETE FROM chunks WHERE circle = ?1 AND file = ?2 AND NOT EXISTS"
        " (SELECT 1 FROM attachments WHERE circle = ?1 AND file = ?2 AND mid <> ?3)",
        (circle, file, mid),
    )
