"""Stretching: what a person can remember becomes a key that is dear to guess.

Spec: docs/protocol/conventions.md, section 3.6.
"""

from __future__ import annotations

from nacl import bindings

from toheal_protocol.errors import LocalError


def stretch_passphrase(secret: bytes, salt: bytes, *, size: int, passes: int, memory: int) -> bytes:
    """Derive `size` bytes with Argon2id.

    Args:
        secret: the UTF-8 passphrase, or public bytes whose hash should be dear to search.
        salt: 16 bytes.
        size: bytes wanted, 16 to 64.
        passes: how often the memory is walked.
        memory: bytes of memory, at least 8 KiB.

    Source: RFC 9106, Argon2id with one lane.
    """
    if len(salt) != 16 or not 16 <= size <= 64:
        raise LocalError("Argon2id here takes a 16-byte salt and gives 16 to 64 bytes")
    return bytes(
        bindings.crypto_pwhash_alg(
            size, secret, salt, passes, memory, bindings.crypto_pwhash_ALG_ARGON2ID13
        )
    )
