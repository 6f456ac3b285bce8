"""Every case of attachments.json, from the bytes of the specification up, and that its script writes that file."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import msgspec
import pytest
from nacl import bindings

from tests.vectors.make_attachment_vectors import FILE, as_text

VECTORS = json.loads(FILE.read_text(encoding="utf-8"))
KEY = bytes.fromhex(VECTORS["file_key"])
PIECE = 15_360

every_file = pytest.mark.parametrize("case", VECTORS["files"], ids=lambda case: str(case["size"]))


def lp(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def named(label: bytes, *parts: bytes) -> bytes:
    """`H` of conventions.md, section 3.1; written here once more, without our code."""
    return hashlib.blake2b(lp(*parts), digest_size=32, person=label).digest()


def chunks_of(case: dict[str, Any]) -> list[bytes]:
    size, count = case["size"], case["count"]
    content = hashlib.shake_128(b"%010d" % size).digest(size)
    padded = (content + b"\x80").ljust(count * PIECE, b"\0")
    return [
        bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(
            padded[at * PIECE : (at + 1) * PIECE],
            b"",
            bytes(24),
            hmac.digest(KEY, lp(b"th1/chunk", at.to_bytes(2, "big")), "sha512")[:32],
        )
        for at in range(count)
    ]


def top_of(leaves: list[bytes]) -> bytes:
    """The top of the tree, the way one would draw it: halves, down to a leaf."""
    if len(leaves) == 1:
        return leaves[0]
    half = len(leaves) // 2
    return named(b"th1/node", top_of(leaves[:half]), top_of(leaves[half:]))


def test_the_script_writes_this_file() -> None:
    assert as_text() == FILE.read_text(encoding="utf-8")


@every_file
def test_chunks_are_those_of_the_specification(case: dict[str, Any]) -> None:
    assert [hashlib.sha256(one).hexdigest() for one in chunks_of(case)] == case["chunks_sha256"]


@every_file
def test_the_file_id_is_that_of_the_specification(case: dict[str, Any]) -> None:
    leaves = [
        named(b"th1/leaf", at.to_bytes(2, "big"), chunk) for at, chunk in enumerate(chunks_of(case))
    ]
    levels = len(case["proof_of_the_last"])
    leaves += [bytes(32)] * (2**levels - len(leaves))
    size = case["size"].to_bytes(4, "big")
    assert named(b"th1/file", size, top_of(leaves)).hex() == case["file_id"]


@every_file
def test_the_announcement_says_what_the_specification_says(case: dict[str, Any]) -> None:
    body = msgspec.msgpack.decode(bytes.fromhex(case["announcement"]))
    assert body == {
        "file": bytes.fromhex(case["file_id"]),
        "key": KEY,
        "size": case["size"],
        "media": 1,
        "about": "نافذة",
        "sent_at": 1_800_000_000,
        "notes": ["loss"],
    }


def test_notes_are_laid_out_as_the_specification_says() -> None:
    notes, case = VECTORS["notes"], VECTORS["files"][3]
    file = bytes.fromhex(case["file_id"])
    wanted = b"\x0c" + file + b"\x02" + bytes((0, 0, 0, 1, 0, 3, 0, 3))
    assert notes["chunks_wanted_0_to_1_and_3"] == wanted.hex()
    assert notes["chunks_missing_not_here"] == (b"\x0e" + file + b"\x01").hex()
    leaves = [
        named(b"th1/leaf", at.to_bytes(2, "big"), chunk) for at, chunk in enumerate(chunks_of(case))
    ]
    other_pair = named(b"th1/node", leaves[0], leaves[1])
    chunk = b"\x0d" + file + b"\x00\x02" + b"\x02" + leaves[3] + other_pair + chunks_of(case)[2]
    assert notes["chunk_2_sha256"] == hashlib.sha256(chunk).hexdigest()
