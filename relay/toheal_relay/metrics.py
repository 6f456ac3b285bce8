"""Counts, and nothing but counts: no address, no time, no name.

Outcomes have moods instead of identifiers.
"""

from __future__ import annotations

from collections import Counter
from enum import Enum

from attrs import frozen


class Mood(Enum):
    """How it ended for one frame, or one attempt."""

    HAPPY = "happy"
    """Its reader took it and deleted it."""
    LONELY = "lonely"
    """It waited for a reader who never registered, or with a token that was not theirs."""
    CROWDED = "crowded"
    """It met a full relay, or had to make room."""
    REFUSED = "refused"
    """It came with a wrong token, or too fast."""
    EXPIRED = "expired"
    """Its time was over before its reader came."""


class Tally:
    """How often each mood was seen since the start."""

    def __init__(self) -> None:
        self._counts: Counter[Mood] = Counter()

    def note(self, mood: Mood, times: int = 1) -> None:
        """Count once more, or several times."""
        self._counts[mood] += times

    def of(self, mood: Mood) -> int:
        """Return how often."""
        return self._counts[mood]


@frozen
class Holdings:
    """What a relay holds at one moment, for its operator: counts only.

    The moods are counted since the start; `faults` are connections that ended by a bug of ours. `relayed_bytes` goes
    up in steps of 32 kB.
    """

    connections: int
    sources: int
    mailboxes: int
    watched: int
    items: int
    item_bytes: int
    strays: int
    stray_bytes: int
    happy: int
    lonely: int
    crowded: int
    refused: int
    expired: int
    faults: int
    allocations: int = 0
    relayed_bytes: int = 0
