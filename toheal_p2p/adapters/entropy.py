"""Randomness from the operating system, and the only call to the library that draws its own."""

from __future__ import annotations

import os

from toheal_protocol.crypto import KemCiphertext, KemPublicKey, SharedSecret
from toheal_protocol.crypto.keys import check_kem_public_key


class SystemEntropy:
    """Fulfils `toheal_protocol.crypto.Entropy` with the operating system's generator."""

    def draw(self, size: int) -> bytes:
        """Return `size` fresh random bytes."""
        return os.urandom(size)

    def encapsulate(self, public_key: KemPublicKey) -> tuple[SharedSecret, KemCiphertext]:
        """Draw a 32-byte secret and seal it to an ML-KEM-768 public key.

        Raises:
            MalformedFrame: the key is not a valid ML-KEM-768 public key.
        """
        secret, ciphertext = check_kem_public_key(public_key).encapsulate()
        return SharedSecret(secret), KemCiphertext(ciphertext)
