"""How what is kept of files becomes rows: announcements' facts, and sealed chunks.

Spec: docs/protocol/attachments.md, section 6.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import apsw

from toheal_p2p.adapters.vault.numbers import Numbers
from toheal_protocol.machines.records import (
    DropAttachment,
    DropStrayChunks,
    MarkAttachment,
    PutAttachment,
    PutChunk,
)

FILES_OF_A_CIRCLE: Final = (
    "DELETE FROM chunks WHERE circle = ?",
    "DELETE FROM attachments WHERE circle = ?",
)
"""What forgets the files of a circle."""


def forget_file_of(db: apsw.Connection, position: int) -> None:
    """Forget the file of the message at a position, if it has one: for what erases messages here."""
    row = db.execute("SELECT circle, mid FROM entries WHERE position = ?", (position,)).fetchone()
    if row is not None:
        _forget_file(db, cast(int, row[0]), cast(bytes, row[1]), keeps_facts=False)


def _put_attachment(db: apsw.Connection, numbers: Numbers, write: PutAttachment) -> None:
    db.execute(
        "REPLACE INTO attachments (circle, mid, file, key, size, medium) VALUES (?, ?, ?, ?, ?, ?)",
        (
            numbers.circle(write.circle),
            write.mid,
            write.file,
            write.key,
            write.size,
            write.medium,
        ),
    )


def _mark_attachment(db: apsw.Connection, numbers: Numbers, write: MarkAttachment) -> None:
    db.execute(
        "UPDATE attachments SET is_whole = ? WHERE circle = ? AND mid = ?",
        (int(write.is_whole), numbers.find_circle(write.circle), write.mid),
    )


def _drop_attachment(db: apsw.Connection, numbers: Numbers, write: DropAttachment) -> None:
    circle = numbers.find_circle(write.circle)
    if circle is not None:
        _forget_file(db, circle, write.mid, keeps_facts=write.keeps_facts)


def _forget_file(db: apsw.Connection, circle: int, mid: bytes, *, keeps_facts: bool) -> None:
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


def _put_chunk(db: apsw.Connection, numbers: Numbers, write: PutChunk) -> None:
    db.execute(
        "INSERT OR IGNORE INTO chunks (circle, file, place, proof, sealed) VALUES (?, ?, ?, ?, ?)",
        (
            numbers.circle(write.circle),
            write.file,
            write.place,
            b"".join(write.proof),
            write.sealed,
        ),
    )


def _drop_stray_chunks(db: apsw.Connection, _numbers: Numbers, _write: DropStrayChunks) -> None:
    # Only the index is looked through: the rows themselves may be two gigabytes.
    db.execute(
        "DELETE FROM chunks WHERE (circle, file) IN (SELECT circle, file FROM chunks"
        " EXCEPT SELECT circle, file FROM attachments)"
    )


# Any: each function takes its own kind of record, and the key says which.
FILE_WRITERS: Final[Mapping[type, Callable[[apsw.Connection, Numbers, Any], None]]] = {
    PutAttachment: _put_attachment,
    MarkAttachment: _mark_attachment,
    DropAttachment: _drop_attachment,
    PutChunk: _put_chunk,
    DropStrayChunks: _drop_stray_chunks,
}
"""What writes each record about files."""
