"""Consent receipts: an author's signed yes to one excerpt, for one purpose, until a day.

It is the one thing about somebody's words that is signed, and meant to be shown. Whoever is shown
one can check it with `verify_receipt` and nothing else.

```
receipt = 01 || circle[32] || mid[32] || key[32] || excerpt hash[32] || not after[8] || serial[16]
          || length[2] || audience || length[2] || purpose || signature[64]
signed  = lp("th1/consent", 01, circle, mid, key, excerpt hash, not after, serial, audience, purpose)
```

Spec: docs/protocol/consent.md. Vectors: tests/vectors/consent.json.
"""

from __future__ import annotations

from typing import Final

from attrs import evolve, field, frozen

from toheal_protocol.crypto import (
    SIGNATURE_SIZE,
    Signature,
    SigningSeed,
    VerifyKey,
    hash_parts,
    length_prefixed,
    sign,
    verify,
)
from toheal_protocol.errors import ForgedMessage, LocalError, MalformedFrame
from toheal_protocol.messages.grants import take_text
from toheal_protocol.model import ID_SIZE, MAX_TEXT_SIZE, CircleId, MessageId, WallTime
from toheal_protocol.wire.codec import Reader, prefixed16, u8, u64

VERSION: Final = 1

SERIAL_SIZE: Final = 16
"""Bytes that name one asking, its answer and its end."""

MAX_WHY_SIZE: Final = 400
"""UTF-8 bytes of an audience, and of a purpose: each is one sentence."""

MAX_EXCERPT_SIZE: Final = MAX_TEXT_SIZE
"""UTF-8 bytes of an excerpt: as long as a text can be."""

LONGEST_CONSENT: Final = 90 * 24 * 3600
"""Seconds a consent lasts at most: a withdrawal reaches who asked, and nobody who was shown a receipt."""


@frozen
class Receipt:
    """What an author agreed to.

    Attributes:
        key: the author's Ed25519 key in this circle.
        excerpt_hash: `hash_excerpt` of the words that may be shown.
        not_after: until when.
        audience, purpose: to whom, and what for, as whoever asked wrote it.
    """

    circle: CircleId
    mid: MessageId
    key: VerifyKey
    excerpt_hash: bytes
    not_after: WallTime
    serial: bytes
    audience: str
    purpose: str
    signature: Signature = field(default=Signature(b""), repr=False)


def hash_excerpt(excerpt: str) -> bytes:
    """Return 32 bytes that stand for these words."""
    return hash_parts("th1/excerpt", excerpt.encode())


def sign_receipt(receipt: Receipt, seed: SigningSeed) -> Receipt:
    """Give our consent. The caller has checked that the words are ours."""
    if len(receipt.serial) != SERIAL_SIZE or len(receipt.excerpt_hash) != ID_SIZE:
        raise LocalError("a serial or a hash of the wrong size")
    return evolve(receipt, signature=sign(seed, _signed_part(receipt)))


def verify_receipt(receipt: Receipt, excerpt: str, *, wall_now: WallTime) -> None:
    """Return if an author agreed that this excerpt is shown as the receipt says, and still does.

    That it was not withdrawn since cannot be seen from it.

    Raises:
        ForgedMessage: the signature does not fit, or it is about other words.
        MalformedFrame: its time is over.
    """
    verify(receipt.key, _signed_part(receipt), receipt.signature)
    if hash_excerpt(excerpt) != receipt.excerpt_hash:
        raise ForgedMessage("a consent to other words")
    if receipt.not_after < wall_now:
        raise MalformedFrame("a consent whose time is over")


def encode_receipt(receipt: Receipt) -> bytes:
    """Write a signed receipt."""
    return b"".join(
        (
            u8(VERSION),
            receipt.circle,
            receipt.mid,
            receipt.key,
            receipt.excerpt_hash,
            u64(receipt.not_after),
            receipt.serial,
            prefixed16(receipt.audience.encode()),
            prefixed16(receipt.purpose.encode()),
            receipt.signature,
        )
    )


def decode_receipt(encoded: bytes) -> Receipt:
    """Read a receipt. Its signature is not looked at.

    Raises:
        MalformedFrame: not the layout.
    """
    reader = Reader(encoded)
    if reader.u8() != VERSION:
        raise MalformedFrame("a receipt of another version")
    receipt = Receipt(
        circle=CircleId(reader.take(ID_SIZE)),
        mid=MessageId(reader.take(ID_SIZE)),
        key=VerifyKey(reader.take(32)),
        excerpt_hash=reader.take(ID_SIZE),
        not_after=WallTime(reader.u64()),
        serial=reader.take(SERIAL_SIZE),
        audience=take_text(reader, MAX_WHY_SIZE),
        purpose=take_text(reader, MAX_WHY_SIZE),
        signature=Signature(reader.take(SIGNATURE_SIZE)),
    )
    reader.end()
    return receipt


def _signed_part(receipt: Receipt) -> bytes:
    return length_prefixed(
        b"th1/consent",
        u8(VERSION),
        receipt.circle,
        receipt.mid,
        receipt.key,
        receipt.excerpt_hash,
        u64(receipt.not_after),
        receipt.serial,
        receipt.audience.encode(),
        receipt.purpose.encode(),
    )
