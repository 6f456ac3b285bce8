"""Heads: how far somebody has read each stream.

```
heads = count[1] || (author id[32] || audience[1] || seq[4] || mid[32])..
```
Spec: docs/protocol/circle.md, section 3; docs/protocol/sync.md, section 2.
"""

from __future__ import annotations

from typing import Final

from attrs import frozen

from toheal_protocol.envelope import read_audience
from toheal_protocol.errors import MalformedFrame
from toheal_protocol.model import ID_SIZE, MAX_MEMBERS, Audience, MemberId, MessageId
from toheal_protocol.wire.codec import Reader, u8, u32

MAX_HEADS: Final = 8 * MAX_MEMBERS
"""Heads in one note: two audiences of each member, and of as many who are gone three times over."""

NO_DIGEST: Final = bytes(32)
"""What a `Here` carries that compares nothing."""


@frozen
class Head:
    """How far we have read what one author says to one audience, without a gap.

    Told only to those who belong to the audience: that there is a note, and whose, is for them.
    """

    author: MemberId
    audience: Audience
    seq: int
    mid: MessageId


@frozen
class Heads:
    """How far we have read; told to who has another digest. `is_reply` False asks for theirs."""

    is_reply: bool
    heads: tuple[Head, ...] = ()


def encode_heads(heads: tuple[Head, ...]) -> bytes:
    """Write heads."""
    return u8(len(heads)) + b"".join(
        head.author + u8(head.audience) + u32(head.seq) + head.mid for head in heads
    )


def take_heads(reader: Reader) -> tuple[Head, ...]:
    """Read heads.

    Raises:
        MalformedFrame: not the layout, or more than the limit.
    """
    count = reader.u8()
    if count > MAX_HEADS:
        raise MalformedFrame("more heads than the limit")
    return tuple(
        Head(
            MemberId(reader.take(ID_SIZE)),
            read_audience(reader.u8()),
            reader.u32(),
            MessageId(reader.take(ID_SIZE)),
        )
        for _ in range(count)
    )
