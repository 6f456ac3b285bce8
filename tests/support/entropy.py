"""Entropy for tests: a counter stretched by SHAKE-256, so that every run draws the same bytes."""

from __future__ import annotations

import hashlib

from tests.support import fips203
from toheal_protocol.crypto.keys import (
    KemCiphertext,
    KemPublicKey,
    SharedSecret,
    check_kem_public_key,
)


class SeededEntropy:
    """Repeatable draws: two sources with one seed give one sequence of bytes.

    `encapsulate` is the library's own and draws from the operating system: what depends on a
    ciphertext differs from run to run, so no test may compare such bytes with frozen ones (the
    vectors use `ReplayedEntropy`).
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.draws = 0
        """How often `draw` was called."""
        self.encapsulations = 0
        """How often `encapsulate` was called."""
        self.drawn: list[bytes] = []
        """Everything `draw` gave out, oldest first: each of it belongs in one place only."""

    def draw(self, size: int) -> bytes:
        """Return the next `size` bytes of the sequence."""
        name = f"toheal test entropy {self._seed} {self.draws}".encode()
        self.draws += 1
        fresh = hashlib.shake_256(name).digest(size)
        self.drawn.append(fresh)
        return fresh

    def encapsulate(self, public_key: KemPublicKey) -> tuple[SharedSecret, KemCiphertext]:
        """Seal a fresh 32-byte secret to `public_key` with the real library."""
        self.encapsulations += 1
        secret, ciphertext = check_kem_public_key(public_key).encapsulate()
        return SharedSecret(secret), KemCiphertext(ciphertext)


class ReplayedEntropy:
    """Entropy that gives out what a vector recorded, in the recorded order, and then runs dry."""

    def __init__(
        self,
        draws: list[bytes],
        encapsulations: list[tuple[SharedSecret, KemCiphertext]] | None = None,
    ) -> None:
        self._draws = list(draws)
        self._encapsulations = list(encapsulations or [])

    @property
    def is_dry(self) -> bool:
        """Whether everything recorded was used."""
        return not self._draws and not self._encapsulations

    def draw(self, size: int) -> bytes:
        """Return the next recorded draw, which must have the size asked for."""
        fresh = self._draws.pop(0)
        assert len(fresh) == size, f"the vector holds {len(fresh)} bytes where {size} are drawn"
        return fresh

    def encapsulate(self, public_key: KemPublicKey) -> tuple[SharedSecret, KemCiphertext]:
        """Return the next recorded secret and ciphertext, whatever key is asked for."""
        check_kem_public_key(public_key)
        return self._encapsulations.pop(0)


class RecordingEntropy(SeededEntropy):
    """Repeatable to the last byte, for the scripts that make vectors: it also encapsulates by seed.

    The plain ML-KEM-768 of `tests.support.fips203` takes its 32 bytes of randomness from the same
    kind of sequence; what it gives is written down in `encapsulated`.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.encapsulated: list[dict[str, bytes]] = []

    def encapsulate(self, public_key: KemPublicKey) -> tuple[SharedSecret, KemCiphertext]:
        """Encapsulate with the next 32 bytes of a sequence of its own, and write it down."""
        name = f"toheal test encapsulation {self._seed} {self.encapsulations}".encode()
        self.encapsulations += 1
        message = hashlib.shake_256(name).digest(32)
        secret, ciphertext = fips203.encapsulate(public_key, message)
        self.encapsulated.append({"m": message, "secret": secret, "ciphertext": ciphertext})
        return SharedSecret(secret), KemCiphertext(ciphertext)
