"""What can be asked of the store. Synchronous; each is one look at a resting database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, cast

import apsw

from toheal_p2p.adapters.vault.rows import ENTRY_COLUMNS, ENTRY_TABLES, entry_row, split_ids
from toheal_p2p.ports.vault import (
    DeliveryRow,
    DeliveryState,
    EntryRow,
    OwedRow,
    Stored,
    StoredCircle,
    StoredEntry,
)
from toheal_protocol.machines.lifetime import Ages
from toheal_protocol.model import (
    Audience,
    CircleId,
    Frame,
    MemberId,
    MessageId,
    OperationId,
    WallTime,
)

LAST_POSITION: Final = 2**63 - 1
"""No position is higher."""


def load(db: apsw.Connection) -> Stored:
    """Read everything that is needed at the start."""
    rows = db.execute(
        "SELECT number, circles.circle, circles.blob, logs.blob FROM circles"
        " LEFT JOIN logs ON logs.circle = number WHERE circles.blob IS NOT NULL ORDER BY number"
    ).fetchall()
    circles = tuple(
        StoredCircle(
            circle=CircleId(cast(bytes, circle)),
            blob=cast(bytes, blob),
            log_blob=cast("bytes | None", log),
            pairs={MemberId(member): pair for member, pair in _pairs(db, cast(int, number))},
            held={MessageId(mid): held for mid, held in _held(db, cast(int, number))},
        )
        for number, circle, blob, log in rows
    )
    settings = cast("Iterable[tuple[str, bytes]]", db.execute("SELECT name, value FROM settings"))
    return Stored(circles=circles, settings=dict(settings), ages=_ages(db))


def _ages(db: apsw.Connection) -> Ages:
    row = db.execute("SELECT seen, unseen, aged_at FROM profile").fetchone()
    if row is None:
        return Ages()
    seen, unseen, wall = cast("tuple[int, int, int]", row)
    return Ages(seen, unseen, WallTime(wall))


def owed(
    db: apsw.Connection, circle: CircleId, member: MemberId, after: int, limit: int
) -> tuple[OwedRow, ...]:
    """Read frames owed to a member."""
    rows = db.execute(
        "SELECT seq, mid, item, frame, boot, common FROM owed"
        " LEFT JOIN envelopes ON envelopes.position = owed.envelope WHERE peer ="
        " (SELECT peers.number FROM peers JOIN circles ON circles.number = peers.circle"
        " WHERE circles.circle = ? AND peers.member = ?) AND seq > ? ORDER BY seq LIMIT ?",
        (circle, member, after, limit),
    )
    return tuple(
        OwedRow(
            seq=cast(int, seq),
            mid=None if mid is None else MessageId(cast(bytes, mid)),
            item=cast(bytes, item),
            frame=Frame(cast(bytes, frame) + cast(bytes, common or b"")),
            boot=cast(bytes, boot),
        )
        for seq, mid, item, frame, boot, common in rows
    )


def entries(
    db: apsw.Connection, circle: CircleId, after: int, before: int, limit: int, *, newest: bool
) -> tuple[EntryRow, ...]:
    """Read entries of a circle between two positions."""
    order = "DESC" if newest else "ASC"
    rows = db.execute(
        f"SELECT {ENTRY_COLUMNS} FROM {ENTRY_TABLES} WHERE entries.circle ="
        " (SELECT number FROM circles WHERE circle = ?)"
        " AND kind <> 'forgotten'"
        f" AND position > ? AND position < ? ORDER BY position {order} LIMIT ?",
        (circle, after, before, limit),
    )
    found = tuple(entry_row(row) for row in rows)
    return found[::-1] if newest else found


def rows_of(
    db: apsw.Connection, circle: CircleId, mids: Sequence[MessageId]
) -> dict[MessageId, EntryRow]:
    """Read single entries by id."""
    found: dict[MessageId, EntryRow] = {}
    for mid in dict.fromkeys(mids):
        row = db.execute(
            f"SELECT {ENTRY_COLUMNS} FROM {ENTRY_TABLES} WHERE entries.circle ="
            " (SELECT number FROM circles WHERE circle = ?) AND mid = ? AND kind <> 'forgotten'",
            (circle, mid),
        ).fetchone()
        if row is not None:
            found[mid] = entry_row(row)
    return found


def operation_times(db: apsw.Connection, circle: CircleId) -> dict[OperationId, WallTime]:
    """Read when the acts of a circle came that came as messages, each for the first time."""
    rows = db.execute(
        "SELECT text, min(received_at) FROM entries INDEXED BY entries_of_acts WHERE circle ="
        " (SELECT number FROM circles WHERE circle = ?) AND kind IN ('joined', 'left', 'remove',"
        " 'role', 'policy', 'charter', 'term', 'mute', 'unmute') GROUP BY text",
        (circle,),
    )
    return {
        OperationId(bytes.fromhex(cast(str, text))): WallTime(cast(int, received_at))
        for text, received_at in rows
    }


def entry(db: apsw.Connection, circle: CircleId, mid: MessageId) -> StoredEntry | None:
    """Read one entry with all that belongs to it."""
    row = db.execute(
        f"SELECT key, common, recipients, parents, {ENTRY_COLUMNS} FROM {ENTRY_TABLES}"
        " JOIN envelopes ON envelopes.position = entries.position WHERE entries.circle ="
        " (SELECT number FROM circles WHERE circle = ?) AND mid = ? AND kind <> 'forgotten'",
        (circle, mid),
    ).fetchone()
    if row is None:
        return None
    return StoredEntry(
        row=entry_row(row[4:]),
        key=cast(bytes, row[0]),
        common=cast(bytes, row[1]),
        recipients=tuple(MemberId(member) for member in split_ids(cast(bytes, row[2]))),
        parents=tuple(MessageId(parent) for parent in split_ids(cast(bytes, row[3]))),
    )


def ids_by_author(
    db: apsw.Connection,
    circle: CircleId,
    author: MemberId,
    audience: Audience,
    after: int,
    limit: int,
) -> tuple[tuple[int, MessageId], ...]:
    """Read what one author said to one audience, by the author's own count."""
    rows = db.execute(
        "SELECT author_seq, mid FROM entries WHERE author ="
        " (SELECT peers.number FROM peers JOIN circles ON circles.number = peers.circle"
        " WHERE circles.circle = ? AND peers.member = ?)"
        " AND audience = ? AND author_seq > ? AND kind <> 'forgotten' ORDER BY author_seq, position LIMIT ?",
        (circle, author, int(audience), after, limit),
    )
    return tuple((cast(int, seq), MessageId(cast(bytes, mid))) for seq, mid in rows)


def deliveries(
    db: apsw.Connection, circle: CircleId, mid: MessageId | None, limit: int
) -> tuple[DeliveryRow, ...]:
    """Read where our messages are."""
    rows = db.execute(
        "SELECT entries.circle, mid, recipients FROM entries"
        " JOIN envelopes ON envelopes.position = entries.position"
        " WHERE entries.circle = (SELECT number FROM circles WHERE circle = ?1)"
        " AND is_mine AND (?2 IS NULL OR mid = ?2) ORDER BY entries.position DESC LIMIT ?3",
        (circle, mid, limit),
    ).fetchall()
    found: list[DeliveryRow] = []
    for number, ours, recipients in reversed(rows):
        one = MessageId(cast(bytes, ours))
        states = _states(db, cast(int, number), one)
        for member in split_ids(cast(bytes, recipients)):
            state = states.get(member, "delivered")
            found.append(DeliveryRow(mid=one, member=MemberId(member), state=state))
    return tuple(found)


def _pairs(db: apsw.Connection, circle: int) -> Iterable[tuple[bytes, bytes]]:
    rows = db.execute(
        "SELECT member, blob FROM peers JOIN pairs ON pairs.peer = peers.number WHERE circle = ?",
        (circle,),
    )
    return cast("Iterable[tuple[bytes, bytes]]", rows)


def _held(db: apsw.Connection, circle: int) -> Iterable[tuple[bytes, bytes]]:
    rows = db.execute("SELECT mid, blob FROM held WHERE circle = ? ORDER BY rowid", (circle,))
    return cast("Iterable[tuple[bytes, bytes]]", rows)


def _states(db: apsw.Connection, circle: int, mid: MessageId) -> dict[bytes, DeliveryState]:
    """Return the recipients of a message of ours whose device has not acknowledged it."""
    states: dict[bytes, DeliveryState] = {}
    for (member,) in db.execute(
        "SELECT member FROM undelivered JOIN peers ON number = peer WHERE mid = ? AND circle = ?",
        (mid, circle),
    ):
        states[cast(bytes, member)] = "undelivered"
    for member, boot in db.execute(
        "SELECT member, boot FROM owed JOIN peers ON number = peer WHERE mid = ? AND circle = ?",
        (mid, circle),
    ):
        states[cast(bytes, member)] = "at_relay" if boot else "sealed"
    return states
