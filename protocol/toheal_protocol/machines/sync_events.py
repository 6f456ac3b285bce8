"""What synchronising asks of the vault, and what comes back.

Spec: docs/protocol/sync.md, sections 3.2 and 6.
"""

from __future__ import annotations

from attrs import field, frozen

from toheal_protocol.crypto import SealKey
from toheal_protocol.machines.owed_frame import OwedFrame
from toheal_protocol.messages.asking import Asked
from toheal_protocol.model import Audience, MemberId, MessageId


@frozen
class FoundEntry:
    """One message as it is passed on."""

    author: MemberId
    mid: MessageId
    key: bytes = field(repr=False)
    common: bytes = field(repr=False)
    passed_on_by: MemberId | None = None


@frozen
class FoundEntries:
    """The first of what was asked for, in the order of acceptance; `upto`: the last one's place."""

    entries: tuple[FoundEntry, ...]
    has_more: bool
    upto: int


@frozen
class Story:
    """One of the messages with one number of one stream; who passed it on, if it was not its author."""

    mid: MessageId
    passed_on_by: MemberId | None


@frozen
class FindEntries:
    """Look for what a member asks: at most `limit` messages of `most` bytes, accepted after `after`."""

    member: MemberId
    asked: Asked
    after: int
    limit: int
    most: int


@frozen
class EntriesFound:
    """What `FindEntries` asked for."""

    member: MemberId
    asked: Asked
    found: FoundEntries


@frozen
class FindStories:
    """Look which messages have this number, to compare them with `mid`.

    Attributes:
        told_by: who says that there is a message `mid` with this number.
        is_by_author: `mid` is here, and came from the author.
    """

    author: MemberId
    audience: Audience
    seq: int
    mid: MessageId
    told_by: MemberId
    is_by_author: bool = False


@frozen
class BundleSealed:
    """A bundle's parts are sealed under a key drawn for it: its head is missing.

    `leaving` is what is in it and was never sealed: from now on it counts as having left.
    """

    member: MemberId
    generation: int
    key: SealKey = field(repr=False)
    index_code: int
    leaving: tuple[OwedFrame, ...] = field(default=(), repr=False)


@frozen
class BundleReady:
    """The sealed head of a bundle; the session's step is on disk."""

    member: MemberId
    sealed: bytes = field(repr=False)


@frozen
class BundleOpened:
    """A person brings a bundle that this member made."""

    member: MemberId
    sealed: bytes = field(repr=False)


@frozen
class ItemsBrought:
    """Some items of a bundle that this member made."""

    member: MemberId
    items: tuple[bytes, ...] = field(repr=False)


@frozen
class StoriesFound:
    """What `FindStories` asked for."""

    asked: FindStories
    stories: tuple[Story, ...]


SyncEvent = EntriesFound | StoriesFound | BundleSealed | BundleOpened | ItemsBrought
"""What can happen."""

SyncEffect = FindEntries | FindStories | BundleReady
"""What is asked of the world."""
