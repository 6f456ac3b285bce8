"""The ratchet's keys and the two steps that make new ones from old ones.

```
root ──(DH, ML-KEM)──> root' ──(DH, ML-KEM)──> ...      one step for every change of direction
          │
          ├─> next header key
          └─> chain ──> chain' ──> ...                  one step for every message
                └─> message key: seals one message
```

Spec: docs/protocol/ratchet.md, section 3. Vectors: tests/vectors/ratchet.json.
"""

from __future__ import annotations

from typing import Final, NewType

from toheal_protocol.crypto import SealKey, SharedSecret, derive_keys, length_prefixed, prf_pair
from toheal_protocol.errors import LocalError

RootKey = NewType("RootKey", bytes)
"""32 bytes both peers hold; every step of either replaces it."""

ChainKey = NewType("ChainKey", bytes)
"""32 bytes from which the keys of all later messages of one chain follow."""

MessageKey = NewType("MessageKey", SealKey)
"""32 bytes that seal one message and are then forgotten."""

HeaderKey = NewType("HeaderKey", SealKey)
"""32 bytes that seal the headers of one chain."""

KEY_SIZE: Final = 32
"""Bytes of each of these keys."""


def take_root_step(
    root: RootKey, agreed: SharedSecret, encapsulated: SharedSecret | None
) -> tuple[RootKey, ChainKey, HeaderKey]:
    """Mix what the peers just agreed on into the root.

    The caller forgets `root`, `agreed` and `encapsulated`: with the three of them everything this
    step made can be made again.

    Args:
        root: the root before this step.
        agreed: 32 bytes, the X25519 agreement of this step.
        encapsulated: 32 bytes from ML-KEM if this step carries a ciphertext, else None.

    Returns:
        The next root, the first chain key of the new chain, and the header key of the chain
        after that one in the same direction.

    Source: Perrin and Marlinspike, "The Double Ratchet Algorithm", KDF_RK_HE.
    Spec: docs/protocol/ratchet.md, section 3.1. Vectors: tests/vectors/ratchet.json.
    """
    secret = length_prefixed(agreed, encapsulated or b"")
    next_root, chain, header = derive_keys(root, secret, "th1/root", count=3)
    return RootKey(next_root), ChainKey(chain), HeaderKey(SealKey(header))


def advance_chain(chain_key: ChainKey) -> tuple[ChainKey, MessageKey]:
    """Take one step down a sending or receiving chain.

    The caller forgets `chain_key` once the new state is committed: whoever keeps it can derive
    every later key of the chain.

    Args:
        chain_key: 32 bytes.

    Returns:
        The next chain key and this message's key, 32 bytes each.

    Source: Perrin and Marlinspike, "The Double Ratchet Algorithm", KDF_CK.
    Spec: docs/protocol/ratchet.md, section 3.2. Vectors: tests/vectors/ratchet.json.
    """
    following, key = prf_pair(chain_key, "th1/chain")
    return ChainKey(following), MessageKey(SealKey(key))


def as_root(key: bytes) -> RootKey:
    """Take 32 bytes of a handshake as the first root."""
    return RootKey(_checked(key))


def as_header_key(key: bytes) -> HeaderKey:
    """Take 32 bytes of a handshake as a first header key."""
    return HeaderKey(SealKey(_checked(key)))


def _checked(key: bytes) -> bytes:
    if len(key) != KEY_SIZE:
        raise LocalError("a key of the ratchet has 32 bytes")
    return key
