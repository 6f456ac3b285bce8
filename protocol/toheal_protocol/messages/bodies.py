"""Bodies of circle messages: what somebody said, by kind.

Bodies are msgpack maps with short keys (no hash or MAC depends on their encoding: the seal covers
the bytes as they came). Unknown keys are ignored, so that a later version can add some.

Spec: docs/protocol/circle.md, section 7.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Final

import msgspec

from toheal_protocol.errors import MalformedFrame
from toheal_protocol.model import MAX_TEXT_SIZE


class ContentKind(IntEnum):
    """The `type` byte of a circle message."""

    TEXT = 1
    OPERATION = 2
    ATTACHMENT = 10
    REQUEST = 3
    """Facilitators are asked to look at the message it answers, perhaps with words."""
    EDIT = 4
    """The message it answers says this from now on."""
    RETRACTION = 5
    """The message it answers is taken back."""


CONTENT_NOTES: Final = ("loss", "self-harm", "suicide", "violence", "abuse", "eating", "other")
"""The content notes an author can put on a message; readers choose what to do with each."""


class TextBody(msgspec.Struct, frozen=True):
    """Words, with the author's content notes and the author's clock."""

    text: str
    sent_at: int
    notes: tuple[str, ...] = ()


_encoder = msgspec.msgpack.Encoder()
_text_decoder = msgspec.msgpack.Decoder(TextBody)


def encode_text(body: TextBody) -> bytes:
    """Write a text body."""
    return _encoder.encode(body)


def decode_text(encoded: bytes) -> TextBody:
    """Read a text body. Content notes we do not know become "other".

    Raises:
        MalformedFrame: not a text body, longer than the limit, or a time no clock shows.
    """
    try:
        body = _text_decoder.decode(encoded)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise MalformedFrame("not a text body") from None
    if len(body.text.encode(errors="surrogatepass")) > MAX_TEXT_SIZE:
        raise MalformedFrame("a text above the limit")
    if not 0 <= body.sent_at < 1 << 40:
        raise MalformedFrame("a time no clock shows")
    return TextBody(text=body.text, sent_at=body.sent_at, notes=known_notes(body.notes))


def known_notes(notes: Sequence[str]) -> tuple[str, ...]:
    """Return content notes as we know them, each once: any other one is "other"."""
    if not notes:
        return ()
    return tuple(dict.fromkeys(note if note in CONTENT_NOTES else "other" for note in notes))
