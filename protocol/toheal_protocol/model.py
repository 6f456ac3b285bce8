"""The words of the protocol as types, so that mixing two of them does not compile.

Every kind of bytes has its own `NewType`; the size is in the docstring of the constant beside it.
Time comes in two kinds: `Instant` (monotonic seconds, never stored) and `WallTime` (whole seconds
since 1970-01-01 UTC, may be wrong by years).

Spec: docs/protocol/conventions.md, section 2.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Final, NewType

Instant = NewType("Instant", float)
"""Monotonic seconds. Means nothing after a restart, so it is never stored."""

WallTime = NewType("WallTime", int)
"""Whole seconds since 1970-01-01 UTC, as some clock tells them."""

MemberId = NewType("MemberId", bytes)
"""32 bytes: the hash of a persona's three public keys."""

CircleId = NewType("CircleId", bytes)
"""32 bytes: the hash of the circle's `create` operation."""

MessageId = NewType("MessageId", bytes)
"""32 bytes: the hash of a message's sealed common part (`mid` in the specification)."""

OperationId = NewType("OperationId", bytes)
"""32 bytes: the hash of a membership operation."""

Frame = NewType("Frame", bytes)
"""One sealed, padded unit on the wire."""

Address = NewType("Address", bytes)
"""16 bytes: where a mailbox is, `H(read key)[:16]`."""

DepositToken = NewType("DepositToken", bytes)
"""16 bytes: what a sender shows to put a frame into a mailbox."""


class Role(StrEnum):
    """What a member does in the circle."""

    FACILITATOR = "facilitator"
    MEMBER = "member"
    LISTENER = "listener"


class Audience(IntEnum):
    """Whom a message is for. A higher number is a narrower audience."""

    CIRCLE = 0
    FACILITATORS = 1
    """Who facilitates in the membership the message names; its author keeps a copy."""

    __hash__ = int.__hash__
    """That of an enumeration is a function of Python's, and streams are looked up a dozen times a message."""


ID_SIZE: Final = 32
"""Bytes of a member, circle, message or operation id."""

ADDRESS_SIZE: Final = 16
"""Bytes of a mailbox address."""

TOKEN_SIZE: Final = 16
"""Bytes of a deposit token."""

DEFAULT_TERM: Final = 28 * 24 * 3600
"""Seconds for which somebody facilitates unless the circle says otherwise."""

MAX_MEMBERS: Final = 24
"""Members a circle can hold. Above that pairwise sealing costs more than a circle can use."""

MAX_FRAME_SIZE: Final = 96 * 1024
"""Bytes a frame may have at all: the largest envelope (64 kB bucket) with its wrap and room to grow."""

MAX_NAME_LENGTH: Final = 48
"""Characters of a nickname or a circle's name."""

MAX_TEXT_SIZE: Final = 60_000
"""UTF-8 bytes of one message's text: what fits the largest padding bucket with its references."""
