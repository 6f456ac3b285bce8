"""The outside of a sealed message: how it is split, and what its sealed header says.

```
sealed = flags[1] || nonce[24] || sealed header[56, 1240, 1144 or 2328] || sealed body[16 and more]
```

Spec: docs/protocol/ratchet.md, section 4. Vectors: tests/vectors/ratchet.json.
"""

from __future__ import annotations

import struct
from typing import Final

from attrs import field, frozen

from toheal_protocol.crypto import (
    DH_SIZE,
    KEM_CIPHERTEXT_SIZE,
    KEM_PUBLIC_SIZE,
    NONCE_SIZE,
    TAG_SIZE,
    DhPublicKey,
    KemCiphertext,
    KemPublicKey,
    open_sealed,
    seal,
)
from toheal_protocol.errors import ForgedMessage, MalformedFrame
from toheal_protocol.model import MAX_FRAME_SIZE
from toheal_protocol.ratchet.keys import HeaderKey, MessageKey
from toheal_protocol.wire.codec import prefixed

OFFERS: Final = 0x01
"""Flag: the header carries an ML-KEM public key for the peer to answer."""
ANSWERS: Final = 0x02
"""Flag: the header carries the ML-KEM ciphertext that went into this chain."""

PLAIN_HEADER_SIZE: Final = DH_SIZE + 4 + 4
"""Bytes of a header without its ML-KEM parts."""

_FRONT: Final = 1 + NONCE_SIZE
_NUMBERS: Final = struct.Struct(">32sII")
_TAG_KEPT: Final = 8


@frozen(slots=False)
class Header:
    """What the peer needs to find a message's key.

    Attributes:
        dh: the X25519 key of the chain the message belongs to.
        previous: how many messages the sender's previous chain has.
        number: the message's place in its chain, from 0.
        offer: an ML-KEM key the peer's next step must answer.
        answer: the ciphertext mixed into this chain's first key.
    """

    dh: DhPublicKey
    previous: int
    number: int
    offer: KemPublicKey | None = field(default=None, repr=False)
    answer: KemCiphertext | None = field(default=None, repr=False)


@frozen(slots=False)
class Arrived:
    """A sealed message, split but not opened.

    Attributes:
        bound: `flags[1] || length[4] || associated`, which both seals authenticate.
    """

    flags: int
    nonce: bytes = field(repr=False)
    sealed_header: bytes = field(repr=False)
    sealed_body: bytes = field(repr=False)
    bound: bytes = field(repr=False)

    def try_header(self, key: HeaderKey) -> Identified | None:
        """Open the header, or return None if it was sealed under another key."""
        covered = self.bound + self.sealed_body
        try:
            plain = open_sealed(key, self.nonce, self.sealed_header, covered)
        except ForgedMessage:
            return None
        return Identified(self, plain, read_header(plain, self.flags))


@frozen(slots=False)
class Identified:
    """A sealed message whose header was opened: whoever sealed it holds the header key."""

    arrived: Arrived
    plain_header: bytes = field(repr=False)
    header: Header

    @property
    def mark(self) -> bytes:
        """8 bytes that differ between any two messages sealed under one header key.

        They are the end of the header's seal, which covers everything: nobody without the header
        key can make a second message with another mark.
        """
        return self.arrived.sealed_header[-_TAG_KEPT:]

    def open_body(self, key: MessageKey) -> bytes:
        """Return what the message says.

        Raises:
            ForgedMessage: it was sealed under another key.
        """
        arrived = self.arrived
        covered = arrived.bound + self.plain_header
        return open_sealed(key, arrived.nonce, arrived.sealed_body, covered)


def write_header(dh: DhPublicKey, previous: int, number: int, tail: bytes) -> bytes:
    """Write `dh[32] || previous[4] || number[4] || tail`; the tail is `[offer] || [answer]`."""
    return _NUMBERS.pack(dh, previous, number) + tail


def read_header(plain: bytes, flags: int) -> Header:
    """Take an opened header apart; its size was fixed by `flags` when the message was split."""
    dh, previous, number = _NUMBERS.unpack_from(plain)
    if not flags:
        return Header(DhPublicKey(dh), previous, number)
    offer = answer = None
    if flags & OFFERS:
        offer = KemPublicKey(plain[PLAIN_HEADER_SIZE : PLAIN_HEADER_SIZE + KEM_PUBLIC_SIZE])
    if flags & ANSWERS:
        answer = KemCiphertext(plain[-KEM_CIPHERTEXT_SIZE:])
    return Header(DhPublicKey(dh), previous, number, offer, answer)


def tail_size(flags: int) -> int:
    """Return how many bytes of ML-KEM a header with these flags carries."""
    offer = KEM_PUBLIC_SIZE if flags & OFFERS else 0
    return offer + (KEM_CIPHERTEXT_SIZE if flags & ANSWERS else 0)


def seal_parts(
    flags: int,
    nonce: bytes,
    header: tuple[HeaderKey, bytes],
    body: tuple[MessageKey, bytes],
    associated: bytes,
) -> bytes:
    """Seal the body under its header, then the header over the sealed body.

    Spec: docs/protocol/ratchet.md, section 4.2.
    """
    (header_key, plain_header), (message_key, plain) = header, body
    bound = _bind(flags, associated)
    sealed_body = seal(message_key, nonce, plain, bound + plain_header)
    sealed_header = seal(header_key, nonce, plain_header, bound + sealed_body)
    return b"".join((bound[:1], nonce, sealed_header, sealed_body))


def split_sealed(sealed: bytes, associated: bytes) -> Arrived:
    """Split a sealed message by its flags.

    Raises:
        MalformedFrame: too short, too long, or an unknown flag.
    """
    if not _FRONT <= len(sealed) <= MAX_FRAME_SIZE:
        raise MalformedFrame("not the size of a sealed message")
    flags = sealed[0]
    if flags & ~(OFFERS | ANSWERS):
        raise MalformedFrame("a flag this version does not know")
    body_at = _FRONT + PLAIN_HEADER_SIZE + tail_size(flags) + TAG_SIZE
    if len(sealed) < body_at + TAG_SIZE:
        raise MalformedFrame("shorter than its header and an empty body")
    return Arrived(
        flags,
        sealed[1:_FRONT],
        sealed[_FRONT:body_at],
        sealed[body_at:],
        _bind(flags, associated),
    )


def _bind(flags: int, associated: bytes) -> bytes:
    return flags.to_bytes(1, "big") + prefixed(associated)
