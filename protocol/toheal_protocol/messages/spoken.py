"""What two devices say to each other about a spoken code: six messages, all of one size.

```
announcement  31 || version[1] || offer[16] || way                where the inviter is reached
approach      32 || version[1] || offer[16] || run[16] || share[32] || way
answer        33 || run[16] || share[32]
proof         34 || run[16] || proof[32]
handover      35 || run[16] || proof[32] || length[2] || sealed
refusal       36 || run[16] || reason[1] || tries left[1]
way           length[1] || at most 64 bytes: how to answer, for the transport alone to understand
```
Each is padded to 1192 bytes, a size that other deposits have too. None holds anything a guess at
the words could be compared with before the other side has proved that it knows them.

Spec: docs/protocol/spoken.md, section 4. Vectors: tests/vectors/spoken.json.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NewType, TypeAlias

from attrs import field, frozen

from toheal_protocol.crypto import CPACE_SHARE_SIZE, TAG_SIZE, CPaceShare
from toheal_protocol.errors import LocalError, MalformedFrame
from toheal_protocol.model import ADDRESS_SIZE, TOKEN_SIZE, Address, DepositToken
from toheal_protocol.wire.codec import Reader, prefixed16, u8
from toheal_protocol.wire.invitation_link import MAX_LINK_LENGTH
from toheal_protocol.wire.padding import pad_to, unpad

OfferId = NewType("OfferId", bytes)
"""16 random bytes: one code, at however many relays."""

RunId = NewType("RunId", bytes)
"""16 random bytes: one try at a code."""

Way = NewType("Way", bytes)
"""How to answer: a mailbox and its token at a relay, nothing on a connection of its own."""

SPOKEN_VERSION: Final = 1
"""Version of these messages; both sides bind it into the key."""

SPOKEN_FRAME_SIZE: Final = 1192
"""Bytes of each message: the second size of a deposit (`circle.md`, section 4)."""

SPOKEN_ID_SIZE: Final = 16
"""Bytes of an `OfferId` and of a `RunId`."""

SPOKEN_PROOF_SIZE: Final = 32
"""Bytes of a proof of the key."""

MAX_WAY_SIZE: Final = 64
"""Bytes of a `Way`: twice what a relay needs."""

MAX_HANDOVER_SIZE: Final = MAX_LINK_LENGTH + TAG_SIZE
"""Bytes of a sealed link."""


class SpokenRefusal(IntEnum):
    """Why there is no invitation for this try."""

    WRONG_WORDS = 1
    OVER = 2


class _Tag(IntEnum):
    ANNOUNCEMENT = 0x31
    APPROACH = 0x32
    ANSWER = 0x33
    PROOF = 0x34
    HANDOVER = 0x35
    REFUSAL = 0x36


@frozen
class SpokenAnnouncement:
    """The inviter is here. Lies in the open: whoever knows the nameplate can read it."""

    offer: OfferId
    way: Way = field(repr=False)


@frozen
class SpokenApproach:
    """Somebody would like to try words, and speaks first."""

    offer: OfferId
    run: RunId
    share: CPaceShare
    way: Way = field(repr=False)


@frozen
class SpokenAnswer:
    """The inviter's half of the agreement."""

    run: RunId
    share: CPaceShare


@frozen
class SpokenProof:
    """Whoever approached has the key. The first thing that a guess could fail at."""

    run: RunId
    proof: bytes = field(repr=False)


@frozen
class SpokenHandover:
    """The inviter has the key too, and here is the invitation's link, sealed."""

    run: RunId
    proof: bytes = field(repr=False)
    sealed: bytes = field(repr=False)


@frozen
class SpokenTurnedAway:
    """No invitation. Anybody in between could have said so: a hint for a person, no more."""

    run: RunId
    reason: SpokenRefusal
    tries_left: int


SpokenMessage: TypeAlias = (
    SpokenAnnouncement
    | SpokenApproach
    | SpokenAnswer
    | SpokenProof
    | SpokenHandover
    | SpokenTurnedAway
)


def encode_spoken(message: SpokenMessage) -> bytes:
    """Write a message: 1192 bytes.

    Raises:
        LocalError: a part is above its limit.
    """
    match message:
        case SpokenAnnouncement(offer, way):
            body = u8(_Tag.ANNOUNCEMENT) + u8(SPOKEN_VERSION) + offer + _encode_way(way)
        case SpokenApproach(offer, run, share, way):
            head = u8(_Tag.APPROACH) + u8(SPOKEN_VERSION)
            body = head + offer + run + share + _encode_way(way)
        case SpokenAnswer(run, share):
            body = u8(_Tag.ANSWER) + run + share
        case SpokenProof(run, proof):
            body = u8(_Tag.PROOF) + run + proof
        case SpokenHandover(run, proof, sealed):
            if len(sealed) > MAX_HANDOVER_SIZE:
                raise LocalError("a sealed link above its limit")
            body = u8(_Tag.HANDOVER) + run + proof + prefixed16(sealed)
        case SpokenTurnedAway(run, reason, tries_left):
            body = u8(_Tag.REFUSAL) + run + u8(reason) + u8(tries_left)
    return pad_to(body, SPOKEN_FRAME_SIZE)


def decode_spoken(frame: bytes) -> SpokenMessage:
    """Read a message.

    Raises:
        MalformedFrame: no message has these bytes.
    """
    if len(frame) != SPOKEN_FRAME_SIZE:
        raise MalformedFrame("no message about a spoken code has this size")
    reader = Reader(unpad(frame))
    message = _read(reader)
    reader.end()
    return message


def encode_mailbox_way(address: Address, token: DepositToken) -> Way:
    """Write how to answer at a relay: `address[16] || token[16]`."""
    return Way(address + token)


def decode_mailbox_way(way: Way) -> tuple[Address, DepositToken]:
    """Read how to answer at a relay.

    Raises:
        MalformedFrame: it is no mailbox with its token.
    """
    reader = Reader(way)
    address, token = Address(reader.take(ADDRESS_SIZE)), DepositToken(reader.take(TOKEN_SIZE))
    reader.end()
    return address, token


def _read(reader: Reader) -> SpokenMessage:
    match reader.u8():
        case _Tag.ANNOUNCEMENT:
            return SpokenAnnouncement(_read_offer(reader), _read_way(reader))
        case _Tag.APPROACH:
            offer, run, share = _read_offer(reader), _read_run(reader), _read_share(reader)
            return SpokenApproach(offer, run, share, _read_way(reader))
        case _Tag.ANSWER:
            return SpokenAnswer(_read_run(reader), _read_share(reader))
        case _Tag.PROOF:
            return SpokenProof(_read_run(reader), reader.take(SPOKEN_PROOF_SIZE))
        case _Tag.HANDOVER:
            run, proof = _read_run(reader), reader.take(SPOKEN_PROOF_SIZE)
            return SpokenHandover(run, proof, reader.prefixed16(MAX_HANDOVER_SIZE))
        case _Tag.REFUSAL:
            return _read_refusal(reader)
        case _:
            raise MalformedFrame("an unknown message about a spoken code")


def _read_refusal(reader: Reader) -> SpokenTurnedAway:
    run, reason, tries_left = _read_run(reader), reader.u8(), reader.u8()
    if reason not in tuple(SpokenRefusal):
        raise MalformedFrame("an unknown reason")
    return SpokenTurnedAway(run, SpokenRefusal(reason), tries_left)


def _read_offer(reader: Reader) -> OfferId:
    if reader.u8() != SPOKEN_VERSION:
        raise MalformedFrame("another version of spoken codes")
    return OfferId(reader.take(SPOKEN_ID_SIZE))


def _read_run(reader: Reader) -> RunId:
    return RunId(reader.take(SPOKEN_ID_SIZE))


def _read_share(reader: Reader) -> CPaceShare:
    return CPaceShare(reader.take(CPACE_SHARE_SIZE))


def _encode_way(way: Way) -> bytes:
    if len(way) > MAX_WAY_SIZE:
        raise LocalError("a way to answer above its limit")
    return u8(len(way)) + way


def _read_way(reader: Reader) -> Way:
    size = reader.u8()
    if size > MAX_WAY_SIZE:
        raise MalformedFrame("a way to answer above its limit")
    return Way(reader.take(size))
