"""What is read about files: announcements, and notes about chunks."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.parsers_circle import EVERY_NOTE
from toheal_protocol.messages.attachment import (
    AttachmentBody,
    Medium,
    decode_attachment,
    encode_attachment,
)
from toheal_protocol.messages.file_chunks import FileKey, open_file
from toheal_protocol.messages.file_notes import FileNote
from toheal_protocol.messages.notes import decode_item, encode_item

BODY = AttachmentBody(
    file=b"f" * 32,
    key=b"k" * 32,
    size=1234,
    media=Medium.JPEG,
    about="نافذة",
    sent_at=1_800_000_000,
    notes=("loss",),
)


def _decode_file_note(item: bytes) -> object:
    """The first byte chooses one of the three kinds."""
    return decode_item(bytes([12 + item[0] % 3]) + item[1:] if item else item)


def _open_one_chunk(chunk: bytes) -> object:
    return open_file([chunk], FileKey(bytes(32)), size=5)


PARSERS: tuple[tuple[str, Callable[[bytes], object]], ...] = (
    ("decode_attachment", decode_attachment),
    ("decode_file_note", _decode_file_note),
    ("open_file", _open_one_chunk),
)

SEEDS: tuple[bytes, ...] = (
    encode_attachment(BODY),
    *(encode_item(note) for note in EVERY_NOTE if isinstance(note, FileNote)),
)
