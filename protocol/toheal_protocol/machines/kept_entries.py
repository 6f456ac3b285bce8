"""An entry of the log as a backup holds it.

Spec: docs/protocol/backup.md, section 3.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from toheal_protocol.envelope import read_audience
from toheal_protocol.errors import LocalError, MalformedFrame
from toheal_protocol.machines.records import KeptEntry, PutEntry
from toheal_protocol.model import (
    ID_SIZE,
    MAX_FRAME_SIZE,
    CircleId,
    MemberId,
    MessageId,
    WallTime,
)
from toheal_protocol.wire.codec import Reader, prefixed, u8, u32

MAX_KEPT_TEXT: Final = 64 * 1024
"""Bytes of a text: more than a message has."""

MAX_KEPT_IDS: Final = 64
"""Recipients, parents and notes each: more than a message has of any."""

NO_ID: Final = bytes(ID_SIZE)

_IS_MINE: Final = 1
_IS_SHOWN: Final = 2
_KEY_SIZE: Final = 32


def encode_kept_entry(kept: KeptEntry) -> bytes:
    """Write an entry."""
    entry = kept.entry
    flags = _IS_MINE * entry.is_mine | _IS_SHOWN * (kept.shown is not None)
    return b"".join(
        (
            entry.circle,
            entry.mid,
            entry.author,
            u8(entry.audience),
            u32(entry.author_seq),
            u8(flags),
            _i64(entry.sent_at),
            _i64(entry.received_at),
            u32(entry.ttl),
            _i64(kept.came),
            _i64(kept.shown or 0),
            entry.passed_on_by or NO_ID,
            entry.reply or NO_ID,
            entry.previous or NO_ID,
            _short(entry.kind),
            u8(len(entry.notes)),
            *(_short(note) for note in entry.notes),
            _ids(entry.recipients),
            _ids(kept.undelivered),
            _ids(entry.parents),
            prefixed(entry.text.encode(errors="replace")),
            prefixed(entry.common),
            entry.key,
        )
    )


def take_kept_entry(reader: Reader) -> KeptEntry:
    """Read an entry.

    Raises:
        MalformedFrame, UnicodeDecodeError: not the layout, or above a limit.
    """
    circle, mid = CircleId(reader.take(ID_SIZE)), MessageId(reader.take(ID_SIZE))
    author, audience = MemberId(reader.take(ID_SIZE)), read_audience(reader.u8())
    author_seq, flags = reader.u32(), reader.u8()
    if flags > _IS_MINE | _IS_SHOWN:
        raise MalformedFrame("a flag there is not")
    sent_at, received_at = WallTime(_take_i64(reader)), WallTime(_take_i64(reader))
    ttl, came, shown = reader.u32(), _take_i64(reader), _take_i64(reader)
    passer, reply, previous = take_id(reader), take_id(reader), take_id(reader)
    kind = _take_short(reader)
    notes = tuple(_take_short(reader) for _ in range(_count(reader)))
    recipients = tuple(MemberId(one) for one in _take_ids(reader))
    undelivered = tuple(MemberId(one) for one in _take_ids(reader))
    parents = tuple(MessageId(one) for one in _take_ids(reader))
    text = reader.prefixed(MAX_KEPT_TEXT).decode()
    common, key = reader.prefixed(MAX_FRAME_SIZE), reader.rest()
    if len(key) not in (0, _KEY_SIZE):
        raise MalformedFrame("a key of another size")
    entry = PutEntry(
        circle=circle,
        mid=mid,
        author=author,
        audience=audience,
        author_seq=author_seq,
        kind=kind,
        text=text,
        sent_at=sent_at,
        received_at=received_at,
        is_mine=bool(flags & _IS_MINE),
        notes=notes,
        key=key,
        common=common,
        recipients=recipients,
        passed_on_by=None if passer is None else MemberId(passer),
        parents=parents,
        reply=None if reply is None else MessageId(reply),
        ttl=ttl,
        previous=None if previous is None else MessageId(previous),
    )
    return KeptEntry(entry, came, shown if flags & _IS_SHOWN else None, undelivered)


def take_id(reader: Reader) -> bytes | None:
    """Take an id; 32 zero bytes are none."""
    found = reader.take(ID_SIZE)
    return None if found == NO_ID else found


def _i64(value: int) -> bytes:
    try:
        return value.to_bytes(8, "big", signed=True)
    except OverflowError:
        raise LocalError("a number that does not fit 8 bytes") from None


def _take_i64(reader: Reader) -> int:
    return int.from_bytes(reader.take(8), "big", signed=True)


def _short(text: str) -> bytes:
    encoded = text.encode()
    return u8(len(encoded)) + encoded


def _take_short(reader: Reader) -> str:
    return reader.take(reader.u8()).decode()


def _ids(ids: Sequence[bytes]) -> bytes:
    return u8(len(ids)) + b"".join(ids)


def _take_ids(reader: Reader) -> tuple[bytes, ...]:
    return tuple(reader.take(ID_SIZE) for _ in range(_count(reader)))


def _count(reader: Reader) -> int:
    count = reader.u8()
    if count > MAX_KEPT_IDS:
        raise MalformedFrame("more than the limit")
    return count
