"""What a message says inside its seal, and where it stands in the circle's log.

```
circle_id[32] || audience[1] || author_seq[4] || prev_own[32] || count[1] || parents[45 each]
|| count[1] || view[32 each] || lamport[4] || ttl[4] || type[1] || has_reply[1] || reply[32]? || body
parent = author_mark[8] || audience[1] || author_seq[4] || message id[32]
```

It names no author: each recipient knows the author from its own wrap, and nobody can prove it to
an outsider. Whether the references make sense is the circle's to judge.

Spec: docs/protocol/envelope.md, section 4. Vectors: tests/vectors/envelope.json.
"""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import Final, NamedTuple

from attrs import field, frozen

from toheal_protocol.errors import LocalError, MalformedFrame
from toheal_protocol.model import ID_SIZE, Audience, CircleId, MessageId, OperationId
from toheal_protocol.wire.codec import Reader
from toheal_protocol.wire.padding import BUCKETS

MAX_PARENTS: Final = 32
"""Parents one message can name: one per member (24) leaves room; more would be a way to stuff."""

MAX_CONTENT_SIZE: Final = BUCKETS[-1] - 1
"""Bytes of encoded content: the largest bucket, less the padding's mark."""

MARK_SIZE: Final = 8
"""Bytes of a member id that stand for its author in a reference. With at most 24 members nobody
finds a second id with the same mark by chance; who makes one on purpose (2^64 keys) only confuses
the order in which its own messages are shown."""

MAX_VIEW: Final = 32
"""Operations one message can name: as many as an operation has parents at most."""

PARENT_SIZE: Final = MARK_SIZE + 1 + 4 + ID_SIZE
"""Bytes of one reference to a parent."""

_FRONT: Final = struct.Struct(">32sBI32sB")
_PARENT: Final = struct.Struct(">8sBI32s")
_MIDDLE: Final = struct.Struct(">IIBB")

_AUDIENCES: Final = {int(audience): audience for audience in Audience}
"""A call of the enumeration takes ten times as long as this."""

_NO_MESSAGE: Final = bytes(ID_SIZE)
_FIXED: Final = ID_SIZE + 1 + 4 + ID_SIZE + 1 + 1 + 4 + 4 + 1 + 1


class Parent(NamedTuple):
    """A reference to the newest message of one author that was known.

    With the author's count a reader can tell whether it has the parent by looking at how far it
    has read that author: it need not remember every id it ever saw.
    """

    author_mark: bytes
    audience: Audience
    author_seq: int
    mid: MessageId


@frozen(slots=False)
class Content:
    """One message as its author wrote it.

    Attributes:
        circle_id: the circle it belongs to, 32 bytes.
        audience: whom it is for; no parent is for fewer.
        author_seq: the author's own count of messages to this audience.
        prev_own: the author's message before this one; None for the first.
        parents: the newest messages the author knew, at most `MAX_PARENTS`, none twice.
        view: the newest membership operations the author knew, rising: who was in for the author.
        lamport: one more than the highest number the author had seen.
        ttl: seconds until each reader's device forgets it after opening; 0 for never.
        type: what kind of message; 0 to 255.
        reply: the message it answers, if any.
        body: what the kind says it is.
    """

    circle_id: CircleId
    audience: Audience
    author_seq: int
    prev_own: MessageId | None
    parents: tuple[Parent, ...]
    view: tuple[OperationId, ...]
    lamport: int
    ttl: int
    type: int
    reply: MessageId | None
    body: bytes = field(repr=False)


def max_body_size(*, parents: int, view: int, is_reply: bool) -> int:
    """Return how many bytes a body can have beside so many references."""
    return MAX_CONTENT_SIZE - _FIXED - PARENT_SIZE * parents - ID_SIZE * (view + is_reply)


def encode_content(content: Content) -> bytes:
    """Write a message's content, ready to be sealed.

    Raises:
        LocalError: an id of the wrong size, a number that does not fit, a parent too many or
            named twice, or a body that does not fit the largest bucket.

    Spec: docs/protocol/envelope.md, section 4. Vectors: tests/vectors/envelope.json.
    """
    if not _are_parents(content.parents):
        raise LocalError("more parents than allowed, or one twice")
    if not _are_for_as_many(content.parents, content.audience):
        raise LocalError("a parent for fewer than its child")
    if not _is_view(content.view):
        raise LocalError("a view with more than allowed, or that does not rise")
    if content.prev_own == _NO_MESSAGE:
        raise LocalError("32 zero bytes name no message")
    parents, reply = content.parents, content.reply
    ids = (content.circle_id, content.prev_own or _NO_MESSAGE, *content.view, reply or _NO_MESSAGE)
    circle_id, prev_own, *view, reply_id = map(_id, ids)
    try:
        encoded = b"".join(
            (
                _FRONT.pack(
                    circle_id, content.audience, content.author_seq, prev_own, len(parents)
                ),
                *[_encode_parent(parent) for parent in parents],
                len(view).to_bytes(1, "big"),
                *view,
                _MIDDLE.pack(content.lamport, content.ttl, content.type, reply is not None),
                b"" if reply is None else reply_id,
                content.body,
            )
        )
    except struct.error:
        raise LocalError("a number that does not fit") from None
    if len(encoded) > MAX_CONTENT_SIZE:
        raise LocalError("a body larger than the largest bucket")
    return encoded


def decode_content(plain: bytes) -> Content:
    """Read a message's content.

    Raises:
        MalformedFrame: any bytes that `encode_content` would not have written.

    Spec: docs/protocol/envelope.md, section 4. Vectors: tests/vectors/envelope.json.
    """
    if len(plain) > MAX_CONTENT_SIZE:
        raise MalformedFrame("larger than the largest bucket")
    reader = Reader(plain)
    circle_id, whom, author_seq, prev_own, count = _FRONT.unpack(reader.take(_FRONT.size))
    audience = read_audience(whom)
    parents = _read_parents(reader, count)
    if not _are_for_as_many(parents, audience):
        raise MalformedFrame("a parent for fewer than its child")
    view = _read_view(reader)
    lamport, ttl, kind, has_reply = _MIDDLE.unpack(reader.take(_MIDDLE.size))
    return Content(
        circle_id=circle_id,
        audience=audience,
        author_seq=author_seq,
        prev_own=None if prev_own == _NO_MESSAGE else MessageId(prev_own),
        parents=parents,
        view=view,
        lamport=lamport,
        ttl=ttl,
        type=kind,
        reply=_read_reply(reader, has_reply),
        body=reader.rest(),
    )


def _encode_parent(parent: Parent) -> bytes:
    if len(parent.author_mark) != MARK_SIZE:
        raise LocalError("a mark has 8 bytes")
    return _PARENT.pack(parent.author_mark, parent.audience, parent.author_seq, _id(parent.mid))


def read_audience(number: int) -> Audience:
    """Read whom something is for.

    Raises:
        MalformedFrame: an audience there is not.
    """
    try:
        return _AUDIENCES[number]
    except KeyError:
        raise MalformedFrame("an audience there is not") from None


def _read_parents(reader: Reader, count: int) -> tuple[Parent, ...]:
    if count > MAX_PARENTS:
        raise MalformedFrame("more parents than allowed")
    rows = _PARENT.iter_unpack(reader.take(_PARENT.size * count))
    parents = tuple([Parent(mark, read_audience(whom), seq, mid) for mark, whom, seq, mid in rows])
    if not _are_parents(parents):
        raise MalformedFrame("a parent named twice")
    return parents


def _read_view(reader: Reader) -> tuple[OperationId, ...]:
    count = reader.u8()
    if count > MAX_VIEW:
        raise MalformedFrame("a view of more operations than allowed")
    view = tuple([OperationId(reader.take(ID_SIZE)) for _ in range(count)])
    if not _is_view(view):
        raise MalformedFrame("a view that does not rise")
    return view


def _is_view(view: tuple[OperationId, ...]) -> bool:
    if len(view) < 2:
        return True
    return len(view) <= MAX_VIEW and all(one < other for one, other in pairwise(view))


def _read_reply(reader: Reader, has_reply: int) -> MessageId | None:
    if has_reply > 1:
        raise MalformedFrame("neither a reply nor none")
    return MessageId(reader.take(ID_SIZE)) if has_reply else None


def _are_parents(parents: tuple[Parent, ...]) -> bool:
    if len(parents) < 2:
        return True
    return len(parents) <= MAX_PARENTS and len({one.mid for one in parents}) == len(parents)


def _are_for_as_many(parents: tuple[Parent, ...], audience: Audience) -> bool:
    return not [one for one in parents if one.audience > audience]


def _id(part: bytes) -> bytes:
    if len(part) != ID_SIZE:
        raise LocalError("an id has 32 bytes")
    return part
