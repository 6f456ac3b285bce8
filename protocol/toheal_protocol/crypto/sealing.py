"""Sealing: XChaCha20-Poly1305 with a nonce the caller brings.

Every message is sealed or opened three times at each end, so libsodium is called without PyNaCl's
own function around it: that one builds its error messages before it knows of an error, and took
four times as long as a seal of a short message. What it checks is checked here, or by cffi, which
takes nothing but bytes.

Spec: docs/protocol/conventions.md, section 3.5. Vectors: tests/vectors/wycheproof.
"""

from __future__ import annotations

from typing import Final, NewType

from nacl._sodium import ffi, lib

from toheal_protocol.errors import ForgedMessage, LocalError

SealKey = NewType("SealKey", bytes)
"""32 bytes that seal."""

KEY_SIZE: Final = 32
"""Bytes of a key that seals."""
NONCE_SIZE: Final = 24
"""Bytes of a nonce: long enough to be drawn at random for ever."""
TAG_SIZE: Final = 16
"""Bytes a seal adds."""
SEAL_OVERHEAD: Final = NONCE_SIZE + TAG_SIZE
"""Bytes added by a seal that carries its nonce."""

_encrypt: Final = lib.crypto_aead_xchacha20poly1305_ietf_encrypt
_decrypt: Final = lib.crypto_aead_xchacha20poly1305_ietf_decrypt
_new: Final = ffi.new_allocator(should_clear_after_alloc=False)
_buffer: Final = ffi.buffer
_BYTES: Final = ffi.typeof("unsigned char[]")
_NULL: Final = ffi.NULL


def seal(key: SealKey, nonce: bytes, plain: bytes, associated: bytes = b"") -> bytes:
    """Seal `plain`; the result is 16 bytes longer. Never call it twice with one key and nonce.

    Source: draft-irtf-cfrg-xchacha-03, section 2.
    """
    if len(key) != KEY_SIZE or len(nonce) != NONCE_SIZE:
        raise LocalError("sealing takes a 32-byte key and a 24-byte nonce")
    size = len(plain) + TAG_SIZE
    sealed = _new(_BYTES, size)
    _encrypt(sealed, _NULL, plain, len(plain), associated, len(associated), _NULL, nonce, key)
    return _buffer(sealed, size)[:]  # type: ignore[no-any-return]  # bytes, whatever cffi says


def open_sealed(key: SealKey, nonce: bytes, sealed: bytes, associated: bytes = b"") -> bytes:
    """Open what `seal` made.

    Raises:
        ForgedMessage: another key, nonce or associated data, or a bit changed on the way.
    """
    if len(key) != KEY_SIZE:
        raise LocalError("opening takes a 32-byte key")
    if len(nonce) != NONCE_SIZE or len(sealed) < TAG_SIZE:
        raise ForgedMessage("a seal that is too short")
    size = len(sealed) - TAG_SIZE
    plain = _new(_BYTES, size or 1)
    if _decrypt(plain, _NULL, _NULL, sealed, len(sealed), associated, len(associated), nonce, key):
        raise ForgedMessage("a seal that does not open")
    return _buffer(plain, size)[:]  # type: ignore[no-any-return]  # bytes, whatever cffi says


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
