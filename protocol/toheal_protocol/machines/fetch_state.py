"""What a circle has in hand of files: what it fetches, and what it serves to whom.

All of it is live: chunks are on disk as they come, and after a restart the person asks again.

Spec: docs/protocol/attachments.md, section 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import field, frozen

from toheal_protocol.messages.file_notes import MAX_WANTED
from toheal_protocol.messages.file_tree import FileId
from toheal_protocol.model import Audience, Instant, MemberId, MessageId

FIRST_WINDOW: Final = 4
"""Chunks under way at first: 60 kB, a quarter of a second of a slow line."""

LEAST_WINDOW: Final = 2
"""Chunks under way at least."""

MOST_WINDOW: Final = MAX_WANTED
"""Chunks under way at most: a megabyte, enough for 100 Mbit/s around a slow corner of the world."""


@frozen
class Asked:
    """One question that is not answered in full: when, and the bits of the places that are missing."""

    at: Instant
    left: int
    is_fresh: bool = True
    """Nothing of it has come."""


@frozen(slots=False)
class Fetch:
    """One file the person wants. Places are bits of a number: bit 0 is the first chunk.

    Attributes:
        have: what is here.
        source: whom we ask just now.
        quickest: seconds the source took at least for a first chunk.
        passed_over: who is not asked, and until when.
        lacking: who said that it is not there.
        liars: who brought a chunk that is none of this file.
        audience: for whom it is; nobody else is asked, or hears that there is such a file.
    """

    mid: MessageId
    file: FileId
    size: int
    count: int
    author: MemberId
    have: int
    source: MemberId | None = None
    asked: tuple[Asked, ...] = ()
    window: int = FIRST_WINDOW
    quickest: float | None = None
    passed_over: Mapping[MemberId, Instant] = field(factory=dict)
    lacking: frozenset[MemberId] = frozenset()
    liars: frozenset[MemberId] = frozenset()
    audience: Audience = Audience.CIRCLE

    @property
    def missing(self) -> int:
        """The places that are not here."""
        return ((1 << self.count) - 1) & ~self.have

    @property
    def under_way(self) -> int:
        """The places asked for and not answered."""
        bits = 0
        for one in self.asked:
            bits |= one.left
        return bits


@frozen(slots=False)
class Serving:
    """What one member wants of us.

    Attributes:
        waiting: what was asked for and not read from the vault yet.
        is_loading: some of it is on its way from the vault.
        given: how often each chunk of a file went to this member since `since`.
        total: how many chunks that were in all.
    """

    since: Instant
    waiting: tuple[tuple[FileId, int], ...] = ()
    is_loading: bool = False
    given: Mapping[FileId, bytes] = field(factory=dict)
    total: int = 0
