"""The note that takes the place of a message which never left. It is part of `notes`.

Spec: docs/protocol/circle.md, section 7.3.
"""

from __future__ import annotations

from attrs import frozen

from toheal_protocol.model import Audience, MessageId


@frozen
class Unsaid:
    """My message with this number was taken back before it was sent: nothing is missing there."""

    audience: Audience
    seq: int
    mid: MessageId
