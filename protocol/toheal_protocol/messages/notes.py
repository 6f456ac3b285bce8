"""Notes: what two peers tell each other inside their session, apart from circle messages.

```
note = seq[8] || through[8] || kind[1] || body, padded to a bucket, then sealed by the ratchet
```
`seq` 0 means "worth nothing later": it is never repeated. Any other `seq` counts the items one
peer owes the other from 1, circle messages included, and is acknowledged by `through` (everything
up to it has been stored) and by the ranges of `Ack`.

Spec: docs/protocol/circle.md, section 3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, assert_never

from attrs import field, frozen

from toheal_protocol.crypto import SIGNATURE_SIZE, Signature
from toheal_protocol.envelope import read_audience
from toheal_protocol.errors import MalformedFrame, RemoteError
from toheal_protocol.messages import asking
from toheal_protocol.messages.announcement import MAX_ANNOUNCEMENT_SIZE
from toheal_protocol.messages.door_notes import (
    DOOR_KINDS,
    DOOR_TAKERS,
    DoorNote,
    encode_door_note,
)
from toheal_protocol.messages.file_notes import (
    FILE_TAKERS,
    Chunk,
    ChunksMissing,
    ChunksWanted,
    FileNote,
    encode_file_note,
)
from toheal_protocol.messages.grants import Grant, encode_grants, take_grants, take_text
from toheal_protocol.messages.heads import NO_DIGEST, Heads, encode_heads, take_heads
from toheal_protocol.messages.heads import Head as Head
from toheal_protocol.messages.invitation import MAX_CHARTER_SIZE
from toheal_protocol.messages.link_notes import ATTEMPT_SIZE as ATTEMPT_SIZE
from toheal_protocol.messages.link_notes import AskLink as AskLink
from toheal_protocol.messages.link_notes import LinkAnswer as LinkAnswer
from toheal_protocol.messages.link_notes import LinkOffer as LinkOffer
from toheal_protocol.messages.link_notes import encode_link_note, take_link_answer, take_offer
from toheal_protocol.messages.moved import Followed as Followed
from toheal_protocol.messages.moved import Moved as Moved
from toheal_protocol.messages.moved import encode_moved, take_moved
from toheal_protocol.messages.share_notes import (
    ShareAnswer,
    ShareAsk,
    ShareNote,
    ShareWithdrawn,
    encode_share,
    take_answer,
    take_ask,
    take_withdrawn,
)
from toheal_protocol.messages.unsaid import Unsaid as Unsaid
from toheal_protocol.model import ID_SIZE, Audience, MessageId, OperationId
from toheal_protocol.wire.codec import Reader, prefixed16, u8, u16, u32, u64
from toheal_protocol.wire.padding import pad_to_bucket, unpad

NOTE_BUCKETS: Final = (128, 384, 1024, 4096, 16384, 65536, 92160)
"""Sizes in bytes that a note can have inside its seal; the last holds the longest welcome."""

MAX_RANGES: Final = 64
"""Ranges in one acknowledgement; what does not fit is acknowledged by the next one."""

MAX_CARD_SIZE: Final = 4096
"""Bytes of a card."""

MAX_NAME_SIZE: Final = 200
"""UTF-8 bytes of a name of 48 characters at most, before it is cleaned."""

MAX_CARRIED: Final = 64
"""Membership operations in one note, or asked for by one."""

MAX_CARRIED_SIZE: Final = 80_000
"""Bytes of the operations in one note: with what surrounds them they fit the largest bucket."""


@frozen
class Ack:
    """What else arrived beyond `through`: inclusive ranges, rising."""

    beyond: tuple[tuple[int, int], ...] = ()


@frozen
class Here:
    """We are here now, and this is what we have. Answered once by the other side.

    Attributes:
        digest: of all heads we may tell this peer; zeros tell nothing.
        view: the newest membership operations we know; what of them is unknown is asked for.
    """

    is_reply: bool
    digest: bytes = NO_DIGEST
    view: tuple[OperationId, ...] = ()


@frozen
class ForkSeen:
    """Two different messages with one number came from you: another copy of you is running."""


@frozen
class Granted:
    """More mailboxes for you."""

    grants: tuple[Grant, ...]


@frozen
class Knock:
    """Standing at the door: what to call us, and which charter we said yes to, signed by us."""

    name: str = field(repr=False)
    charter_hash: bytes
    voucher: Signature = field(repr=False)


@frozen
class Acquaintance:
    """A member as a facilitator tells another: card, name, and a fresh secret for that pair."""

    card: bytes = field(repr=False)
    name: str = field(repr=False)
    secret: bytes = field(repr=False)


@frozen
class Welcome:
    """Come in: up to which operations, by which charter, and from where on absence is a gap.

    The operations come before it in `Carried`, and who is here follows in one `Introduction` each:
    together they would not fit a frame.
    """

    view: tuple[OperationId, ...]
    charter: str = field(repr=False)
    heads: tuple[Head, ...]


@frozen
class Carried:
    """Announcements of operations you may not have: each is signed, whoever brings it."""

    operations: tuple[bytes, ...] = field(repr=False)


@frozen
class Wanted:
    """Membership operations you know and we do not: please bring them."""

    operations: tuple[OperationId, ...]


@frozen
class Introduction:
    """Somebody you do not know: card and name, and a fresh secret for the two of you.

    The newcomer is to call; a member is told of the newcomer and waits.
    """

    known: Acquaintance
    is_yours_to_call: bool = False


@frozen
class Declined:
    """Not this time."""


@frozen
class NewCard:
    """Our card with a newer prekey: what you call us with from now on."""

    card: bytes = field(repr=False)


@frozen
class YourHead:
    """The newest of your messages to one audience we have: write on from there, after a reset."""

    audience: Audience
    seq: int
    mid: MessageId


@frozen
class DirectChoice:
    """Whether we let the two of us connect directly; the highest serial counts."""

    is_allowed: bool
    serial: int


Passing = (
    Ack | Here | LinkOffer | LinkAnswer | ForkSeen | AskLink | Heads | asking.Asking | FileNote
)
"""Notes worth nothing later: `seq` 0."""

Lasting = (
    Granted
    | Knock
    | Welcome
    | Introduction
    | Declined
    | NewCard
    | YourHead
    | DirectChoice
    | Carried
    | Wanted
    | DoorNote
    | Moved
    | Followed
    | Unsaid
    | ShareNote
)
"""Notes that are repeated until they are acknowledged."""

AnyNote = Passing | Lasting

_KINDS: Final[dict[type[AnyNote], int]] = {
    Ack: 1,
    Here: 2,
    LinkOffer: 3,
    LinkAnswer: 4,
    ForkSeen: 5,
    AskLink: 6,
    Heads: 7,
    asking.Asked: 8,
    asking.Answered: 9,
    ChunksWanted: 12,
    Chunk: 13,
    ChunksMissing: 14,
    Granted: 16,
    Knock: 17,
    Welcome: 18,
    Introduction: 19,
    Declined: 20,
    NewCard: 21,
    YourHead: 22,
    DirectChoice: 23,
    Carried: 24,
    Wanted: 25,
    **{kind: number for kind, number in DOOR_KINDS.items()},  # noqa: C416 - a wider type
    ShareAsk: 36,
    ShareAnswer: 37,
    ShareWithdrawn: 38,
    Moved: 44,
    Followed: 45,
    Unsaid: 52,
}


def encode_note(note: AnyNote, *, seq: int, through: int) -> bytes:
    """Write a padded note."""
    plain = u64(seq) + u64(through) + encode_item(note)
    return pad_to_bucket(plain, buckets=NOTE_BUCKETS)


def decode_note(padded: bytes) -> tuple[int, int, AnyNote | None]:
    """Read a padded note: its seq, what it acknowledges, and what it says.

    What it says is None where we cannot read it, and where it is lasting without a seq or the
    reverse: a later version may say things we do not know, and an item that is not counted would
    hold up everything after it.

    Raises:
        MalformedFrame: not padded, or shorter than its two numbers.
    """
    reader = Reader(unpad(padded))
    seq, through = reader.u64(), reader.u64()
    try:
        note = decode_item(reader.rest())
    except RemoteError:
        return seq, through, None
    return seq, through, note if isinstance(note, Lasting) == (seq > 0) else None


def encode_item(note: AnyNote) -> bytes:
    """Write `kind[1] || body`: what is kept of an owed note, to seal it again if need be."""
    return u8(_KINDS[type(note)]) + _encode_body(note)


def decode_item(item: bytes) -> AnyNote:
    """Read what `encode_item` wrote."""
    reader = Reader(item)
    kind = reader.u8()
    take = _TAKERS.get(kind)
    if take is None:
        raise MalformedFrame("a note of no kind we know")
    note = take(reader)
    reader.end()
    return note


def _encode_body(note: AnyNote) -> bytes:  # noqa: C901 - one flat list of all notes
    if isinstance(note, DoorNote):
        return encode_door_note(note)
    match note:
        case Ack(beyond):
            return u16(len(beyond)) + b"".join(u64(first) + u64(last) for first, last in beyond)
        case Here(is_reply, digest, view):
            return u8(is_reply) + digest + _encode_ids(view)
        case Heads(is_reply, heads):
            return u8(is_reply) + encode_heads(heads)
        case asking.Asked() | asking.Answered():
            return asking.encode_asking(note)
        case LinkOffer() | LinkAnswer():
            return encode_link_note(note)
        case ForkSeen() | Declined() | AskLink():
            return b""
        case ChunksWanted() | Chunk() | ChunksMissing():
            return encode_file_note(note)
        case Granted(grants):
            return encode_grants(grants)
        case Knock(name, charter_hash, voucher):
            return prefixed16(name.encode()) + charter_hash + voucher
        case Welcome(view, charter, heads):
            return _encode_ids(view) + prefixed16(charter.encode()) + encode_heads(heads)
        case Carried(operations):
            return u8(len(operations)) + b"".join(map(prefixed16, operations))
        case Wanted(wanted):
            return _encode_ids(wanted)
        case Introduction(known, is_yours_to_call):
            return u8(is_yours_to_call) + _encode_acquaintance(known)
        case NewCard(card):
            return prefixed16(card)
        case YourHead(audience, seq, mid) | Unsaid(audience, seq, mid):
            return u8(audience) + u32(seq) + mid
        case DirectChoice(is_allowed, serial):
            return u8(is_allowed) + u32(serial)
        case Moved():
            return encode_moved(note)
        case Followed(serial):
            return u32(serial)
        case ShareAsk() | ShareAnswer() | ShareWithdrawn():
            return encode_share(note)
        case _:
            assert_never(note)


def _encode_ids(ids: tuple[OperationId, ...]) -> bytes:
    return u8(len(ids)) + b"".join(ids)


def _take_ids(reader: Reader) -> tuple[OperationId, ...]:
    count = _counted(reader.u8(), MAX_CARRIED)
    return tuple(OperationId(reader.take(ID_SIZE)) for _ in range(count))


def _encode_acquaintance(member: Acquaintance) -> bytes:
    return prefixed16(member.card) + prefixed16(member.name.encode()) + member.secret


def _take_acquaintance(reader: Reader) -> Acquaintance:
    return Acquaintance(
        card=reader.prefixed16(MAX_CARD_SIZE),
        name=take_text(reader, MAX_NAME_SIZE),
        secret=reader.take(32),
    )


def _take_ack(reader: Reader) -> Ack:
    count = _counted(reader.u16(), MAX_RANGES)
    beyond = tuple((reader.u64(), reader.u64()) for _ in range(count))
    before = 0
    for first, last in beyond:
        if not before < first <= last:
            raise MalformedFrame("ranges that do not rise")
        before = last
    return Ack(beyond)


def _take_here(reader: Reader) -> Here:
    return Here(_flag(reader.u8()), reader.take(len(NO_DIGEST)), _take_ids(reader))


def _take_knock(reader: Reader) -> Knock:
    name, charter_hash = take_text(reader, MAX_NAME_SIZE), reader.take(32)
    return Knock(name, charter_hash, Signature(reader.take(SIGNATURE_SIZE)))


def _take_welcome(reader: Reader) -> Welcome:
    return Welcome(_take_ids(reader), take_text(reader, MAX_CHARTER_SIZE), take_heads(reader))


def _take_carried(reader: Reader) -> Carried:
    count = _counted(reader.u8(), MAX_CARRIED)
    return Carried(tuple(reader.prefixed16(MAX_ANNOUNCEMENT_SIZE) for _ in range(count)))


def _take_introduction(reader: Reader) -> Introduction:
    is_yours_to_call = _flag(reader.u8())
    return Introduction(_take_acquaintance(reader), is_yours_to_call)


def _counted(count: int, most: int) -> int:
    if count > most:
        raise MalformedFrame("more parts than the limit")
    return count


def _flag(value: int) -> bool:
    if value > 1:
        raise MalformedFrame("neither yes nor no")
    return bool(value)


_TAKERS: Final[dict[int, Callable[[Reader], AnyNote]]] = {
    1: _take_ack,
    2: _take_here,
    3: take_offer,
    4: take_link_answer,
    5: lambda _reader: ForkSeen(),
    6: lambda _reader: AskLink(),
    7: lambda reader: Heads(_flag(reader.u8()), take_heads(reader)),
    8: asking.take_asked,
    9: asking.take_answered,
    **FILE_TAKERS,
    16: lambda reader: Granted(take_grants(reader)),
    17: _take_knock,
    18: _take_welcome,
    19: _take_introduction,
    20: lambda _reader: Declined(),
    21: lambda reader: NewCard(reader.prefixed16(MAX_CARD_SIZE)),
    22: lambda reader: YourHead(
        read_audience(reader.u8()), reader.u32(), MessageId(reader.take(ID_SIZE))
    ),
    23: lambda reader: DirectChoice(_flag(reader.u8()), reader.u32()),
    24: _take_carried,
    25: lambda reader: Wanted(_take_ids(reader)),
    **DOOR_TAKERS,
    36: take_ask,
    37: take_answer,
    38: take_withdrawn,
    44: take_moved,
    45: lambda reader: Followed(reader.u32()),
    52: lambda reader: Unsaid(
        read_audience(reader.u8()), reader.u32(), MessageId(reader.take(ID_SIZE))
    ),
}
