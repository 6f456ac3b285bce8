"""How each record of the core becomes rows. One synchronous call is one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

import apsw

from toheal_p2p.adapters.vault.amending import (
    ABOUT,
    erase_delivered,
    forget_words,
    index_words,
    is_edited,
    is_erased,
    settle,
)
from toheal_p2p.adapters.vault.database import transaction
from toheal_p2p.adapters.vault.file_writes import FILE_WRITERS, FILES_OF_A_CIRCLE
from toheal_p2p.adapters.vault.forgetting import forget_what_is_over
from toheal_p2p.adapters.vault.numbers import Numbers
from toheal_p2p.adapters.vault.rows import join_ids, join_texts
from toheal_protocol.machines.records import (
    ConfirmEntries,
    DropCircle,
    DropEntry,
    DropHeld,
    DropOwed,
    GiveUpOwed,
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
    numbers.envelopes.clear()
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
    if write.mid is not None:  # given up once, and owed again since the member came back
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
    db.execute(
        "INSERT OR IGNORE INTO undelivered (mid, peer)"
        " SELECT mid, peer FROM owed WHERE peer = ? AND mid IS NOT NULL",
        (peer,),
    )
    db.execute("DELETE FROM owed WHERE peer = ?", (peer,))
    erase_delivered(db)


def _put_entry(db: apsw.Connection, numbers: Numbers, write: PutEntry) -> None:
    circle = numbers.circle(write.circle)
    if is_erased(db, circle, write.mid):
        return
    passed_on_by = write.passed_on_by
    shown = (
        numbers.peer(write.circle, write.author),
        int(write.audience),
        write.author_seq,
        write.kind,
        write.sent_at,
        write.received_at,
        int(write.is_mine),
        None if passed_on_by is None else numbers.peer(write.circle, passed_on_by),
        write.reply,
        write.ttl,
        join_texts(write.notes),
        write.text,
    )
    position = _replace_entry(db, numbers, circle, write, shown)
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
    if not is_edited(db, position):
        index_words(db, position, write.text if write.kind != "edit" else "")
    settle(db, circle, write.mid if write.kind not in ABOUT else write.reply)


def _replace_entry(
    db: apsw.Connection,
    numbers: Numbers,
    circle: int,
    write: PutEntry,
    shown: tuple[apsw.SQLiteValue, ...],
) -> int:
    """Insert or update the row in `entries` and return its position; its words are not indexed."""
    db.execute(
        "INSERT INTO entries (author, audience, author_seq, kind, sent_at, received_at, is_mine,"
        " passed_on_by, reply, ttl, notes, text, circle, mid, came, shown)"
        " SELECT ?, ?, ?, ?, ?, ?, ?7, ?, ?, ?, ?, ?, ?, ?, unseen, iif(?7, seen, NULL)"
        " FROM profile WHERE true ON CONFLICT (circle, mid) DO NOTHING",
        (*shown, circle, write.mid),
    )
    if db.changes():
        return db.last_insert_rowid()
    row = db.execute(
        "SELECT position, kind, text, edit FROM entries WHERE circle = ? AND mid = ?",
        (circle, write.mid),
    ).fetchone()
    position, old_kind, old_text, edit = cast("tuple[int, str, str, int]", row)
    _give_back_common(db, position, write.mid)
    if edit:
        passer = None
        if write.passed_on_by is not None:
            passer = numbers.peer(write.circle, write.passed_on_by)
        db.execute("UPDATE entries SET passed_on_by = ? WHERE position = ?", (passer, position))
        return position  # its words are those of an edit, which may have disappeared meanwhile
    forget_words(db, position, old_text if old_kind != "edit" else "")
    db.execute(
        "UPDATE entries SET author = ?, audience = ?, author_seq = ?, kind = ?, sent_at = ?,"
        " received_at = ?, is_mine = ?, passed_on_by = ?, reply = ?, ttl = ?, edit = 0, notes = ?, text = ? WHERE position = ?",
        (*shown, position),
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
        "SELECT position, text FROM entries WHERE circle = ? AND mid = ?",
        (numbers.find_circle(write.circle), write.mid),
    ).fetchone()
    if row is None:
        return
    position, text = cast("tuple[int, str]", row)
    forget_words(db, position, text)
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
    circle = numbers.find_circle(write.circle)
    for mid in write.mids:
        db.execute(
            "UPDATE entries SET shown = (SELECT seen FROM profile)"
            " WHERE circle = ? AND mid = ? AND shown IS NULL",
            (circle, mid),
        )


def _put_ages(db: apsw.Connection, _numbers: Numbers, write: PutAges) -> None:
    ages = write.ages
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
        forget_words(db, cast(int, position), cast(str, text))
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
