"""Where randomness enters: as an argument, never from the air.

`encapsulate` is here and not beside `decapsulate` because the library draws its own randomness
for it; a core that called it would no longer be a function of its arguments.
"""

from __future__ import annotations

from typing import Protocol

from toheal_protocol.crypto.keys import KemCiphertext, KemPublicKey, SharedSecret


class Entropy(Protocol):
    """A source of randomness: the operating system's in the client, a counter in tests."""

    def draw(self, size: int) -> bytes:
        """Return `size` fresh random bytes."""
        ...

    def encapsulate(self, public_key: KemPublicKey) -> tuple[SharedSecret, KemCiphertext]:
        """Draw a 32-byte secret and seal it to an ML-KEM-768 public key.

        Raises:
            MalformedFrame: the key is not a valid ML-KEM-768 public key.
        """
        ...
