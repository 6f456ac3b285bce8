"""Silences: what is kept of the acts that took a member's voice, and of their end.

Spec: docs/protocol/circle.md, section 7.
"""

from __future__ import annotations

from attrs import frozen

from toheal_protocol.model import OperationId


@frozen
class Return:
    """From where on somebody's words were written knowing that an act against them was over."""

    act: OperationId
    author_seq: int


@frozen
class Silenced:
    """An act that took somebody's voice, and from where on their words count again.

    Attributes:
        act: the removal, or the role of a listener.
        heard: their words up to this number count.
        resumed: so do those from this number on, written knowing the act and by somebody who may;
            0: none yet.
    """

    act: OperationId
    heard: int
    resumed: int = 0

    def covers(self, author_seq: int) -> bool:
        """Say whether words with this number do not count."""
        return author_seq > self.heard and not 0 < self.resumed <= author_seq
