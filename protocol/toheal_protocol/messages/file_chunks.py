"""Files in chunks: sealed once, the same bytes for everybody, opened when all are here.

```
file || 80 || 00..   cut into pieces of 15360 bytes, each sealed under a key of its own
```
Spec: docs/protocol/attachments.md, section 2. Vectors: tests/vectors/attachments.json.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NewType

from attrs import field, frozen

from toheal_protocol.crypto import NONCE_SIZE, TAG_SIZE, SealKey, open_sealed, prf, seal
from toheal_protocol.errors import LocalError, MalformedFrame
from toheal_protocol.messages.file_tree import FileId, name_file
from toheal_protocol.wire.codec import u16
from toheal_protocol.wire.padding import pad_to, unpad

FileKey = NewType("FileKey", bytes)
"""32 random bytes, drawn for one file."""

FILE_KEY_SIZE: Final = 32
"""Bytes of a file key."""

MAX_FILE_SIZE: Final = 10 * 1024 * 1024
"""Bytes of a file: a photograph of a telephone, or an hour of a voice."""

PIECE_SIZE: Final = 15 * 1024
"""Bytes of a file in one chunk: with proof and framing it fits a note of 16384 bytes."""

CHUNK_SIZE: Final = PIECE_SIZE + TAG_SIZE
"""Bytes of a sealed chunk."""

MAX_CHUNKS: Final = 768
"""Chunks of the largest file, padding included."""

_KEPT_BITS: Final = 3
"""Bits of the number of chunks that may differ from zero: padding costs a quarter at most, for small
files, and tells a watcher three bits of the size."""

_NONCE: Final = bytes(NONCE_SIZE)  # each chunk has a key of its own, so the nonce may stand still


@frozen
class SealedFile:
    """A file as it is kept and served: its id, and each chunk with its proof."""

    id: FileId
    chunks: tuple[bytes, ...] = field(repr=False)
    proofs: tuple[tuple[bytes, ...], ...] = field(repr=False)


def chunk_count(size: int) -> int:
    """Return how many chunks a file of `size` bytes has, padding included.

    Raises:
        LocalError: it is empty, or larger than the limit.
    """
    if not 1 <= size <= MAX_FILE_SIZE:
        raise LocalError("a file that is empty or above the limit")
    pieces = -(-(size + 1) // PIECE_SIZE)
    coarse = 1 << max(0, pieces.bit_length() - _KEPT_BITS)
    return -(-pieces // coarse) * coarse


def seal_file(content: bytes, key: FileKey) -> SealedFile:
    """Seal a file. The key is forgotten wherever the announcement is not."""
    count = chunk_count(len(content))
    padded = pad_to(content, count * PIECE_SIZE)
    chunks = tuple(
        seal(_chunk_key(key, place), _NONCE, padded[place * PIECE_SIZE : (place + 1) * PIECE_SIZE])
        for place in range(count)
    )
    file, proofs = name_file(len(content), chunks)
    return SealedFile(file, chunks, proofs)


def open_file(chunks: Iterable[bytes], key: FileKey, *, size: int) -> bytes:
    """Open all chunks of a file, in order.

    Raises:
        ForgedMessage: one does not open: its author sealed something else.
        MalformedFrame: what comes out is not a file of this size.
    """
    opened = [
        open_sealed(_chunk_key(key, place), _NONCE, chunk) for place, chunk in enumerate(chunks)
    ]
    padded = b"".join(opened)
    content = unpad(padded)
    if len(content) != size or len(padded) != chunk_count(size) * PIECE_SIZE:
        raise MalformedFrame("not the size that was announced")
    return content


def _chunk_key(key: FileKey, place: int) -> SealKey:
    return SealKey(prf(key, "th1/chunk", u16(place)))
