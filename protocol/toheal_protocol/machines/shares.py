"""Shares: what was asked to be shown outside, and what its author said to that.

Spec: docs/protocol/consent.md.
"""

from __future__ import annotations

from enum import StrEnum

from attrs import field, frozen

from toheal_protocol.model import MemberId, MessageId, WallTime


class ShareState(StrEnum):
    """What became of an asking. That its time is over is seen from `not_after`."""

    ASKED = "asked"
    GRANTED = "granted"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


@frozen
class Share:
    """One asking.

    Attributes:
        serial: 16 bytes that name it.
        other: who was asked, if `is_ours`; else who asks us.
        excerpt: the words it is about; gone once the answer was no, or a yes was taken back.
        signature: of the receipt, once granted.
    """

    serial: bytes
    mid: MessageId
    other: MemberId
    is_ours: bool
    excerpt: str = field(repr=False)
    audience: str = field(repr=False)
    purpose: str = field(repr=False)
    not_after: WallTime
    state: ShareState = ShareState.ASKED
    signature: bytes = field(default=b"", repr=False)
