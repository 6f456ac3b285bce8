"""What can happen to a circle about files, and what it asks of the vault for them.

All of it is part of `events.Event` and `events.Effect`, and is imported from there.
"""

from __future__ import annotations

from attrs import field, frozen

from toheal_protocol.messages.attachment import AttachmentBody
from toheal_protocol.messages.file_tree import FileId
from toheal_protocol.model import Audience, MemberId, MessageId

# ---- events


@frozen
class Attached:
    """The person attaches a file; its chunks are in the vault already."""

    body: AttachmentBody = field(repr=False)
    audience: Audience = Audience.CIRCLE
    reply: MessageId | None = None


@frozen
class FetchAsked:
    """The person wants a file.

    Attributes:
        have: the places whose chunks are in the vault, as bits of a number.
        audience: who may have it beside its author: nobody else is asked for it.
    """

    mid: MessageId
    file: FileId = field(repr=False)
    size: int
    author: MemberId
    have: int
    audience: Audience = Audience.CIRCLE


@frozen
class FetchStopped:
    """The person does not wait for it any more, or has it."""

    mid: MessageId


@frozen
class AttachmentDropped:
    """The person wants the room that a file takes; its message stays."""

    mid: MessageId


@frozen
class LoadedChunk:
    """One chunk as the vault has it."""

    place: int
    proof: tuple[bytes, ...] = field(repr=False)
    sealed: bytes = field(repr=False)


@frozen
class ChunksLoaded:
    """What `LoadChunks` asked for, as far as it is there and the way to the member still is.

    Attributes:
        is_missing: some of it is not here.
    """

    member: MemberId
    file: FileId = field(repr=False)
    found: tuple[LoadedChunk, ...]
    is_missing: bool


FileEvent = Attached | FetchAsked | FetchStopped | AttachmentDropped | ChunksLoaded


# ---- effects


@frozen
class LoadChunks:
    """Read these chunks once nothing waits to go to this member, and answer with `ChunksLoaded`."""

    member: MemberId
    file: FileId = field(repr=False)
    places: tuple[int, ...]
