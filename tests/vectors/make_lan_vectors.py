"""Write tests/vectors/lan.json.

    python -m tests.vectors.make_lan_vectors

Nothing in it is drawn, so every run writes the same bytes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from attrs import define, field

from toheal_protocol.crypto import prf
from toheal_protocol.machines import lan_recognition as r
from toheal_protocol.machines.lan_keys import (
    KnownPeer,
    PairKey,
    service_label,
)
from toheal_protocol.model import MemberId

FILE = Path(__file__).parent / "lan.json"

SECRET = bytes(range(32))
DAYS = (0, 20_833, 2**32 - 1)
CALLER, LISTENER = MemberId(b"\x11" * 32), MemberId(b"\x22" * 32)
PAIR_SECRET = bytes(range(64, 96))
CALLERS_NAME, LISTENERS_NAME = "aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb"


@define
class Counted:
    """Entropy that counts, so that the order of draws shows."""

    first: int
    drawn: int = field(default=0, init=False)

    def draw(self, size: int) -> bytes:
        self.drawn += 1
        return prf(bytes([self.first]) * 32, "th1/lan-day", self.drawn.to_bytes(4, "big"))[:size]

    def encapsulate(self, public_key: object) -> Any:
        raise AssertionError("nothing is encapsulated here")


def vectors() -> dict[str, Any]:
    """Return the whole file."""
    return {
        "specification": "docs/protocol/lan.md",
        "circle_lan_secret": SECRET.hex(),
        "labels": [{"day": day, "label": service_label(SECRET, day)} for day in DAYS],
        "recognition": _recognition(),
    }


def _recognition() -> dict[str, Any]:
    key = PairKey(prf(PAIR_SECRET, "th1/lan-pair"))
    ours, theirs = Counted(1), Counted(2)
    caller, hello = r.begin(r.Role.CALLER, ours=CALLER, entropy=ours)
    listener, answer = r.begin(r.Role.LISTENER, ours=LISTENER, entropy=theirs)
    tagged, marks = r.take_hello(caller, answer, known=(KnownPeer(LISTENER, key),), entropy=ours)
    their_tagged, their_marks = r.take_hello(
        listener, hello, known=(KnownPeer(CALLER, key),), entropy=theirs
    )
    matched, proof = r.take_marks(tagged, their_marks, instance=CALLERS_NAME, entropy=ours)
    their_matched, their_proof = r.take_marks(
        their_tagged, marks, instance=LISTENERS_NAME, entropy=theirs
    )
    assert isinstance(matched, r.Matched)
    assert isinstance(their_matched, r.Matched)
    found = r.take_proof(matched, their_proof)
    return {
        "pair_secret": PAIR_SECRET.hex(),
        "pair_lan_key": key.hex(),
        "caller": {"id": CALLER.hex(), "nonce": hello.hex(), "ephemeral": matched.ephemeral.hex()},
        "listener": {
            "id": LISTENER.hex(),
            "nonce": answer.hex(),
            "ephemeral": their_matched.ephemeral.hex(),
        },
        "callers_tag": r._mark(hello + answer, key, r.Role.CALLER, CALLER).hex(),
        "listeners_tag": r._mark(hello + answer, key, r.Role.LISTENER, LISTENER).hex(),
        "callers_proof": proof.hex(),
        "listeners_proof": their_proof.hex(),
        "exporter": found.exporter.hex(),
        "caller_seals_with": found.keys.send.hex(),
        "listener_seals_with": found.keys.receive.hex(),
    }


def as_text() -> str:
    """Return the file as it is written."""
    return json.dumps(vectors(), indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(as_text(), encoding="utf-8")
