"""Nonces that nobody has to remember: a time and a MAC over it and who it was given to.

A request that is recorded, or made up, is worth nothing from another address or ten minutes later.

Source: RFC 8489, sections 5 and 9.2.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Final

from toheal_protocol.crypto import equal, prf
from toheal_protocol.model import Instant

NONCE_LIFE: Final = 300.0
"""Seconds between two nonces for one client; the one before is still taken, so each is good for five
to ten minutes. A client that comes later is told 438 and the new one, which costs a round trip."""

_SLOT_SIZE: Final = 4
_MAC_SIZE: Final = 8
"""Bytes: a guess is one packet, and 2**63 of them do not fit into ten minutes. Short, because it
stands in the one answer that may be longer than what asked for it."""


class Nonces:
    """Makes nonces and knows its own again. `key` is drawn once, at least 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def make(self, client: bytes, *, now: Instant) -> bytes:
        """Return the nonce of this moment for a client's address: 16 letters."""
        return self._of_slot(client, int(now // NONCE_LIFE))

    def is_fresh(self, nonce: bytes, client: bytes, *, now: Instant) -> bool:
        """Say whether this is a nonce we gave to this client a short while ago."""
        try:
            slot = int.from_bytes(b64decode(nonce, validate=True)[:_SLOT_SIZE], "big")
        except ValueError:
            return False
        age = int(now // NONCE_LIFE) - slot
        return age in (0, 1) and equal(nonce, self._of_slot(client, slot))

    def _of_slot(self, client: bytes, slot: int) -> bytes:
        time = slot.to_bytes(_SLOT_SIZE, "big")
        return b64encode(time + prf(self._key, "th1/turn-nonce", time, client)[:_MAC_SIZE])
