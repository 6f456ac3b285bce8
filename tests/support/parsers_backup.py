"""What comes out of a backup's file: any bytes in, a value or a `RemoteError` out."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.kept import SECRET, opened_file, sealed_file
from tests.support.vaults import an_entry, circle_id, member_id, message_id
from toheal_protocol.identity import parse_recovery_words
from toheal_protocol.machines.backup_records import (
    About,
    BackupRecord,
    decode_backup_record,
    encode_backup_record,
)
from toheal_protocol.machines.lifetime import Ages
from toheal_protocol.machines.records import (
    KeptEntry,
    PutAges,
    PutAttachment,
    PutForgotten,
    PutOwed,
    PutPair,
    PutSetting,
)
from toheal_protocol.machines.state import Pair
from toheal_protocol.machines.storing import encode_pair
from toheal_protocol.messages.file_chunks import FileKey
from toheal_protocol.messages.file_tree import FileId
from toheal_protocol.messages.frames import Envelope, encode_frame
from toheal_protocol.model import Frame, WallTime

RECORDS: tuple[BackupRecord, ...] = (
    About(WallTime(1_800_000_000), 3),
    PutSetting("nickname", "نورس".encode()),
    PutPair(circle_id(1), member_id(2), encode_pair(Pair(None, 7, 0, 90, 80))),
    PutAges(Ages(5, 6, WallTime(7))),
    PutForgotten(circle_id(1), (message_id(8), message_id(9))),
    KeptEntry(an_entry(1, text="مساء الخير", notes=("loss",)), 4, None),
    KeptEntry(
        an_entry(
            2,
            is_mine=True,
            recipients=(member_id(2), member_id(3)),
            parents=(message_id(1),),
            reply=message_id(1),
            previous=message_id(3),
            passed_on_by=member_id(3),
            ttl=604800,
        ),
        4,
        5,
        (member_id(3),),
    ),
    PutAttachment(circle_id(1), message_id(1), FileId(bytes(32)), FileKey(b"k" * 32), 1_000_000, 2),
    PutOwed(
        circle_id(1),
        member_id(2),
        88,
        message_id(2),
        bytes(8) + b"\2" + b"K" * 32,
        encode_frame(Envelope(b"", b"common part")),
    ),
    PutOwed(circle_id(1), member_id(2), 89, None, bytes(8) + b"\1\x14", Frame(b"")),
)
"""A record of each kind, but for those whose body is the vault's own."""


def _parse_record(frame: bytes) -> BackupRecord:
    return decode_backup_record(frame[0] if frame else 0, frame[1:])


def _parse_words(frame: bytes) -> bytes:
    return parse_recovery_words(frame.decode("utf-8", errors="replace"))


PARSERS: tuple[tuple[str, Callable[[bytes], object]], ...] = (
    ("opened_file", opened_file),
    ("decode_backup_record", _parse_record),
    ("parse_recovery_words", _parse_words),
)

SEEDS: tuple[bytes, ...] = (
    *(
        bytes([encode_backup_record(record)[0]]) + encode_backup_record(record)[5:]
        for record in RECORDS
    ),
    sealed_file(RECORDS, secret=SECRET),
)
