"""Asking members for messages that are missing here, and the end of an answer.

```
asked    = ask[4] || count[1] || range.. || count[1] || mid[32]..
range    = author[32] || audience[1] || first[4] || last[4]
answered = ask[4] || has_more[1]
```
Spec: docs/protocol/sync.md, section 3.1.
"""

from __future__ import annotations

from typing import Final

from attrs import frozen

from toheal_protocol.envelope import read_audience
from toheal_protocol.errors import MalformedFrame
from toheal_protocol.model import ID_SIZE, Audience, MemberId, MessageId
from toheal_protocol.wire.codec import Reader, u8, u32

MAX_RANGES_ASKED: Final = 96
"""Ranges in one ask: four for each of 24 members."""

MAX_MIDS_ASKED: Final = 64
"""Single messages in one ask."""


@frozen
class Range:
    """Numbers of one stream, both ends included."""

    author: MemberId
    audience: Audience
    first: int
    last: int


@frozen
class Asked:
    """Please pass these on to us. `ask` numbers what the asker asks."""

    ask: int
    ranges: tuple[Range, ...] = ()
    mids: tuple[MessageId, ...] = ()


@frozen
class Answered:
    """What we had for your ask is before this; `has_more`: there is more of it here."""

    ask: int
    has_more: bool


Asking = Asked | Answered
"""The notes of this page."""


def encode_asking(note: Asking) -> bytes:
    """Write an ask, or the end of an answer."""
    if isinstance(note, Answered):
        return u32(note.ask) + u8(note.has_more)
    ranges = (one.author + u8(one.audience) + u32(one.first) + u32(one.last) for one in note.ranges)
    return b"".join((u32(note.ask), u8(len(note.ranges)), *ranges, u8(len(note.mids)), *note.mids))


def take_asked(reader: Reader) -> Asked:
    """Read an ask.

    Raises:
        MalformedFrame: not the layout, or above a limit.
    """
    ask, count = reader.u32(), reader.u8()
    if count > MAX_RANGES_ASKED:
        raise MalformedFrame("more ranges than the limit")
    ranges = tuple(_take_range(reader) for _ in range(count))
    count = reader.u8()
    if count > MAX_MIDS_ASKED:
        raise MalformedFrame("more messages than the limit")
    return Asked(ask, ranges, tuple(MessageId(reader.take(ID_SIZE)) for _ in range(count)))


def take_answered(reader: Reader) -> Answered:
    """Read the end of an answer.

    Raises:
        MalformedFrame: not the layout.
    """
    ask, has_more = reader.u32(), reader.u8()
    if has_more > 1:
        raise MalformedFrame("neither yes nor no")
    return Answered(ask, bool(has_more))


def _take_range(reader: Reader) -> Range:
    author, audience = MemberId(reader.take(ID_SIZE)), read_audience(reader.u8())
    first, last = reader.u32(), reader.u32()
    if not 1 <= first <= last:
        raise MalformedFrame("a range that does not rise")
    return Range(author, audience, first, last)
