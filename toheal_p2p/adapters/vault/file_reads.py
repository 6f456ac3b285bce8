"""What can be asked of the store about files. Synchronous; each is one look at a resting database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, cast

import apsw

from toheal_p2p.adapters.vault.rows import split_ids
from toheal_p2p.ports.vault import AttachmentRow, ChunkRow
from toheal_protocol.messages.file_chunks import FileKey
from toheal_protocol.messages.file_tree import FileId
from toheal_protocol.model import CircleId, MessageId

_CIRCLE: Final = "(SELECT number FROM circles WHERE circle = ?1)"


def attachments(
    db: apsw.Connection, circle: CircleId, mids: Sequence[MessageId]
) -> Mapping[MessageId, AttachmentRow]:
    """Read what messages say of their files, and how much of each is here."""
    found: dict[MessageId, AttachmentRow] = {}
    for mid in mids:
        row = db.execute(
            "SELECT file, key, size, medium, is_whole, (SELECT count(*) FROM chunks WHERE"
            " chunks.circle = attachments.circle AND chunks.file = attachments.file)"
            f" FROM attachments WHERE circle = {_CIRCLE} AND mid = ?2",
            (circle, mid),
        ).fetchone()
        if row is not None:
            file, key, size, medium, is_whole, chunks = row
            found[mid] = AttachmentRow(
                mid=mid,
                file=FileId(cast(bytes, file)),
                key=FileKey(cast(bytes, key)),
                size=cast(int, size),
                medium=cast(int, medium),
                chunks=cast(int, chunks),
                is_whole=None if is_whole is None else bool(is_whole),
            )
    return found


def chunks(
    db: apsw.Connection, circle: CircleId, file: FileId, places: Sequence[int]
) -> tuple[ChunkRow, ...]:
    """Read chunks at these places."""
    found: list[ChunkRow] = []
    for place in sorted(set(places)):
        row = db.execute(
            f"SELECT proof, sealed FROM chunks WHERE circle = {_CIRCLE} AND file = ?2 AND place = ?3",
            (circle, file, place),
        ).fetchone()
        if row is not None:
            found.append(ChunkRow(place, split_ids(cast(bytes, row[0])), cast(bytes, row[1])))
    return tuple(found)


def chunk_places(db: apsw.Connection, circle: CircleId, file: FileId) -> tuple[int, ...]:
    """Read which places of a file are here."""
    rows = db.execute(
        f"SELECT place FROM chunks WHERE circle = {_CIRCLE} AND file = ?2 ORDER BY place",
        (circle, file),
    )
    return tuple(cast(int, place) for (place,) in rows)


def chunk_count(db: apsw.Connection, circle: CircleId | None) -> int:
    """Count the chunks of a circle, or of all."""
    row = db.execute(
        f"SELECT count(*) FROM chunks WHERE ?1 IS NULL OR circle = {_CIRCLE}", (circle,)
    ).fetchone()
    return cast(int, row[0]) if row is not None else 0
