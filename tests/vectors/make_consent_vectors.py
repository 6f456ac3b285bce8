"""Writes consent.json: receipts, and what whoever is shown one must find.

Run from the repository's root: `python -m tests.vectors.make_consent_vectors`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from attrs import evolve

from tests.support.personas import person
from toheal_protocol.errors import RemoteError
from toheal_protocol.messages.consent import (
    Receipt,
    encode_receipt,
    hash_excerpt,
    sign_receipt,
    verify_receipt,
)
from toheal_protocol.model import CircleId, MessageId, WallTime

FILE = Path(__file__).parent / "consent.json"

NOT_AFTER = WallTime(1_800_000_000)
EXCERPT = "walking every morning helped me"


def receipts() -> dict[str, Receipt]:
    """Return a few signed receipts."""
    persona = person(1).persona
    plain = Receipt(
        circle=CircleId(bytes(range(32))),
        mid=MessageId(bytes(range(32, 64))),
        key=persona.keys.verify,
        excerpt_hash=hash_excerpt(EXCERPT),
        not_after=NOT_AFTER,
        serial=bytes(range(16)),
        audience="my counsellor",
        purpose="to explain what helped me",
    )
    arabic = evolve(
        plain,
        excerpt_hash=hash_excerpt("المشي كل صباح"),
        audience="مرشدتي",
        purpose="شرح ما ساعدني",
    )
    return {
        "plain": sign_receipt(plain, persona.signing),
        "arabic": sign_receipt(arabic, persona.signing),
    }


def cases() -> list[dict[str, Any]]:
    """Return what is shown, and the error it must end in; none where it holds."""
    plain, arabic = receipts().values()
    return [
        _case("it holds", plain, EXCERPT, NOT_AFTER),
        _case("it holds in Arabic", arabic, "المشي كل صباح", WallTime(0)),
        _case("its time is over", plain, EXCERPT, WallTime(NOT_AFTER + 1)),
        _case("other words", plain, EXCERPT + " and cured me", WallTime(0)),
        _case("another purpose", evolve(plain, purpose="for a newspaper"), EXCERPT, WallTime(0)),
        _case("another audience", evolve(plain, audience="everybody"), EXCERPT, WallTime(0)),
        _case("a later end", evolve(plain, not_after=WallTime(2**40)), EXCERPT, WallTime(0)),
        _case("another serial", evolve(plain, serial=bytes(16)), EXCERPT, WallTime(0)),
        _case("another message", evolve(plain, mid=MessageId(bytes(32))), EXCERPT, WallTime(0)),
        _case("another circle", evolve(plain, circle=CircleId(bytes(32))), EXCERPT, WallTime(0)),
        _case(
            "another author", evolve(plain, key=person(2).persona.keys.verify), EXCERPT, WallTime(0)
        ),
        _case(
            "words moved from one field to the next",
            evolve(plain, audience="my counsellort", purpose="o explain what helped me"),
            EXCERPT,
            WallTime(0),
        ),
    ]


def _case(why: str, receipt: Receipt, excerpt: str, wall_now: WallTime) -> dict[str, Any]:
    error = None
    try:
        verify_receipt(receipt, excerpt, wall_now=wall_now)
    except RemoteError as found:
        error = type(found).__name__
    return {
        "why": why,
        "receipt": encode_receipt(receipt).hex(),
        "excerpt": excerpt,
        "wall_now": wall_now,
        "error": error,
    }


def as_text() -> str:
    """Return the file's text."""
    vectors = {"specification": "docs/protocol/consent.md", "cases": cases()}
    return json.dumps(vectors, indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(as_text(), encoding="utf-8")
