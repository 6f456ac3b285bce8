"""Streams: what a circle's log is made of, and how far it is read.

An author counts what it says to the circle and what it says to the facilitators apart, so that
whoever has nothing to do with the second finds no gap in the first.

Spec: docs/protocol/circle.md, section 7.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from attrs import field, frozen

from toheal_protocol.envelope import Content, Parent
from toheal_protocol.model import Audience, Instant, MemberId, MessageId, WallTime

LEAP: Final = 1 << 16
"""An author who was restored from a backup goes on after a multiple of this, drawn at random."""


class Stream(NamedTuple):
    """What one author says to one audience: counted by itself, and followed by itself.

    A tuple, since it is a key: making and finding one takes a third of what it takes a class of attrs.
    """

    author: MemberId
    audience: Audience


class Position(NamedTuple):
    """The newest message of one stream that we have without a gap below."""

    seq: int
    mid: MessageId


def is_leap(at: int, seq: int, previous: MessageId | None) -> bool:
    """Say whether a number follows `at` as that of an author who was restored: nothing is sure between.

    Spec: docs/protocol/backup.md, section 6.1.
    """
    return previous is None and seq % LEAP == 1 and seq // LEAP > at // LEAP


class Newest(NamedTuple):
    """What the next message to one audience refers to: nothing in it is for fewer.

    Attributes:
        frontier: the newest messages, none of which is a parent of another.
        lamport: the highest number seen.
    """

    frontier: tuple[Parent, ...] = ()
    lamport: int = 0


@frozen
class Gap:
    """A gap that is shown, and which of its numbers are missing still.

    Attributes:
        first, last: the numbers it was shown for; they name its entry.
        missing: ranges of them, rising, both ends included.
        above: the mid of the last missing one, where its author named it; None: not known.
        is_quiet: nobody knows whether there was anything, so it is not shown.
    """

    first: int
    last: int
    missing: tuple[tuple[int, int], ...]
    above: MessageId | None = None
    is_quiet: bool = False


@frozen(slots=False)
class Log:
    """What the next message must refer to.

    Attributes:
        heads: how far each stream is read without a gap; our own included.
        newest: what the next message to each audience refers to.
        anchored: streams of which we have accepted a message. Of the others a welcome may have
            told a head: what was written above it before its author knew of us is not for us.
        gaps_shown: up to which of a stream's numbers a gap was shown: once for each message.
        gaps: what of them is missing still.
        unsure: streams whose newest message was passed on and not confirmed, and since which number.
        readers: whom the newest message of a narrower stream was for.
    """

    heads: Mapping[Stream, Position] = field(factory=dict)
    newest: Mapping[Audience, Newest] = field(factory=dict)
    anchored: frozenset[Stream] = frozenset()
    held: Mapping[MessageId, Held] = field(factory=dict)
    gaps_shown: Mapping[Stream, int] = field(factory=dict)
    gaps: Mapping[Stream, tuple[Gap, ...]] = field(factory=dict)
    unsure: Mapping[Stream, int] = field(factory=dict)
    readers: Mapping[Stream, frozenset[MemberId]] = field(factory=dict)

    def newest_for(self, audience: Audience) -> Newest:
        """Return what the next message to an audience refers to."""
        return self.newest.get(audience) or Newest()


class Taken(NamedTuple):
    """How many bytes of messages came from one member since an instant."""

    since: Instant
    size: int


@frozen
class Held:
    """A message whose parents have not come."""

    author: MemberId
    key: bytes = field(repr=False)
    common: bytes = field(repr=False)
    since: WallTime
    show_at: Instant | None = None
    """When it is shown with a gap before it. Set anew after a restart."""
    passed_on_by: MemberId | None = None
    content: Content | None = field(default=None, eq=False, repr=False)
    """What it says once opened; never stored."""
