"""Write tests/vectors/attachments.json.

    python -m tests.vectors.make_attachment_vectors

Nothing in it is drawn, so every run writes the same bytes. Files and chunks are long, so most of
them stand there as their SHA-256.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from toheal_protocol.messages.attachment import AttachmentBody, Medium, encode_attachment
from toheal_protocol.messages.file_chunks import PIECE_SIZE, FileKey, SealedFile, seal_file
from toheal_protocol.messages.file_notes import Chunk, ChunksMissing, ChunksWanted
from toheal_protocol.messages.notes import encode_item

FILE = Path(__file__).parent / "attachments.json"

KEY = FileKey(bytes(range(32)))
SIZES = (1, PIECE_SIZE - 1, PIECE_SIZE, 3 * PIECE_SIZE, 9 * PIECE_SIZE)
"""One chunk, as much as fits it, one byte more, a tree with an absent leaf, and a rounded count."""


def content_of(size: int) -> bytes:
    """Return the file of a case: SHAKE-128 of its size, written in ten digits."""
    return hashlib.shake_128(b"%010d" % size).digest(size)


def vectors() -> dict[str, Any]:
    """Return the whole file."""
    return {
        "specification": "docs/protocol/attachments.md",
        "file_key": KEY.hex(),
        "content": "SHAKE-128 over the size in ten decimal digits",
        "files": [_case(size) for size in SIZES],
        "notes": _notes(seal_file(content_of(SIZES[3]), KEY)),
    }


def _case(size: int) -> dict[str, Any]:
    sealed = seal_file(content_of(size), KEY)
    last = len(sealed.chunks) - 1
    return {
        "size": size,
        "count": len(sealed.chunks),
        "file_id": sealed.id.hex(),
        "chunks_sha256": [hashlib.sha256(chunk).hexdigest() for chunk in sealed.chunks],
        "proof_of_the_last": [sister.hex() for sister in sealed.proofs[last]],
        "announcement": encode_attachment(
            AttachmentBody(sealed.id, KEY, size, Medium.JPEG, "نافذة", 1_800_000_000, ("loss",))
        ).hex(),
    }


def _notes(sealed: SealedFile) -> dict[str, str]:
    chunk = encode_item(Chunk(sealed.id, 2, sealed.proofs[2], sealed.chunks[2]))
    return {
        "chunks_wanted_0_to_1_and_3": encode_item(ChunksWanted(sealed.id, ((0, 1), (3, 3)))).hex(),
        "chunk_2_sha256": hashlib.sha256(chunk).hexdigest(),
        "chunks_missing_not_here": encode_item(ChunksMissing(sealed.id, 1)).hex(),
    }


def as_text() -> str:
    """Return the file as it is written."""
    return json.dumps(vectors(), indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(as_text(), encoding="utf-8")
