"""Between values and columns: lists of ids, lists of short texts, rows of entries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, cast

import apsw

from toheal_p2p.ports.vault import EntryRow
from toheal_protocol.errors import LocalError
from toheal_protocol.model import ID_SIZE, Audience, MemberId, MessageId, WallTime
from toheal_protocol.wire.codec import Reader, prefixed16

ENTRY_COLUMNS: Final = """
    entries.position, entries.mid, author.member, entries.audience, entries.author_seq, entries.kind,
    entries.text, entries.sent_at, entries.received_at, entries.is_mine, entries.notes,
    passer.member, entries.reply, entries.edit, entries.shown, entries.ttl,
    max(0, entries.shown + entries.ttl - (SELECT seen FROM profile))
"""
"""What `entry_row` takes, in its order."""

ENTRY_TABLES: Final = """
    entries
    JOIN peers AS author ON author.number = entries.author
    LEFT JOIN peers AS passer ON passer.number = entries.passed_on_by
"""
"""Where `ENTRY_COLUMNS` come from."""


def join_ids(ids: Sequence[MemberId] | Sequence[MessageId]) -> bytes:
    """Write ids one after the other, 32 bytes each."""
    joined = b"".join(ids)
    if len(joined) != ID_SIZE * len(ids):
        raise LocalError("an id has 32 bytes")
    return joined


def split_ids(joined: bytes) -> tuple[bytes, ...]:
    """Read what `join_ids` wrote."""
    return tuple(joined[at : at + ID_SIZE] for at in range(0, len(joined), ID_SIZE))


def join_texts(texts: Iterable[str]) -> bytes:
    """Write short texts as `length[2] || UTF-8`, each."""
    return b"".join(prefixed16(text.encode()) for text in texts)


def split_texts(joined: bytes) -> tuple[str, ...]:
    """Read what `join_texts` wrote."""
    reader = Reader(joined)
    texts = []
    while reader.left:
        texts.append(reader.prefixed16(0xFFFF).decode())
    return tuple(texts)


def entry_row(columns: tuple[apsw.SQLiteValue, ...]) -> EntryRow:
    """Make an entry of a row with `ENTRY_COLUMNS`."""
    position, mid, author, audience, author_seq, kind, text, *others = columns
    sent, received, is_mine, notes, passer, reply, edit, shown, stays, left = others
    return EntryRow(
        position=cast(int, position),
        mid=MessageId(cast(bytes, mid)),
        author=MemberId(cast(bytes, author)),
        audience=Audience(cast(int, audience)),
        author_seq=cast(int, author_seq),
        kind=cast(str, kind),
        text=cast(str, text),
        sent_at=WallTime(cast(int, sent)),
        received_at=WallTime(cast(int, received)),
        is_mine=bool(is_mine),
        notes=split_texts(cast(bytes, notes)),
        passed_on_by=None if passer is None else MemberId(cast(bytes, passer)),
        reply=None if reply is None else MessageId(cast(bytes, reply)),
        is_edited=cast(int, edit) > 0,
        is_shown=shown is not None,
        stays=cast(int, stays),
        left=cast("int | None", left) if stays else None,
    )
