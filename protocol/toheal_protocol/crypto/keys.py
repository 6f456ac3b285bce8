"""Key pairs: X25519 for agreement, Ed25519 for governance, ML-KEM-768 against later computers.

Secret keys are what the caller drew: 32 bytes for X25519 and Ed25519 (seed), 64 bytes (`d || z`)
for ML-KEM-768. Public keys are computed from them.

Spec: docs/protocol/conventions.md, section 3.4. Vectors: tests/vectors/wycheproof, RFC 7748, RFC 8032.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NewType

from cryptography.hazmat.primitives.asymmetric.mlkem import (
    MLKEM768PrivateKey,
    MLKEM768PublicKey,
)
from nacl import bindings, exceptions

from toheal_protocol.errors import ForgedMessage, LocalError, MalformedFrame

DhSecretKey = NewType("DhSecretKey", bytes)
DhPublicKey = NewType("DhPublicKey", bytes)
SigningSeed = NewType("SigningSeed", bytes)
VerifyKey = NewType("VerifyKey", bytes)
Signature = NewType("Signature", bytes)
KemSeed = NewType("KemSeed", bytes)
KemPublicKey = NewType("KemPublicKey", bytes)
KemCiphertext = NewType("KemCiphertext", bytes)
SharedSecret = NewType("SharedSecret", bytes)

DH_SIZE: Final = 32
"""Bytes of an X25519 key, secret or public, and of what two of them agree on."""
ED_SIZE: Final = 32
"""Bytes of an Ed25519 seed or public key."""
SIGNATURE_SIZE: Final = 64
"""Bytes of an Ed25519 signature."""
KEM_SEED_SIZE: Final = 64
"""Bytes of an ML-KEM-768 secret in seed form."""
KEM_PUBLIC_SIZE: Final = 1184
"""Bytes of an ML-KEM-768 public key."""
KEM_CIPHERTEXT_SIZE: Final = 1088
"""Bytes of an ML-KEM-768 ciphertext."""


def dh_public_key(secret: DhSecretKey) -> DhPublicKey:
    """Compute the X25519 public key of 32 secret bytes.

    Source: RFC 7748, section 6.1.
    """
    _require(len(secret) == DH_SIZE, "an X25519 secret has 32 bytes")
    return DhPublicKey(bindings.crypto_scalarmult_base(secret))


def diffie_hellman(ours: DhSecretKey, theirs: DhPublicKey) -> SharedSecret:
    """Agree on 32 bytes with a peer.

    Raises:
        MalformedFrame: their key has the wrong size, or a low order: the result would be zero.

    Source: RFC 7748, sections 5 and 6.1.
    """
    _require(len(ours) == DH_SIZE, "an X25519 secret has 32 bytes")
    if len(theirs) != DH_SIZE:
        raise MalformedFrame("an X25519 public key has 32 bytes")
    try:
        return SharedSecret(bindings.crypto_scalarmult(ours, theirs))
    except exceptions.RuntimeError:
        raise MalformedFrame("an X25519 public key of low order") from None


def check_dh_public_key(public_key: DhPublicKey) -> None:
    """Return if the key can agree on anything.

    Raises:
        MalformedFrame: their key has the wrong size or a low order.

    Source: RFC 7748, section 6.1 (the check for the all-zero value).
    """
    # Clamping makes any secret a multiple of the cofactor, so one secret unmasks every low order.
    diffie_hellman(DhSecretKey(bytes(DH_SIZE)), public_key)


def verify_key(seed: SigningSeed) -> VerifyKey:
    """Compute the Ed25519 public key of a 32-byte seed.

    Source: RFC 8032, section 5.1.5.
    """
    _require(len(seed) == ED_SIZE, "an Ed25519 seed has 32 bytes")
    return VerifyKey(_signing_key(seed)[32:])


def sign(seed: SigningSeed, message: bytes) -> Signature:
    """Sign a message; 64 bytes. The caller puts a label into the message.

    Source: RFC 8032, section 5.1.6.
    """
    _require(len(seed) == ED_SIZE, "an Ed25519 seed has 32 bytes")
    signed: bytes = bindings.crypto_sign(message, _signing_key(seed))
    return Signature(signed[:SIGNATURE_SIZE])


def verify(key: VerifyKey, message: bytes, signature: Signature) -> None:
    """Return if the signature fits, raise otherwise.

    Raises:
        ForgedMessage: it does not fit, or key or signature have the wrong size or a low order.

    Source: RFC 8032, section 5.1.7, in libsodium's strict reading.
    """
    if len(key) != ED_SIZE or len(signature) != SIGNATURE_SIZE:
        raise ForgedMessage("an Ed25519 key or signature of the wrong size")
    try:
        bindings.crypto_sign_open(signature + message, key)
    except (exceptions.BadSignatureError, exceptions.ValueError):
        raise ForgedMessage("a signature that does not fit") from None


def kem_public_key(seed: KemSeed) -> KemPublicKey:
    """Compute the 1184-byte ML-KEM-768 public key of a 64-byte seed `d || z`.

    Source: FIPS 203, algorithm 16.
    """
    return KemPublicKey(_kem_key(seed).public_key().public_bytes_raw())


def decapsulate(seed: KemSeed, ciphertext: KemCiphertext) -> SharedSecret:
    """Open an ML-KEM-768 ciphertext; 32 bytes.

    A mauled ciphertext of the right size gives other 32 bytes, not an error (FIPS 203 calls it
    implicit rejection): the seal made from them will not open.

    Raises:
        MalformedFrame: the ciphertext is not 1088 bytes.

    Source: FIPS 203, algorithm 18.
    """
    if len(ciphertext) != KEM_CIPHERTEXT_SIZE:
        raise MalformedFrame("an ML-KEM-768 ciphertext has 1088 bytes")
    return SharedSecret(_kem_key(seed).decapsulate(ciphertext))


def check_kem_public_key(public_key: KemPublicKey) -> MLKEM768PublicKey:
    """Return the library's object for a public key that passes FIPS 203, section 7.2.

    Raises:
        MalformedFrame: wrong size, or a coefficient outside the field.
    """
    try:
        return MLKEM768PublicKey.from_public_bytes(public_key)
    except ValueError:
        raise MalformedFrame("not an ML-KEM-768 public key") from None


@lru_cache(maxsize=8)
def _signing_key(seed: bytes) -> bytes:
    """Return libsodium's 64-byte form. A cache of eight: a busy client signs with few keys."""
    _public, secret = bindings.crypto_sign_seed_keypair(seed)
    return bytes(secret)


def _kem_key(seed: KemSeed) -> MLKEM768PrivateKey:
    _require(len(seed) == KEM_SEED_SIZE, "an ML-KEM-768 seed has 64 bytes")
    return MLKEM768PrivateKey.from_seed_bytes(seed)


def _require(condition: bool, rule: str) -> None:
    if not condition:
        raise LocalError(rule)
