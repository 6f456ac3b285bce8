"""Silences: what is kept of the acts that took a member's voice, and of their end.

Spec: docs/protocol/circle.md, section 7.
"""

from __future__ import annotations

from attrs import frozen

from toheal_protocol.model import Audience, OperationId


@frozen
class Return:
    """From where on somebody's words were written knowing that an act against them was over."""

    act: OperationId
    audience: Audience
    author_seq: int


@frozen
class Unjudged:
    """Words that were shown while an operation of their view was missing."""

    audience: Audience
    author_seq: int
    view: tuple[OperationId, ...]


@frozen
class Silenced:
    """An act that took somebody's voice towards one audience, and from where on it is back.

    Attributes:
        act: the removal, or the role of a listener.
        heard: their words up to this number count: for the circle as the act says, for the
            facilitators as far as this device had read them when it took the act.
        resumed: so do those from this number on, written knowing the act and by somebody who may;
            0: none yet.
    """

    act: OperationId
    audience: Audience
    heard: int
    resumed: int = 0

    def covers(self, audience: Audience, author_seq: int) -> bool:
        """Say whether words to this audience with this number do not count."""
        is_after = audience is self.audience and author_seq > self.heard
        return is_after and not 0 < self.resumed <= author_seq
