"""The records of a backup: what the vault keeps, in a layout of its own, and nothing that was sealed.

Where the vault's record holds what a backup must not (a session, a frame as it was sealed), the
layout here has no place for it.

Spec: docs/protocol/backup.md, section 3. Vectors: tests/vectors/backup.json.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from attrs import frozen

from toheal_protocol.errors import LocalError, MalformedFrame
from toheal_protocol.machines.kept_entries import (
    NO_ID,
    encode_kept_entry,
    take_id,
    take_kept_entry,
)
from toheal_protocol.machines.lifetime import Ages
from toheal_protocol.machines.records import (
    KeptEntry,
    PutAges,
    PutAttachment,
    PutCircle,
    PutForgotten,
    PutHeld,
    PutLog,
    PutOwed,
    PutPair,
    PutSetting,
)
from toheal_protocol.machines.state import Pair
from toheal_protocol.machines.storing import (
    decode_cold,
    decode_held,
    decode_log,
    decode_pair,
    encode_pair,
)
from toheal_protocol.messages.backup_file import encode_record
from toheal_protocol.messages.file_chunks import FileKey
from toheal_protocol.messages.file_tree import FileId
from toheal_protocol.messages.frames import Envelope, decode_frame, encode_frame
from toheal_protocol.messages.notes import decode_item
from toheal_protocol.model import ID_SIZE, CircleId, Frame, MemberId, MessageId, WallTime
from toheal_protocol.wire.codec import Reader, prefixed, prefixed16, u8, u32, u64

MAX_FORGOTTEN: Final = 1024
"""Ids in one record."""

MAX_SETTING_NAME: Final = 256

_SEALED_NEVER: Final = u32(0) + u32(0)
"""What an owed item begins with that was never sealed: its session and its time."""

_ITEM_KEY: Final = 2
_ITEM_KEY_SIZE: Final = 33
_MAX_NUMBER: Final = (1 << 63) - 1


@frozen
class About:
    """What a backup begins with: when it was made, and how many messages it has."""

    made_at: WallTime
    messages: int


BackupRecord = (
    About
    | PutSetting
    | PutCircle
    | PutLog
    | PutPair
    | PutOwed
    | KeptEntry
    | PutHeld
    | PutAttachment
    | PutAges
    | PutForgotten
)


def encode_backup_record(record: BackupRecord) -> bytes:
    """Write a record as it stands in the file. A pair's session and an owed frame stay behind."""
    kind = _KINDS[type(record)]
    return encode_record(kind, _ENCODERS[kind](record))


def decode_backup_record(kind: int, body: bytes) -> BackupRecord:
    """Read one record.

    Raises:
        MalformedFrame: of no known kind, or not its layout.
    """
    decoder = _DECODERS.get(kind)
    if decoder is None:
        raise MalformedFrame("a record of no kind we know")
    reader = Reader(body)
    try:
        record = decoder(reader)
    except (UnicodeDecodeError, LocalError):
        raise MalformedFrame("a record with what does not fit") from None
    reader.end()
    return record


def _about(record: About) -> bytes:
    return u64(record.made_at) + u64(record.messages)


def _take_about(reader: Reader) -> About:
    return About(WallTime(reader.u64()), reader.u64())


def _setting(record: PutSetting) -> bytes:
    return prefixed16(record.name.encode()) + record.value


def _take_setting(reader: Reader) -> PutSetting:
    return PutSetting(reader.prefixed16(MAX_SETTING_NAME).decode(), reader.rest())


def _circle(record: PutCircle | PutLog) -> bytes:
    return record.circle + record.blob


def _take_circle(reader: Reader) -> PutCircle:
    circle, blob = CircleId(reader.take(ID_SIZE)), reader.rest()
    if decode_cold(blob).id != circle:
        raise MalformedFrame("a circle with the id of another")
    return PutCircle(circle, blob)


def _take_log(reader: Reader) -> PutLog:
    circle, blob = CircleId(reader.take(ID_SIZE)), reader.rest()
    decode_log(blob)
    return PutLog(circle, blob)


def _pair(record: PutPair) -> bytes:
    pair = decode_pair(record.blob)
    counts = u32(pair.generation) + u64(pair.next_seq) + u64(pair.acked_through)
    return record.circle + record.member + counts


def _take_pair(reader: Reader) -> PutPair:
    circle, member = CircleId(reader.take(ID_SIZE)), MemberId(reader.take(ID_SIZE))
    generation, next_seq, acked = reader.u32(), reader.u64(), reader.u64()
    if not acked < next_seq <= _MAX_NUMBER:
        raise MalformedFrame("a pair whose counts make no sense")
    pair = Pair(generation=generation, next_seq=next_seq, acked_through=acked)
    return PutPair(circle, member, encode_pair(pair))


def _owed(record: PutOwed) -> bytes:
    common = b""
    if record.mid is not None:
        frame = decode_frame(record.frame)
        if not isinstance(frame, Envelope):
            raise LocalError("an owed message without its common part")
        common = frame.common
    front = record.circle + record.member + u64(record.seq) + (record.mid or NO_ID)
    return front + prefixed(record.item[len(_SEALED_NEVER) :]) + common


def _take_owed(reader: Reader) -> PutOwed:
    circle, member = CircleId(reader.take(ID_SIZE)), MemberId(reader.take(ID_SIZE))
    seq, mid = reader.u64(), take_id(reader)
    body, common = reader.prefixed(1 << 20), reader.rest()
    if seq > _MAX_NUMBER:
        raise MalformedFrame("an owed item with a number too high")
    frame = Frame(b"")
    if mid is None:
        decode_item(body[1:])
        is_right = body[:1] == b"\1" and not common
    else:
        is_right = body[:1] == bytes([_ITEM_KEY]) and len(body) == _ITEM_KEY_SIZE and bool(common)
        frame = encode_frame(Envelope(b"", common))
        decode_frame(frame)  # no larger than a frame may be
    if not is_right:
        raise MalformedFrame("an owed item that is none")
    message = None if mid is None else MessageId(mid)
    return PutOwed(circle, member, seq, message, _SEALED_NEVER + body, frame)


def _held(record: PutHeld) -> bytes:
    return record.circle + record.mid + record.blob


def _take_held(reader: Reader) -> PutHeld:
    circle, mid = CircleId(reader.take(ID_SIZE)), MessageId(reader.take(ID_SIZE))
    blob = reader.rest()
    decode_held(blob)
    return PutHeld(circle, mid, blob)


def _attachment(record: PutAttachment) -> bytes:
    front = record.circle + record.mid + record.file + record.key
    return front + u64(record.size) + u8(record.medium)


def _take_attachment(reader: Reader) -> PutAttachment:
    return PutAttachment(
        CircleId(reader.take(ID_SIZE)),
        MessageId(reader.take(ID_SIZE)),
        FileId(reader.take(ID_SIZE)),
        FileKey(reader.take(32)),
        _number(reader.u64()),
        reader.u8(),
    )


def _ages(record: PutAges) -> bytes:
    return u64(record.ages.seen) + u64(record.ages.unseen) + u64(record.ages.wall)


def _take_ages(reader: Reader) -> PutAges:
    seen, unseen, wall = (_number(reader.u64()) for _ in range(3))
    return PutAges(Ages(seen, unseen, WallTime(wall)))


def _forgotten(record: PutForgotten) -> bytes:
    return record.circle + b"".join(record.mids)


def _take_forgotten(reader: Reader) -> PutForgotten:
    circle, count = CircleId(reader.take(ID_SIZE)), reader.left // ID_SIZE
    if count > MAX_FORGOTTEN:
        raise MalformedFrame("more ids than a record has")
    return PutForgotten(circle, tuple(MessageId(reader.take(ID_SIZE)) for _ in range(count)))


def _number(number: int) -> int:
    if number > _MAX_NUMBER:
        raise MalformedFrame("a number too high")
    return number


_KINDS: Final[Mapping[type, int]] = {
    About: 1,
    PutSetting: 2,
    PutCircle: 3,
    PutLog: 4,
    PutPair: 5,
    PutOwed: 6,
    KeptEntry: 7,
    PutHeld: 8,
    PutAttachment: 9,
    PutAges: 10,
    PutForgotten: 11,
}

# Any: each function takes its own kind of record, and the number says which.
_ENCODERS: Final[Mapping[int, Callable[[Any], bytes]]] = {
    1: _about,
    2: _setting,
    3: _circle,
    4: _circle,
    5: _pair,
    6: _owed,
    7: encode_kept_entry,
    8: _held,
    9: _attachment,
    10: _ages,
    11: _forgotten,
}

_DECODERS: Final[Mapping[int, Callable[[Reader], BackupRecord]]] = {
    1: _take_about,
    2: _take_setting,
    3: _take_circle,
    4: _take_log,
    5: _take_pair,
    6: _take_owed,
    7: take_kept_entry,
    8: _take_held,
    9: _take_attachment,
    10: _take_ages,
    11: _take_forgotten,
}
