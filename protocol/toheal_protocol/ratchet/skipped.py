"""Keys of messages that have not come yet, kept so that these can still be opened.

The records lie in one row of bytes, `chain[4] || number[4] || dies[8] || key[32]` each. They are
only ever added at the end, with growing (chain, number), and old ones only ever fall off the front.
So the row is sorted, the state's encoding holds it as it is, and one mark says what was forgotten.

Spec: docs/protocol/ratchet.md, section 6. Vectors: tests/vectors/ratchet.json.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from itertools import pairwise
from typing import Final

from attrs import field, frozen

from toheal_protocol.crypto import SealKey
from toheal_protocol.model import WallTime
from toheal_protocol.ratchet.keys import ChainKey, MessageKey, advance_chain

MAX_SKIP: Final = 500
"""Messages one gap may span. Five hundred lost messages of one author are more than a circle writes
in the two weeks mail lives; walking over them costs 2 ms, which only a peer with the keys can ask for."""

MAX_SKIPPED_KEYS: Final = 1000
"""Keys kept in all. One message can show two gaps (the end of the old chain, the start of the new
one), so fewer would forget keys while they are being stored; more would make every write larger."""

SKIPPED_LIFE: Final = 14 * 24 * 60 * 60
"""Seconds a key is kept: mail at a relay lives as long and no longer."""

PLACE_SIZE: Final = 8
"""Bytes of `chain[4] || number[4]`, which sort like the numbers themselves."""

_RECORD: Final = struct.Struct(">IIq32s")
_PLACE: Final = struct.Struct(">II")
_DIES: Final = struct.Struct(">q")

RECORD_SIZE: Final = _RECORD.size
"""Bytes of one kept key with its place and time."""


@frozen
class SkippedKeys:
    """The kept keys of one session, oldest first.

    Attributes:
        records: the row described above.
        forgotten: the place up to which keys may have been forgotten unused; empty if none was.
    """

    records: bytes = field(default=b"", repr=False)
    forgotten: bytes = b""

    def __len__(self) -> int:
        return len(self.records) // RECORD_SIZE

    def keep(self, chain: int, first: int, keys: list[MessageKey], *, now: WallTime) -> SkippedKeys:
        """Add the keys of a gap that starts at `first`, and make room for them at the front."""
        if not keys:
            return self
        dies = now + SKIPPED_LIFE
        new = [_RECORD.pack(chain, first + i, dies, key) for i, key in enumerate(keys)]
        grown = SkippedKeys(self.records + b"".join(new), self.forgotten)
        return grown._without_first(len(grown) - MAX_SKIPPED_KEYS)

    def take(self, chain: int, number: int) -> tuple[SkippedKeys, MessageKey] | None:
        """Return one key and the row without it, or None if it is not kept."""
        place = _PLACE.pack(chain, number)
        index = bisect_left(range(len(self)), place, key=self._place)
        at, upto = index * RECORD_SIZE, (index + 1) * RECORD_SIZE
        if self._place(index) != place:
            return None
        key = MessageKey(SealKey(_RECORD.unpack_from(self.records, at)[3]))
        return SkippedKeys(self.records[:at] + self.records[upto:], self.forgotten), key

    def without_expired(self, now: WallTime) -> SkippedKeys:
        """Forget the keys whose time is over."""
        if not self.records:
            return self
        dead = 0
        while dead < len(self) and self._dies(dead) <= now:
            dead += 1
        return self._without_first(dead)

    def without_chains(self, last: int) -> SkippedKeys:
        """Forget the keys of all chains up to and including `last`."""
        return self._without_first(
            bisect_left(range(len(self)), _PLACE.pack(last + 1, 0), key=self._place)
        )

    def may_have_forgotten(self, chain: int, number: int) -> bool:
        """Say whether this message's key could have been forgotten before it was used."""
        return _PLACE.pack(chain, number) <= self.forgotten

    def chains(self) -> set[int]:
        """Return the chains that still have kept keys."""
        firsts = range(0, len(self.records), RECORD_SIZE)
        return {int.from_bytes(self.records[at : at + 4], "big") for at in firsts}

    def is_sorted(self) -> bool:
        """Say whether the row keeps the order everything here relies on."""
        places = [self.forgotten, *(self._place(index) for index in range(len(self)))]
        return all(before < after for before, after in pairwise(places))

    def _without_first(self, count: int) -> SkippedKeys:
        if count <= 0:
            return self
        return SkippedKeys(self.records[count * RECORD_SIZE :], self._place(count - 1))

    def _place(self, index: int) -> bytes:
        at = index * RECORD_SIZE
        return self.records[at : at + PLACE_SIZE]

    def _dies(self, index: int) -> int:
        dies: int = _DIES.unpack_from(self.records, index * RECORD_SIZE + PLACE_SIZE)[0]
        return dies


def walk_chain(chain_key: ChainKey, steps: int) -> tuple[ChainKey, list[MessageKey]]:
    """Advance a chain over a gap; return where it is then and the keys passed on the way."""
    keys = []
    for _ in range(steps):
        chain_key, key = advance_chain(chain_key)
        keys.append(key)
    return chain_key, keys
