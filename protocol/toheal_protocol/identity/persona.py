"""A persona: who one person is inside one circle, and nowhere else.

Three random, independent key pairs. No root seed exists, so nothing that somebody finds proves
that two personas belong to one person.

Spec: docs/protocol/identity.md, section 1. Vectors: tests/vectors/identity.json.
"""

from __future__ import annotations

from functools import cached_property
from typing import Final

from attrs import field, frozen

from toheal_protocol.crypto import (
    DH_SIZE,
    ED_SIZE,
    KEM_SEED_SIZE,
    DhPublicKey,
    DhSecretKey,
    Entropy,
    KemPublicKey,
    KemSeed,
    SigningSeed,
    VerifyKey,
    dh_public_key,
    hash_parts,
    kem_public_key,
    verify_key,
)
from toheal_protocol.errors import MalformedFrame
from toheal_protocol.model import MemberId
from toheal_protocol.wire.codec import Reader, u8

PERSONA_VERSION: Final = 1
"""First byte of a stored persona."""

PERSONA_SIZE: Final = 1 + ED_SIZE + DH_SIZE + KEM_SEED_SIZE
"""Bytes of a stored persona: 129."""


@frozen
class PersonaKeys:
    """What others know of a persona: three public keys."""

    verify: VerifyKey
    dh: DhPublicKey
    kem: KemPublicKey

    @cached_property
    def member_id(self) -> MemberId:
        """32 bytes that name the persona and bind all three keys together.

        Spec: docs/protocol/identity.md, section 1.2.
        """
        return MemberId(hash_parts("th1/member", self.verify, self.dh, self.kem))


@frozen
class PersonaSecrets:
    """What only the persona's owner has: 32 bytes to sign, 32 to agree, 64 to decapsulate."""

    signing: SigningSeed = field(repr=False)
    dh: DhSecretKey = field(repr=False)
    kem: KemSeed = field(repr=False)

    @cached_property
    def keys(self) -> PersonaKeys:
        """The public half, computed once."""
        return PersonaKeys(
            verify=verify_key(self.signing), dh=dh_public_key(self.dh), kem=kem_public_key(self.kem)
        )


def draw_persona(entropy: Entropy) -> PersonaSecrets:
    """Draw a fresh persona: 32, 32 and 64 bytes, in this order."""
    return PersonaSecrets(
        signing=SigningSeed(entropy.draw(ED_SIZE)),
        dh=DhSecretKey(entropy.draw(DH_SIZE)),
        kem=KemSeed(entropy.draw(KEM_SEED_SIZE)),
    )


def encode_persona(persona: PersonaSecrets) -> bytes:
    """Write a persona for the vault; 129 secret bytes.

    Spec: docs/protocol/identity.md, section 1.3.
    """
    return u8(PERSONA_VERSION) + persona.signing + persona.dh + persona.kem


def decode_persona(stored: bytes) -> PersonaSecrets:
    """Read what `encode_persona` wrote.

    Raises:
        MalformedFrame: wrong size or version.
    """
    reader = Reader(stored)
    if reader.u8() != PERSONA_VERSION:
        raise MalformedFrame("a persona of an unknown version")
    persona = PersonaSecrets(
        signing=SigningSeed(reader.take(ED_SIZE)),
        dh=DhSecretKey(reader.take(DH_SIZE)),
        kem=KemSeed(reader.take(KEM_SEED_SIZE)),
    )
    reader.end()
    return persona
