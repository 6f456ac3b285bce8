"""The two flights on the wire, taken apart and put together; nothing is opened here.

```
F1 = version[1] || prekey id[4] || E[32] || EK[1184] || c1[1088] || c2[1088] ||
     sealed identity[32 + 16]   || sealed payload[0..2048, + 16]          3461 to 5509 bytes
     sealed identity[2537 + 16] || sealed padded payload[2226 + 16]       8192 bytes
F2 = version[1] || RE[32] || c3[1088] || c4[1088] || seal of nothing[16]  2225 bytes
```
Which of the two forms an F1 has is told by its size alone.

Spec: docs/protocol/handshake.md, section 3.
"""

from __future__ import annotations

from typing import Final

from attrs import field, frozen

from toheal_protocol.crypto import (
    DH_SIZE,
    KEM_CIPHERTEXT_SIZE,
    KEM_PUBLIC_SIZE,
    TAG_SIZE,
    DhPublicKey,
    KemCiphertext,
    KemPublicKey,
)
from toheal_protocol.errors import MalformedFrame
from toheal_protocol.identity import CARD_SIZE
from toheal_protocol.model import ID_SIZE
from toheal_protocol.wire.codec import Reader, u8, u32

HANDSHAKE_VERSION: Final = 1
"""First byte of both flights."""

MAX_PAYLOAD_SIZE: Final = 2048
"""Bytes F1 can carry besides the handshake: the first mailboxes, and never a disclosure."""

INTRODUCTION_SIZE: Final = 8192
"""Bytes of every F1 that carries a card: the bucket of an invitation, so the two look alike."""

_FIXED_SIZE: Final = 1 + 4 + DH_SIZE + KEM_PUBLIC_SIZE + 2 * KEM_CIPHERTEXT_SIZE

_SEALED_CARD_SIZE: Final = CARD_SIZE + TAG_SIZE
_SEALED_ID_SIZE: Final = ID_SIZE + TAG_SIZE

PADDED_PAYLOAD_SIZE: Final = INTRODUCTION_SIZE - _FIXED_SIZE - _SEALED_CARD_SIZE - TAG_SIZE
"""Bytes to which the payload beside a card is padded: 2226."""

FIRST_FLIGHT_SMALLEST: Final = _FIXED_SIZE + _SEALED_ID_SIZE + TAG_SIZE
"""Bytes of an F1 without card and payload: 3461."""

FIRST_FLIGHT_LARGEST: Final = FIRST_FLIGHT_SMALLEST + MAX_PAYLOAD_SIZE
"""Bytes of an F1 without card and with the longest payload: 5509."""

SECOND_FLIGHT_SIZE: Final = 1 + DH_SIZE + 2 * KEM_CIPHERTEXT_SIZE + TAG_SIZE
"""Bytes of F2: 2225."""


@frozen
class FirstFlight:
    """F1. `to_prekey` and `to_static` are c1 and c2."""

    prekey_id: int
    ephemeral: DhPublicKey
    ephemeral_kem: KemPublicKey = field(repr=False)
    to_prekey: KemCiphertext = field(repr=False)
    to_static: KemCiphertext = field(repr=False)
    sealed_identity: bytes = field(default=b"", repr=False)
    sealed_payload: bytes = field(default=b"", repr=False)

    @property
    def introduces(self) -> bool:
        """Whether the identity is a whole card."""
        return len(self.sealed_identity) == _SEALED_CARD_SIZE

    @property
    def head(self) -> bytes:
        """`version[1] || prekey id[4]`."""
        return u8(HANDSHAKE_VERSION) + u32(self.prekey_id)

    @property
    def keys(self) -> tuple[bytes, bytes, bytes, bytes, bytes]:
        """Everything before the seals, as the running hash takes it."""
        return self.head, self.ephemeral, self.ephemeral_kem, self.to_prekey, self.to_static

    def encode(self) -> bytes:
        """Write the flight."""
        return b"".join(self.keys) + self.sealed_identity + self.sealed_payload


@frozen
class SecondFlight:
    """F2. `to_static` and `to_ephemeral` are c3 and c4."""

    ratchet_key: DhPublicKey
    to_static: KemCiphertext = field(repr=False)
    to_ephemeral: KemCiphertext = field(repr=False)
    confirmation: bytes = field(default=b"", repr=False)

    @property
    def keys(self) -> tuple[bytes, bytes, bytes, bytes]:
        """Everything before the seal, as the running hash takes it."""
        return u8(HANDSHAKE_VERSION), self.ratchet_key, self.to_static, self.to_ephemeral

    def encode(self) -> bytes:
        """Write the flight."""
        return b"".join(self.keys) + self.confirmation


def decode_first_flight(frame: bytes) -> FirstFlight:
    """Take an F1 apart.

    Raises:
        MalformedFrame: a size no F1 has, or another version.
    """
    introduces = len(frame) == INTRODUCTION_SIZE
    if not introduces and not FIRST_FLIGHT_SMALLEST <= len(frame) <= FIRST_FLIGHT_LARGEST:
        raise MalformedFrame("no first flight has this size")
    reader = _after_version(frame)
    return FirstFlight(
        prekey_id=reader.u32(),
        ephemeral=DhPublicKey(reader.take(DH_SIZE)),
        ephemeral_kem=KemPublicKey(reader.take(KEM_PUBLIC_SIZE)),
        to_prekey=KemCiphertext(reader.take(KEM_CIPHERTEXT_SIZE)),
        to_static=KemCiphertext(reader.take(KEM_CIPHERTEXT_SIZE)),
        sealed_identity=reader.take(_SEALED_CARD_SIZE if introduces else _SEALED_ID_SIZE),
        sealed_payload=reader.rest(),
    )


def decode_second_flight(frame: bytes) -> SecondFlight:
    """Take an F2 apart.

    Raises:
        MalformedFrame: a size no F2 has, or another version.
    """
    if len(frame) != SECOND_FLIGHT_SIZE:
        raise MalformedFrame("no second flight has this size")
    reader = _after_version(frame)
    return SecondFlight(
        ratchet_key=DhPublicKey(reader.take(DH_SIZE)),
        to_static=KemCiphertext(reader.take(KEM_CIPHERTEXT_SIZE)),
        to_ephemeral=KemCiphertext(reader.take(KEM_CIPHERTEXT_SIZE)),
        confirmation=reader.rest(),
    )


def _after_version(frame: bytes) -> Reader:
    reader = Reader(frame)
    if reader.u8() != HANDSHAKE_VERSION:
        raise MalformedFrame("a handshake of an unknown version")
    return reader
