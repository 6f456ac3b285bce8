"""Words that were typed and not sent: sealed for whoever keeps them while the profile is locked.

The key lies in the vault, and the sealed words do not: so locking takes the key away, and
forgetting the sealed words leaves nothing anywhere.

Docs: docs/decisions/0107-drafts-are-sealed-in-memory.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import define, field

from toheal_p2p.app.settings import Keep
from toheal_protocol.crypto import Entropy, SealKey, open_with_nonce_inside, seal_with_random_nonce
from toheal_protocol.crypto.sealing import KEY_SIZE, NONCE_SIZE
from toheal_protocol.errors import ForgedMessage
from toheal_protocol.machines.records import PutSetting

_KEY: Final = "drafts.key"


@define(eq=False)
class Drafts:
    """See the module. Fulfils `DraftsInterface`."""

    _keep: Keep
    _entropy: Entropy
    _key: SealKey | None = field(default=None, repr=False)

    @classmethod
    def begin(cls, stored: Mapping[str, bytes], keep: Keep, entropy: Entropy) -> Drafts:
        """Take over the key that the vault has, if there is one yet."""
        key = stored.get(_KEY)
        return cls(keep, entropy, None if key is None else SealKey(key))

    async def seal(self, circle: str, words: bytes) -> bytes:
        """Seal what was typed in a circle."""
        if self._key is None:
            self._key = SealKey(self._entropy.draw(KEY_SIZE))
            await self._keep([PutSetting(_KEY, self._key)])
        nonce = self._entropy.draw(NONCE_SIZE)
        return seal_with_random_nonce(self._key, nonce, words, circle.encode())

    def open(self, circle: str, sealed: bytes) -> bytes | None:
        """Return what was typed, or None."""
        if self._key is None:
            return None
        try:
            return open_with_nonce_inside(self._key, sealed, circle.encode())
        except ForgedMessage:
            return None
