"""The file id: one hash over all sealed chunks of a file, and the proof that one of them is of it.

Chunks come from whoever has them, in any order, and each is checked when it comes. So they are the
leaves of a binary tree, and a chunk travels with the sisters on its way to the top.

Spec: docs/protocol/attachments.md, section 2.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NewType

from toheal_protocol.crypto import equal, hash_parts
from toheal_protocol.wire.codec import u16, u32

FileId = NewType("FileId", bytes)
"""32 bytes that name a file's size and all its sealed chunks."""

MAX_LEVELS: Final = 10
"""Sisters in a proof at most: 768 chunks lie under a tree of 1024."""

_ABSENT: Final = bytes(32)
"""Stands for a chunk beyond the last one. No hash is known that gives it."""


def name_file(size: int, chunks: Sequence[bytes]) -> tuple[FileId, tuple[tuple[bytes, ...], ...]]:
    """Return the file id and each chunk's proof.

    Args:
        size: bytes of the file before padding.
        chunks: all sealed chunks, at least one.
    """
    levels = [_leaves(chunks)]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append([_node(below[at], below[at + 1]) for at in range(0, len(below), 2)])
    proofs = tuple(
        tuple(level[(place >> height) ^ 1] for height, level in enumerate(levels[:-1]))
        for place in range(len(chunks))
    )
    return _file_id(size, levels[-1][0]), proofs


def is_chunk_of(
    file: FileId, chunk: bytes, *, place: int, size: int, count: int, proof: Sequence[bytes]
) -> bool:
    """Say whether a sealed chunk is the one at `place` of a file of `size` bytes and `count` chunks."""
    if not 0 <= place < count or len(proof) != (count - 1).bit_length():
        return False
    node = _leaf(place, chunk)
    for height, sister in enumerate(proof):
        is_right = (place >> height) & 1
        node = _node(sister, node) if is_right else _node(node, sister)
    return equal(_file_id(size, node), file)


def _leaves(chunks: Sequence[bytes]) -> list[bytes]:
    leaves = [_leaf(place, chunk) for place, chunk in enumerate(chunks)]
    return leaves + [_ABSENT] * ((1 << (len(chunks) - 1).bit_length()) - len(chunks))


def _leaf(place: int, chunk: bytes) -> bytes:
    return hash_parts("th1/leaf", u16(place), chunk)


def _node(left: bytes, right: bytes) -> bytes:
    return hash_parts("th1/node", left, right)


def _file_id(size: int, top: bytes) -> FileId:
    return FileId(hash_parts("th1/file", u32(size), top))
