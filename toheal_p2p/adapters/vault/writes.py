"""How each record of the core becomes rows. One synchronous call is one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

import apsw

from toheal_p2p.adapters.vault.amending import (
    ABOUT,
    ERASED,
    erase_delivered,
    is_edited,
    is_forgotten,
    is_spoken_about,
    settle,
)
from toheal_p2p.adapters.vault.database import transaction
from toheal_p2p.adapters.vault.file_writes import FILE_WRITERS, FILES_OF_A_CIRCLE
from toheal_p2p.adapters.vault.forgetting import forget_what_is_over
from toheal_p2p.adapters.vault.kept import KEPT_WRITERS, put_times
from toheal_p2p.adapters.vault.numbers import Numbers
from toheal_p2p.adapters.vault.rows import join_ids, join_texts
from toheal_p2p.adapters.vault.words import forget_words, index_words
from toheal_protocol.machines.records import (
    ConfirmEntries,
    DropCircle,
    DropEntry,
    DropHeld,
    DropOwed,
    GiveUpOwed,
    KeptEntry,
    MarkAtRelay,
    MarkShown,
    PutAges,
    PutCircle,
    PutEntry,
    PutHeld,
    PutLog,
    PutOwed,
    PutPair,
    PutSetting,
    UnsayOwed,
    Write,
    has_never_left,
    marked,
)
from toheal_protocol.model import MessageId


def apply_writes(db: apsw.Connection, numbers: Numbers, writes: Sequence[Write]) -> None:
    """Write everything in one transaction, in order, or nothing. Durable on return."""
    numbers.begin()
    try:
        with transaction(db):
            for write in writes:
                WRITERS[type(write)](db, numbers, write)
    except BaseException:  # whatever it was: numbers given in this transaction are gone
        numbers.forget()
        raise


def _put_circle(db: apsw.Connection, numbers: Numbers, write: PutCircle) -> None:
    db.execute(
        "UPDATE circles SET blob = ? WHERE number = ?", (write.blob, numbers.circle(write.circle))
    )


def _put_log(db: apsw.Connection, numbers: Numbers, write: PutLog) -> None:
    db.execute("REPLACE INTO logs VALUES (?, ?)", (numbers.circle(write.circle), write.blob))


def _put_pair(db: apsw.Connection, numbers: Numbers, write: PutPair) -> None:
    peer = numbers.peer(write.circle, write.member)
    db.execute("REPLACE INTO pairs VALUES (?, ?)", (peer, write.blob))


def _put_owed(db: apsw.Connection, numbers: Numbers, write: PutOwed) -> None:
    peer = numbers.peer(write.circle, write.member)
    frame, envelope = _without_common(db, numbers, write)
    db.execute(
        "REPLACE INTO owed (peer, seq, mid, boot, item, frame, envelope)"
        " VALUES (?, ?, ?, x'', ?, ?, ?)",
        (peer, write.seq, write.mid, write.item, frame, envelope),
    )
    if write.mid is not None and numbers.has_undelivered():
        # given up once, and owed again since the member came back
        db.execute("DELETE FROM undelivered WHERE mid = ? AND peer = ?", (write.mid, peer))


def _without_common(
    db: apsw.Connection, numbers: Numbers, write: PutOwed
) -> tuple[bytes, int | None]:
    """Return what is to be kept of a frame, and the envelope that keeps the rest, if one does."""
    if write.mid is None:
        return write.frame, None
    known = numbers.envelopes.get((write.circle, write.mid)) or _find_envelope(db, numbers, write)
    if known is None or not known[1] or not write.frame.endswith(known[1]):
        return write.frame, None
    position, common = known
    return write.frame[: -len(common)], position


def _find_envelope(
    db: apsw.Connection, numbers: Numbers, write: PutOwed
) -> tuple[int, bytes] | None:
    row = db.execute(
        "SELECT position, common FROM entries JOIN envelopes USING (position)"
        " WHERE circle = ? AND mid = ?",
        (numbers.find_circle(write.circle), write.mid),
    ).fetchone()
    return cast("tuple[int, bytes] | None", row)


def _unsay_owed(db: apsw.Connection, numbers: Numbers, write: UnsayOwed) -> None:
    circle = numbers.find_circle(write.circle)
    numbers.forget_undelivered()
    for peer, seq, item in db.execute(
        "SELECT peer, seq, item FROM owed JOIN peers ON number = peer WHERE mid = ? AND circle = ?",
        (write.mid, circle),
    ).fetchall():
        if has_never_left(cast(bytes, item)):
            db.execute(
                "UPDATE owed SET mid = NULL, item = ?, frame = x'', envelope = NULL"
                " WHERE peer = ? AND seq = ?",
                (write.item, peer, seq),
            )
            db.execute("INSERT OR IGNORE INTO undelivered VALUES (?, ?)", (write.mid, peer))
    erase_delivered(db)


def _mark_at_relay(db: apsw.Connection, numbers: Numbers, write: MarkAtRelay) -> None:
    peer = numbers.find_peer(write.circle, write.member)
    for seq in write.seqs:
        row = db.execute("SELECT boot FROM owed WHERE peer = ? AND seq = ?", (peer, seq)).fetchone()
        if row is not None:
            boots = marked(cast(bytes, row[0]), write.boot)
            db.execute("UPDATE owed SET boot = ? WHERE peer = ? AND seq = ?", (boots, peer, seq))


def _drop_owed(db: apsw.Connection, numbers: Numbers, write: DropOwed) -> None:
    peer = numbers.find_peer(write.circle, write.member)
    db.execute("DELETE FROM owed WHERE peer = ? AND seq <= ?", (peer, write.through))
    for seq in write.beyond:
        db.execute("DELETE FROM owed WHERE peer = ? AND seq = ?", (peer, seq))
    erase_delivered(db)


def _give_up_owed(db: apsw.Connection, numbers: Numbers, write: GiveUpOwed) -> None:
    peer = numbers.find_peer(write.circle, write.member)
    numbers.forget_undelivered()
    db.execute(
        "INSERT OR IGNORE INTO undelivered (mid, peer)"
        " SELECT mid, peer FROM owed WHERE peer = ? AND mid IS NOT NULL",
        (peer,),
    )
    db.execute("DELETE FROM owed WHERE peer = ?", (peer,))
    erase_delivered(db)


def _put_entry(db: apsw.Connection, numbers: Numbers, write: PutEntry) -> None:
    circle = numbers.circle(write.circle)
    if is_forgotten(db, circle, write.mid):
        return
    position = _insert_entry(db, numbers, circle, write)
    is_new = position is not None
    if position is None and (position := _replace_entry(db, numbers, circle, write)) is None:
        return
    numbers.envelopes[write.circle, write.mid] = (position, write.common)
    db.execute(
        "REPLACE INTO envelopes (position, key, recipients, parents, previous, common)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (
            position,
            write.key,
            join_ids(write.recipients),
            join_ids(write.parents),
            write.previous,
            write.common,
        ),
    )
    if is_new or not is_edited(db, position):
        index_words(db, circle, position, write.text if write.kind != "edit" else "")
    if write.kind in ABOUT:
        settle(db, circle, write.reply)
    elif is_spoken_about(db, circle, write.mid):
        settle(db, circle, write.mid)


def _put_kept_entry(db: apsw.Connection, numbers: Numbers, write: KeptEntry) -> None:
    _put_entry(db, numbers, write.entry)
    put_times(db, numbers, write)
    numbers.envelopes.clear()  # a retraction may have emptied one that is owed only after it


def _insert_entry(
    db: apsw.Connection, numbers: Numbers, circle: int, write: PutEntry
) -> int | None:
    """Insert a row in `entries` and return its position; None where the message is here already."""
    seen, unseen = numbers.ages()
    db.execute(
        "INSERT INTO entries (author, audience, author_seq, kind, sent_at, received_at, is_mine,"
        " passed_on_by, reply, ttl, notes, text, circle, mid, came, shown)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (circle, mid) DO NOTHING",
        (
            *_columns(numbers, write),
            circle,
            write.mid,
            unseen,
            seen if write.is_mine else None,
        ),
    )
    return db.last_insert_rowid() if db.changes() else None


def _columns(numbers: Numbers, write: PutEntry) -> tuple[apsw.SQLiteValue, ...]:
    passer = write.passed_on_by
    return (
        numbers.peer(write.circle, write.author),
        int(write.audience),
        write.author_seq,
        write.kind,
        write.sent_at,
        write.received_at,
        int(write.is_mine),
        None if passer is None else numbers.peer(write.circle, passer),
        write.reply,
        write.ttl,
        join_texts(write.notes),
        write.text,
    )


def _replace_entry(
    db: apsw.Connection, numbers: Numbers, circle: int, write: PutEntry
) -> int | None:
    """Update a row in `entries` and return its position; its words are not indexed.

    None where it was taken back or has disappeared: a repeat brings nothing again.
    """
    row = db.execute(
        "SELECT position, kind, text, edit FROM entries WHERE circle = ? AND mid = ?",
        (circle, write.mid),
    ).fetchone()
    position, old_kind, old_text, edit = cast("tuple[int, str, str, int]", row)
    if old_kind in ERASED:
        return None
    _give_back_common(db, position, write.mid)
    columns = _columns(numbers, write)
    if edit:
        db.execute("UPDATE entries SET passed_on_by = ? WHERE position = ?", (columns[7], position))
        return position  # its words are those of an edit, which may have disappeared meanwhile
    forget_words(db, circle, position, old_text if old_kind != "edit" else "")
    db.execute(
        "UPDATE entries SET author = ?, audience = ?, author_seq = ?, kind = ?, sent_at = ?,"
        " received_at = ?, is_mine = ?, passed_on_by = ?, reply = ?, ttl = ?, edit = 0, notes = ?, text = ? WHERE position = ?",
        (*columns, position),
    )
    return position


def _confirm_entries(db: apsw.Connection, numbers: Numbers, write: ConfirmEntries) -> None:
    """Walk down the chain as long as it was passed on; a chain of hashes has no circle."""
    circle = numbers.find_circle(write.circle)
    db.execute(
        "WITH RECURSIVE chain (position, previous) AS ("
        " SELECT position, previous FROM entries JOIN envelopes USING (position)"
        " WHERE circle = ?1 AND mid = ?2 AND passed_on_by IS NOT NULL"
        " UNION SELECT entries.position, envelopes.previous FROM chain"
        " JOIN entries ON entries.circle = ?1 AND entries.mid = chain.previous"
        " JOIN envelopes ON envelopes.position = entries.position"
        " WHERE entries.passed_on_by IS NOT NULL"
        ") UPDATE entries SET passed_on_by = NULL WHERE position IN (SELECT position FROM chain)",
        (circle, write.mid),
    )


def _drop_entry(db: apsw.Connection, numbers: Numbers, write: DropEntry) -> None:
    row = db.execute(
        "SELECT circle, position, text FROM entries WHERE circle = ? AND mid = ?",
        (numbers.find_circle(write.circle), write.mid),
    ).fetchone()
    if row is None:
        return
    circle, position, text = cast("tuple[int, int, str]", row)
    forget_words(db, circle, position, text)
    _give_back_common(db, position, write.mid)
    db.execute("DELETE FROM envelopes WHERE position = ?", (position,))
    db.execute("DELETE FROM entries WHERE position = ?", (position,))
    numbers.envelopes.pop((write.circle, write.mid), None)


def _give_back_common(db: apsw.Connection, position: int, mid: MessageId) -> None:
    """Make owed frames whole again: the envelope they share is about to be replaced."""
    db.execute(
        "UPDATE owed SET envelope = NULL, frame = CAST(frame ||"
        " (SELECT common FROM envelopes WHERE position = ?) AS BLOB)"
        " WHERE mid = ? AND envelope = ?",
        (position, mid, position),
    )


def _mark_shown(db: apsw.Connection, numbers: Numbers, write: MarkShown) -> None:
    circle, (seen, _) = numbers.find_circle(write.circle), numbers.ages()
    db.executemany(
        "UPDATE entries SET shown = ? WHERE circle = ? AND mid = ? AND shown IS NULL",
        [(seen, circle, mid) for mid in write.mids],
    )


def _put_ages(db: apsw.Connection, numbers: Numbers, write: PutAges) -> None:
    ages = write.ages
    numbers.forget_ages()
    db.execute(
        "UPDATE profile SET seen = ?, unseen = ?, aged_at = ?", (ages.seen, ages.unseen, ages.wall)
    )
    forget_what_is_over(db, ages)


def _put_held(db: apsw.Connection, numbers: Numbers, write: PutHeld) -> None:
    db.execute(
        "REPLACE INTO held (circle, mid, blob) VALUES (?, ?, ?)",
        (numbers.circle(write.circle), write.mid, write.blob),
    )


def _drop_held(db: apsw.Connection, numbers: Numbers, write: DropHeld) -> None:
    db.execute(
        "DELETE FROM held WHERE circle = ? AND mid = ?", (numbers.circle(write.circle), write.mid)
    )


def _drop_circle(db: apsw.Connection, numbers: Numbers, write: DropCircle) -> None:
    circle = numbers.find_circle(write.circle)
    if circle is None:
        return
    for position, text in db.execute(
        "SELECT position, text FROM entries WHERE circle = ? AND kind <> 'edit'", (circle,)
    ).fetchall():
        forget_words(db, circle, cast(int, position), cast(str, text))
    for statement in _OF_A_CIRCLE:
        db.execute(statement, (circle,))
    numbers.forget()


def _put_setting(db: apsw.Connection, _numbers: Numbers, write: PutSetting) -> None:
    db.execute("REPLACE INTO settings (name, value) VALUES (?, ?)", (write.name, write.value))


_PEERS: Final = "IN (SELECT number FROM peers WHERE circle = ?)"

_OF_A_CIRCLE: Final = (
    *FILES_OF_A_CIRCLE,
    "DELETE FROM forgotten WHERE circle = ?",
    "DELETE FROM ending WHERE position IN (SELECT position FROM entries WHERE circle = ?)",
    "DELETE FROM envelopes WHERE position IN (SELECT position FROM entries WHERE circle = ?)",
    "DELETE FROM entries WHERE circle = ?",
    "DELETE FROM held WHERE circle = ?",
    f"DELETE FROM undelivered WHERE peer {_PEERS}",
    f"DELETE FROM owed WHERE peer {_PEERS}",
    f"DELETE FROM pairs WHERE peer {_PEERS}",
    "DELETE FROM peers WHERE circle = ?",
    "DELETE FROM logs WHERE circle = ?",
    "DELETE FROM circles WHERE number = ?",
)

# Any: each function takes its own kind of record, and the key says which. A test compares the
# keys with the union.
WRITERS: Final[Mapping[type, Callable[[apsw.Connection, Numbers, Any], None]]] = {
    PutCircle: _put_circle,
    PutLog: _put_log,
    PutPair: _put_pair,
    PutOwed: _put_owed,
    MarkAtRelay: _mark_at_relay,
    DropOwed: _drop_owed,
    GiveUpOwed: _give_up_owed,
    UnsayOwed: _unsay_owed,
    PutEntry: _put_entry,
    KeptEntry: _put_kept_entry,
    **KEPT_WRITERS,
    ConfirmEntries: _confirm_entries,
    DropEntry: _drop_entry,
    MarkShown: _mark_shown,
    PutAges: _put_ages,
    PutHeld: _put_held,
    DropHeld: _drop_held,
    **FILE_WRITERS,
    DropCircle: _drop_circle,
    PutSetting: _put_setting,
}
"""What writes each record. A table and not a `match`: this runs hundreds of times a commit."""
