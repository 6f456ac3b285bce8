"""The announcement of a file: what it is, what its author says of it, and what opens it.

Spec: docs/protocol/attachments.md, section 3.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import msgspec

from toheal_protocol.errors import MalformedFrame
from toheal_protocol.messages.bodies import known_notes
from toheal_protocol.messages.file_chunks import FILE_KEY_SIZE, MAX_FILE_SIZE
from toheal_protocol.model import ID_SIZE

MAX_ABOUT_SIZE: Final = 4000
"""UTF-8 bytes of what an author says of a file: a minute of speech, written down."""


class Medium(IntEnum):
    """What a file is. Nothing else can be attached."""

    JPEG = 1
    PNG = 2
    WEBP = 3
    GIF = 4
    OGG = 16
    MP3 = 17
    MP4 = 18
    WAV = 19


MEDIA_TYPES: Final = {
    Medium.JPEG: "image/jpeg",
    Medium.PNG: "image/png",
    Medium.WEBP: "image/webp",
    Medium.GIF: "image/gif",
    Medium.OGG: "audio/ogg",
    Medium.MP3: "audio/mpeg",
    Medium.MP4: "audio/mp4",
    Medium.WAV: "audio/wav",
}
"""What each is called elsewhere."""


class AttachmentBody(msgspec.Struct, frozen=True, repr_omit_defaults=True):
    """One attached file. `media` may be a number of a later version."""

    file: bytes
    key: bytes
    size: int
    media: int
    about: str
    sent_at: int
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"AttachmentBody(size={self.size}, media={self.media})"


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(AttachmentBody)


def encode_attachment(body: AttachmentBody) -> bytes:
    """Write an announcement's body."""
    return _encoder.encode(body)


def decode_attachment(encoded: bytes) -> AttachmentBody:
    """Read an announcement's body. Content notes we do not know become "other".

    Raises:
        MalformedFrame: not such a body, or something in it out of bounds.
    """
    try:
        body = _decoder.decode(encoded)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise MalformedFrame("not an announcement of a file") from None
    if len(body.file) != ID_SIZE or len(body.key) != FILE_KEY_SIZE:
        raise MalformedFrame("an id or a key of another length")
    if not 1 <= body.size <= MAX_FILE_SIZE:
        raise MalformedFrame("a size out of bounds")
    if len(body.about.encode(errors="surrogatepass")) > MAX_ABOUT_SIZE:
        raise MalformedFrame("a description above the limit")
    if not 0 <= body.sent_at < 1 << 40 or not 0 <= body.media < 1 << 16:
        raise MalformedFrame("a time no clock shows, or no medium")
    return msgspec.structs.replace(body, notes=known_notes(body.notes))


def medium_of(body: AttachmentBody) -> Medium | None:
    """Return what the file is, or None where a later version knows."""
    try:
        return Medium(body.media)
    except ValueError:
        return None
