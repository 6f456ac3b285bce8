"""The content seal: one message sealed once for everybody, and bound to one key.

```
common = 01 || commitment[32] || sealed[bucket + 16]
```

XChaCha20-Poly1305 alone would let an author make bytes that open differently under two keys. The
commitment is a hash of the key, so one `common` has one key, one plain, and one id for all.

Spec: docs/protocol/envelope.md, section 2. Vectors: tests/vectors/envelope.json.
"""

from __future__ import annotations

from typing import Final, NewType

from toheal_protocol.crypto import (
    NONCE_SIZE,
    TAG_SIZE,
    SealKey,
    equal,
    hash_parts,
    open_sealed,
    prf,
    seal,
)
from toheal_protocol.errors import ForgedMessage, LocalError, MalformedFrame
from toheal_protocol.model import ID_SIZE, MemberId, MessageId
from toheal_protocol.wire.padding import BUCKETS, pad_to_bucket, unpad

ContentKey = NewType("ContentKey", bytes)
"""32 random bytes, drawn for one message: it seals that message and nothing else (`K` in the specification)."""

CONTENT_KEY_SIZE: Final = 32
"""Bytes of a content key."""

VERSION: Final = b"\x01"
"""First byte of every sealed common part."""

COMMITMENT_SIZE: Final = 32
"""Bytes that bind a common part to its key."""

COMMON_OVERHEAD: Final = len(VERSION) + COMMITMENT_SIZE + TAG_SIZE
"""Bytes a common part has more than its bucket: 49."""

COMMON_SIZES: Final = frozenset(bucket + COMMON_OVERHEAD for bucket in BUCKETS)
"""The only sizes a common part can have."""

_NONCE: Final = bytes(NONCE_SIZE)  # a content key seals once, so the nonce may stand still


def seal_content(plain: bytes, key: ContentKey, *, author: MemberId) -> bytes:
    """Seal the content of one message; the result is the common part all recipients share.

    Args:
        plain: up to 65535 bytes; the result shows only their bucket.
        key: 32 bytes, drawn for this message.
        author: who says it. A member who hands on the sealed bytes under its own name gives its
            reader something that does not open.

    Raises:
        LocalError: `key` or `author` has another size, or `plain` is too large.

    Spec: docs/protocol/envelope.md, section 2. Vectors: tests/vectors/envelope.json.
    """
    if len(key) != CONTENT_KEY_SIZE:
        raise LocalError("a content key has 32 bytes")
    if len(author) != ID_SIZE:
        raise LocalError("a member id has 32 bytes")
    front = VERSION + _commitment(key)
    return front + seal(_content_seal(key), _NONCE, pad_to_bucket(plain), front + author)


def open_content(common: bytes, key: ContentKey, *, author: MemberId) -> bytes:
    """Open a common part; return what was sealed, without its padding.

    Args:
        common: any bytes.
        key: 32 bytes, from the wrap that came with it.
        author: 32 bytes, of whoever wrapped it (or is named as its author by who passed it on).

    Raises:
        MalformedFrame: not the size or version of a common part, or not padded.
        ForgedMessage: made with another key, by another author, or changed.

    Spec: docs/protocol/envelope.md, section 2. Vectors: tests/vectors/envelope.json.
    """
    if len(key) != CONTENT_KEY_SIZE:
        raise MalformedFrame("a content key has 32 bytes")
    if len(common) not in COMMON_SIZES or not common.startswith(VERSION):
        raise MalformedFrame("not a common part of this version")
    front_size = len(VERSION) + COMMITMENT_SIZE
    front, sealed = common[:front_size], common[front_size:]
    if not equal(front[len(VERSION) :], _commitment(key)):
        raise ForgedMessage("a content key that was not committed to")
    return unpad(open_sealed(_content_seal(key), _NONCE, sealed, front + author))


def message_id(common: bytes) -> MessageId:
    """Name a message: the hash of its common part, 32 bytes, the same for all.

    Spec: docs/protocol/envelope.md, section 3. Vectors: tests/vectors/envelope.json.
    """
    return MessageId(hash_parts("th1/msgid", common))


def _commitment(key: ContentKey) -> bytes:
    return prf(key, "th1/commit")


def _content_seal(key: ContentKey) -> SealKey:
    return SealKey(prf(key, "th1/content"))
