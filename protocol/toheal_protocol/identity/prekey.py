"""A prekey: a key pair with an end, so that first messages cannot be opened for ever.

The owner makes a new one every `PREKEY_TURNOVER` and forgets each after `PREKEY_LIFE`: whoever
takes the vault later cannot open the openings of before.

Spec: docs/protocol/identity.md, section 2. Vectors: tests/vectors/identity.json.
"""

from __future__ import annotations

from functools import cached_property
from typing import Final

from attrs import field, frozen

from toheal_protocol.crypto import (
    DH_SIZE,
    KEM_SEED_SIZE,
    DhPublicKey,
    DhSecretKey,
    Entropy,
    KemPublicKey,
    KemSeed,
    dh_public_key,
    kem_public_key,
)
from toheal_protocol.errors import MalformedFrame
from toheal_protocol.model import WallTime
from toheal_protocol.wire.codec import Reader, u8, u32

PREKEY_TURNOVER: Final = 7 * 24 * 3600
"""Seconds after which an owner publishes a new prekey: a week, one epoch of the mail class."""

PREKEY_LIFE: Final = 14 * 24 * 3600
"""Seconds after which an owner forgets a prekey: as long as mail can lie at a relay."""

PREKEY_VERSION: Final = 1
"""First byte of a stored prekey."""

PREKEY_SIZE: Final = 1 + 4 + DH_SIZE + KEM_SEED_SIZE + 4
"""Bytes of a stored prekey: 105."""


@frozen
class PrekeySecrets:
    """The secret half of a prekey. `id` is what an opening names it by; four bytes.

    Whoever owns it also keeps the ephemeral keys of the openings it answered, until it is
    forgotten: see `Opened.ephemeral`.
    """

    id: int
    dh: DhSecretKey = field(repr=False)
    kem: KemSeed = field(repr=False)
    not_after: WallTime

    @cached_property
    def dh_public(self) -> DhPublicKey:
        """The X25519 public key, 32 bytes."""
        return dh_public_key(self.dh)

    @cached_property
    def kem_public(self) -> KemPublicKey:
        """The ML-KEM-768 public key, 1184 bytes."""
        return kem_public_key(self.kem)


def draw_prekey(entropy: Entropy, *, id: int, not_after: WallTime) -> PrekeySecrets:
    """Draw a fresh prekey: 32 and 64 bytes, in this order.

    Args:
        entropy: where the bytes come from.
        id: a number this persona has not used before, below 2**32.
        not_after: when it ends, usually now plus `PREKEY_LIFE`.
    """
    return PrekeySecrets(
        id=id,
        dh=DhSecretKey(entropy.draw(DH_SIZE)),
        kem=KemSeed(entropy.draw(KEM_SEED_SIZE)),
        not_after=not_after,
    )


def encode_prekey(prekey: PrekeySecrets) -> bytes:
    """Write a prekey for the vault; 105 secret bytes.

    Spec: docs/protocol/identity.md, section 2.2.
    """
    return u8(PREKEY_VERSION) + u32(prekey.id) + prekey.dh + prekey.kem + u32(prekey.not_after)


def decode_prekey(stored: bytes) -> PrekeySecrets:
    """Read what `encode_prekey` wrote.

    Raises:
        MalformedFrame: wrong size or version.
    """
    reader = Reader(stored)
    if reader.u8() != PREKEY_VERSION:
        raise MalformedFrame("a prekey of an unknown version")
    prekey = PrekeySecrets(
        id=reader.u32(),
        dh=DhSecretKey(reader.take(DH_SIZE)),
        kem=KemSeed(reader.take(KEM_SEED_SIZE)),
        not_after=WallTime(reader.u32()),
    )
    reader.end()
    return prekey
