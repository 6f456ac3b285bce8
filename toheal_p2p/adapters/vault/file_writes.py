"""How what is kept of files becomes rows: announcements' facts, and sealed chunks.

Spec: docs/protocol/attachments.md, section 6.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import apsw

from toheal_p2p.adapters.vault.amending import is_erased
from toheal_p2p.adapters.vault.forgetting_files import forget_file
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


def _put_attachment(db: apsw.Connection, numbers: Numbers, write: PutAttachment) -> None:
    if is_erased(db, numbers.circle(write.circle), write.mid):
        return
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
        forget_file(db, circle, write.mid, keeps_facts=write.keeps_facts)


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
