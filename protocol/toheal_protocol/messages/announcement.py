"""An announcement: a membership operation as the circle hears of it, with the words it names.

```
announcement = length[2] || operation || text in UTF-8
```
The operation is signed and holds only the text's hash; the text is MACed like any other words.

Spec: docs/protocol/membership.md, section 2; docs/protocol/circle.md, section 6.
"""

from __future__ import annotations

from typing import Final

from attrs import field, frozen

from toheal_protocol.errors import MalformedFrame
from toheal_protocol.messages.acts import (
    NO_TEXT,
    Act,
    CharterChange,
    Foundation,
    Muting,
    Removal,
    RoleChange,
    charter_hash,
    decode_act,
    text_hash,
)
from toheal_protocol.messages.operations import (
    MAX_OPERATION_SIZE,
    Operation,
    decode_operation,
    encode_operation,
)
from toheal_protocol.wire.codec import Reader, prefixed16

MAX_REASON_SIZE: Final = 2000
"""UTF-8 bytes of a reason."""

MAX_WORDS_SIZE: Final = 4096
"""UTF-8 bytes of what an operation can name: a charter is the longest."""


MAX_ANNOUNCEMENT_SIZE: Final = 2 + MAX_OPERATION_SIZE + MAX_WORDS_SIZE
"""Bytes of an announcement."""


@frozen
class Announcement:
    """A signed act and the text that belongs to it, empty where there is none or it is not known."""

    operation: Operation
    text: str = field(default="", repr=False)


def encode_announcement(announcement: Announcement) -> bytes:
    """Write the body of a circle message about an act."""
    return prefixed16(encode_operation(announcement.operation)) + announcement.text.encode()


def decode_announcement(body: bytes) -> Announcement:
    """Read the body of a circle message about an act.

    Raises:
        MalformedFrame: not the layout, or another text than the operation names.
    """
    reader = Reader(body)
    operation = decode_operation(reader.prefixed16(MAX_OPERATION_SIZE))
    if reader.left > MAX_WORDS_SIZE:
        raise MalformedFrame("a text above the limit")
    try:
        text = reader.rest().decode()
    except UnicodeDecodeError:
        raise MalformedFrame("a text that is not UTF-8") from None
    if text and hash_of_text(decode_act(operation), text) != named_text(decode_act(operation)):
        raise MalformedFrame("another text than the operation names")
    return Announcement(operation, text)


def named_text(act: Act) -> bytes:
    """Return the hash of the text an act names; zeros where it names none."""
    match act:
        case Removal(_, _, reason) | RoleChange(_, _, _, reason) | Muting(_, _, _, reason):
            return reason.text_hash
        case CharterChange(named) | Foundation(_, _, _, named):
            return named
        case _:
            return NO_TEXT


def hash_of_text(act: Act, text: str) -> bytes:
    """Return what an act of this kind names a text by."""
    is_charter = isinstance(act, CharterChange | Foundation)
    return charter_hash(text) if is_charter else text_hash(text)
