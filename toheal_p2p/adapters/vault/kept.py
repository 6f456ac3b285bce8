"""Everything in a store as records that make another one, and what only such records write.

Spec: docs/protocol/backup.md, sections 3 and 5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import apsw

from toheal_p2p.adapters.vault import reads
from toheal_p2p.adapters.vault.numbers import Numbers
from toheal_p2p.adapters.vault.rows import ENTRY_COLUMNS, ENTRY_TABLES, entry_row, split_ids
from toheal_protocol.machines.records import (
    KeptEntry,
    PutAges,
    PutAttachment,
    PutCircle,
    PutEntry,
    PutForgotten,
    PutHeld,
    PutLog,
    PutOwed,
    PutPair,
    PutSetting,
    Write,
)
from toheal_protocol.messages.file_chunks import FileKey
from toheal_protocol.messages.file_tree import FileId
from toheal_protocol.model import CircleId, Frame, MemberId, MessageId

IDS_AT_ONCE: Final = 512
"""Ids of what has disappeared in one record."""


def count_entries(db: apsw.Connection) -> int:
    """Return how many messages there are."""
    row = db.execute("SELECT count(*) FROM entries WHERE kind <> 'forgotten'").fetchone()
    return cast(int, row[0]) if row is not None else 0


def states(db: apsw.Connection) -> tuple[Write, ...]:
    """Return settings, circles and what is kept of each apart from messages; the ages at last."""
    stored = reads.load(db)
    found: list[Write] = [PutSetting(name, value) for name, value in stored.settings.items()]
    for one in stored.circles:
        found.append(PutCircle(one.circle, one.blob))
        if one.log_blob is not None:
            found.append(PutLog(one.circle, one.log_blob))
        found += [PutPair(one.circle, member, pair) for member, pair in one.pairs.items()]
        found += [PutHeld(one.circle, mid, held) for mid, held in one.held.items()]
        found += _forgotten(db, one.circle)
    return (*found, PutAges(stored.ages))


def entries(db: apsw.Connection, after: int, limit: int) -> tuple[int, tuple[KeptEntry, ...]]:
    """Return the next entries by position, and the position of the last one."""
    rows = db.execute(
        "SELECT circles.circle, ttl, came, shown, key, recipients, parents, previous, common,"
        f" {ENTRY_COLUMNS} FROM {ENTRY_TABLES}"
        " JOIN envelopes ON envelopes.position = entries.position"
        " JOIN circles ON circles.number = entries.circle"
        " WHERE entries.position > ? AND kind <> 'forgotten'"
        " ORDER BY entries.position LIMIT ?",
        (after, limit),
    ).fetchall()
    kept = tuple(_kept_entry(db, row) for row in rows)
    last = entry_row(rows[-1][9:]).position if rows else after
    return last, kept


def attachments(db: apsw.Connection) -> tuple[PutAttachment, ...]:
    """Return what messages say of their files."""
    rows = db.execute(
        "SELECT circles.circle, mid, file, key, size, medium FROM attachments"
        " JOIN circles ON circles.number = attachments.circle"
    )
    found = cast("list[tuple[bytes, bytes, bytes, bytes, int, int]]", rows.fetchall())
    return tuple(
        PutAttachment(CircleId(circle), MessageId(mid), FileId(file), FileKey(key), size, medium)
        for circle, mid, file, key, size, medium in found
    )


def owed(
    db: apsw.Connection, after: tuple[int, int], limit: int
) -> tuple[tuple[int, int], tuple[PutOwed, ...]]:
    """Return what is owed, by member and number, and the place of the last one."""
    rows = db.execute(
        "SELECT peer, seq, circles.circle, member, mid, item, frame, envelopes.common FROM owed"
        " JOIN peers ON peers.number = peer JOIN circles ON circles.number = peers.circle"
        " LEFT JOIN envelopes ON envelopes.position = owed.envelope"
        " WHERE (peer, seq) > (?, ?) ORDER BY peer, seq LIMIT ?",
        (*after, limit),
    ).fetchall()
    found = tuple(
        PutOwed(
            circle=CircleId(cast(bytes, circle)),
            member=MemberId(cast(bytes, member)),
            seq=cast(int, seq),
            mid=None if mid is None else MessageId(cast(bytes, mid)),
            item=cast(bytes, item),
            frame=Frame(cast(bytes, frame) + cast(bytes, common or b"")),
        )
        for _peer, seq, circle, member, mid, item, frame, common in rows
    )
    last = (cast(int, rows[-1][0]), cast(int, rows[-1][1])) if rows else after
    return last, found


def _kept_entry(db: apsw.Connection, columns: tuple[apsw.SQLiteValue, ...]) -> KeptEntry:
    circle, ttl, came, shown, key, recipients, parents, previous, common, *row = columns
    seen = entry_row(tuple(row))
    given_up = db.execute(
        "SELECT member FROM undelivered JOIN peers ON number = peer"
        " WHERE mid = ? AND circle = (SELECT number FROM circles WHERE circle = ?)",
        (seen.mid, circle),
    )
    entry = PutEntry(
        circle=CircleId(cast(bytes, circle)),
        mid=seen.mid,
        author=seen.author,
        audience=seen.audience,
        author_seq=seen.author_seq,
        kind=seen.kind,
        text=seen.text,
        sent_at=seen.sent_at,
        received_at=seen.received_at,
        is_mine=seen.is_mine,
        notes=seen.notes,
        key=cast(bytes, key),
        common=cast(bytes, common),
        recipients=tuple(MemberId(one) for one in split_ids(cast(bytes, recipients))),
        passed_on_by=seen.passed_on_by,
        parents=tuple(MessageId(one) for one in split_ids(cast(bytes, parents))),
        reply=seen.reply,
        ttl=cast(int, ttl),
        previous=None if previous is None else MessageId(cast(bytes, previous)),
    )
    return KeptEntry(
        entry,
        cast(int, came),
        cast("int | None", shown),
        tuple(MemberId(cast(bytes, member)) for (member,) in given_up),
    )


def _forgotten(db: apsw.Connection, circle: CircleId) -> list[PutForgotten]:
    """Return the ids of what has disappeared, and of what stays for delivery only."""
    rows = db.execute(
        "SELECT mid FROM forgotten WHERE circle = (SELECT number FROM circles WHERE circle = ?1)"
        " UNION SELECT mid FROM entries WHERE kind = 'forgotten'"
        " AND circle = (SELECT number FROM circles WHERE circle = ?1)",
        (circle,),
    )
    mids = [MessageId(cast(bytes, mid)) for (mid,) in rows]
    return [
        PutForgotten(circle, tuple(mids[at : at + IDS_AT_ONCE]))
        for at in range(0, len(mids), IDS_AT_ONCE)
    ]


# ---- writing what only such records hold


def put_times(db: apsw.Connection, numbers: Numbers, write: KeptEntry) -> None:
    """Give an entry that was just put the times it had, and say who will never fetch it."""
    entry = write.entry
    db.execute(
        "UPDATE entries SET came = ?, shown = ? WHERE circle = ? AND mid = ?",
        (write.came, write.shown, numbers.circle(entry.circle), entry.mid),
    )
    if write.undelivered:
        numbers.forget_undelivered()
    for member in write.undelivered:
        db.execute(
            "INSERT OR IGNORE INTO undelivered (mid, peer) VALUES (?, ?)",
            (entry.mid, numbers.peer(entry.circle, member)),
        )


def _put_forgotten(db: apsw.Connection, numbers: Numbers, write: PutForgotten) -> None:
    circle = numbers.circle(write.circle)
    for mid in write.mids:
        db.execute("INSERT OR IGNORE INTO forgotten (circle, mid) VALUES (?, ?)", (circle, mid))


# Any: each function takes its own kind of record, and the key says which.
KEPT_WRITERS: Final[Mapping[type, Callable[[apsw.Connection, Numbers, Any], None]]] = {
    PutForgotten: _put_forgotten,
}
