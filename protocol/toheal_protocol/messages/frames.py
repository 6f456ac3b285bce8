"""The kinds of frame that travel between two peers, over a link or through a mailbox.

```
opening   01 || F1
answer    02 || F2
renewal   03 || card
note      10 || sealed note
envelope  11 || length[2] || wrap || common
passed    12 || length[2] || wrap || common
```
Spec: docs/protocol/circle.md, section 2; docs/protocol/sync.md, section 3.3.
"""

from __future__ import annotations

from typing import Final, assert_never

from attrs import field, frozen

from toheal_protocol.errors import MalformedFrame
from toheal_protocol.model import MAX_FRAME_SIZE, Frame
from toheal_protocol.wire.codec import Reader, prefixed16

MAX_WRAP_SIZE: Final = 8 * 1024
"""Bytes of a wrap at most: one with a key offer and a ciphertext has less than 2.5 kB."""

_OPENING: Final = 0x01
_ANSWER: Final = 0x02
_RENEWAL: Final = 0x03
_NOTE: Final = 0x10
_ENVELOPE: Final = 0x11
_PASSED: Final = 0x12


@frozen
class Opening:
    """The first flight of a handshake."""

    flight: bytes = field(repr=False)


@frozen
class Answer:
    """The second flight of a handshake."""

    flight: bytes = field(repr=False)


@frozen
class Renewal:
    """The card to call again with: the first flight was for a prekey that is no more."""

    card: bytes = field(repr=False)


@frozen
class Note:
    """One sealed note between two peers."""

    sealed: bytes = field(repr=False)


@frozen
class Envelope:
    """A circle's message: the common part, and the key wrapped for the one who gets this copy."""

    wrap: bytes = field(repr=False)
    common: bytes = field(repr=False)


@frozen
class Passed:
    """A circle's message that a member passes on: its author is named inside the wrap."""

    wrap: bytes = field(repr=False)
    common: bytes = field(repr=False)


Sealed = Note | Envelope | Passed
"""What the pair session seals; all else belongs to a handshake."""

AnyFrame = Opening | Answer | Renewal | Note | Envelope | Passed


def encode_frame(frame: AnyFrame) -> Frame:
    """Write a frame."""
    match frame:
        case Envelope(wrap, common):
            return Frame(bytes([_ENVELOPE]) + prefixed16(wrap) + common)
        case Note(sealed):
            return Frame(bytes([_NOTE]) + sealed)
        case Opening(flight):
            return Frame(bytes([_OPENING]) + flight)
        case Answer(flight):
            return Frame(bytes([_ANSWER]) + flight)
        case Renewal(card):
            return Frame(bytes([_RENEWAL]) + card)
        case Passed(wrap, common):
            return Frame(bytes([_PASSED]) + prefixed16(wrap) + common)
        case _:
            assert_never(frame)


def decode_frame(frame: bytes) -> AnyFrame:
    """Read a frame.

    Raises:
        MalformedFrame: too large, of no kind we know, or shorter than its layout.
    """
    if len(frame) > MAX_FRAME_SIZE:
        raise MalformedFrame("a frame above the limit")
    reader = Reader(frame)
    match reader.u8():
        case 0x11:
            return Envelope(reader.prefixed16(MAX_WRAP_SIZE), reader.rest())
        case 0x10:
            return Note(reader.rest())
        case 0x01:
            return Opening(reader.rest())
        case 0x02:
            return Answer(reader.rest())
        case 0x03:
            return Renewal(reader.rest())
        case 0x12:
            return Passed(reader.prefixed16(MAX_WRAP_SIZE), reader.rest())
        case _:
            raise MalformedFrame("a frame of no kind we know")
