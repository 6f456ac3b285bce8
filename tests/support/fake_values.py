"""What the fakes of the doors' tests are made of: a clock, addresses, ids, refusals."""

from __future__ import annotations

import hashlib

from toheal_p2p.app.refusals import FACTS, RefusalCode, Refused

NOW = 1_800_000_000
"""The fake's clock, in seconds since 1970."""

RELAY = "toheal-relay://relay.example:443#" + "A" * 43
LINK = "toheal:1:relay.example:443#" + "A" * 43 + ":" + "b" * 70

ODD = ("slow", "fault", "nested")
"""Circles that answer late, break, or refuse from inside a nursery."""


def refuse(code: RefusalCode) -> Refused:
    """Return a refusal with all its facts."""
    facts = {
        "limit": 24,
        "address": RELAY,
        "name": "x",
        "path": "/tmp/x",
        "suggestion": "y",
        "tries": 2,
        "hours": 3,
        "choices": "a, b",
    }
    return Refused(code, **{name: facts[name] for name in FACTS.get(code, ())})


PICTURE = b"\x89PNG" + bytes(range(256)) * 4000
"""What `fetch` gives: a megabyte, so several pieces."""

CODE = "7421 lantern giraffe marble"


def made_up_id(seed: str) -> str:
    """Return what looks like an id and is the same in every run."""
    return hashlib.sha256(seed.encode()).hexdigest()
