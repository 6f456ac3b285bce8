"""Sealing: XChaCha20-Poly1305 with a nonce the caller brings.

Spec: docs/protocol/conventions.md, section 3.5. Vectors: tests/vectors/wycheproof.
"""

from __future__ import annotations

from typing import Final, NewType

from nacl import bindings, exceptions

from toheal_protocol.errors import ForgedMessage, LocalError

SealKey = NewType("SealKey", bytes)
"""32 bytes that seal."""

NONCE_SIZE: Final = 24
"""Bytes of a nonce: long enough to be drawn at random for ever."""
TAG_SIZE: Final = 16
"""Bytes a seal adds."""
SEAL_OVERHEAD: Final = NONCE_SIZE + TAG_SIZE
"""Bytes added by a seal that carries its nonce."""


def seal(key: SealKey, nonce: bytes, plain: bytes, associated: bytes = b"") -> bytes:
    """Seal `plain`; the result is 16 bytes longer. Never call it twice with one key and nonce.

    Source: draft-irtf-cfrg-xchacha-03, section 2.
    """
    if len(key) != 32 or len(nonce) != NONCE_SIZE:
        raise LocalError("sealing takes a 32-byte key and a 24-byte nonce")
    return bytes(bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(plain, associated, nonce, key))


def open_sealed(key: SealKey, nonce: bytes, sealed: bytes, associated: bytes = b"") -> bytes:
    """Open what `seal` made.

    Raises:
        ForgedMessage: another key, nonce or associated data, or a bit changed on the way.
    """
    if len(key) != 32:
        raise LocalError("opening takes a 32-byte key")
    if len(nonce) != NONCE_SIZE or len(sealed) < TAG_SIZE:
        raise ForgedMessage("a seal that is too short")
    try:
        return bytes(
            bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(sealed, associated, nonce, key)
        )
    except exceptions.CryptoError:
        raise ForgedMessage("a seal that does not open") from None


def seal_with_random_nonce(
    key: SealKey, nonce: bytes, plain: bytes, associated: bytes = b""
) -> bytes:
    """Seal under a freshly drawn nonce and put it in front: `nonce[24] || sealed`."""
    return nonce + seal(key, nonce, plain, associated)


def open_with_nonce_inside(key: SealKey, sealed: bytes, associated: bytes = b"") -> bytes:
    """Open `nonce[24] || sealed`.

    Raises:
        ForgedMessage: it does not open.
    """
    return open_sealed(key, sealed[:NONCE_SIZE], sealed[NONCE_SIZE:], associated)
