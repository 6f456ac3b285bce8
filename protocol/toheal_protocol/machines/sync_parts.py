"""What a circle knows of the logs of others, and what is asked for just now.

Spec: docs/protocol/sync.md.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from toheal_protocol.machines.streams import Position, Stream
from toheal_protocol.messages.asking import Asked, Range
from toheal_protocol.model import Instant, MemberId, MessageId


@frozen
class Ask:
    """What we asked one member for, and until when we wait for something of it."""

    member: MemberId
    number: int
    until: Instant
    ranges: tuple[Range, ...] = ()
    mids: tuple[MessageId, ...] = ()
    has_gained: bool = False


@frozen
class Tried:
    """What a member was asked for in vain: up to which number, and until when it is not asked again."""

    last: int
    until: Instant


@frozen
class Answering:
    """How much more of their asks we answer a member: bytes, as of an instant.

    Attributes:
        is_looking: the vault is asked for what they asked.
        pending: what they asked meanwhile.
    """

    room: float
    at: Instant
    is_looking: bool = False
    pending: Asked | None = None


@frozen(slots=False)
class Sync:
    """What is known of the logs of others; nothing of it outlives the process.

    Attributes:
        told: heads beyond ours, by who told them.
        read: how far each member said to have read, once it compared with us.
        told_at: when our heads were told to a member last.
        said: the digest a member last heard from us, and when.
        ask: what is asked for just now.
        asks: how often we asked.
        ask_at: when to look what is missing and whom to ask.
        is_patient: authors who are there had time to bring theirs: anybody may be asked now.
        tried: streams and stories that a member was asked for in vain.
        wanted: stories that are asked for by their mid, and their streams.
        stories: how many were since the process began.
        answering: what members may ask of us still.
        differing: authors of whom the person was told that two stories differ.
    """

    told: Mapping[MemberId, Mapping[Stream, Position]] = field(factory=dict)
    read: Mapping[MemberId, Mapping[Stream, int]] = field(factory=dict)
    told_at: Mapping[MemberId, Instant] = field(factory=dict)
    said: Mapping[MemberId, tuple[bytes, Instant]] = field(factory=dict)
    ask: Ask | None = None
    asks: int = 0
    ask_at: Instant | None = None
    is_patient: bool = False
    tried: Mapping[tuple[MemberId, Stream | MessageId], Tried] = field(factory=dict)
    wanted: Mapping[MessageId, Stream] = field(factory=dict)
    stories: int = 0
    answering: Mapping[MemberId, Answering] = field(factory=dict)
    differing: frozenset[MemberId] = frozenset()
