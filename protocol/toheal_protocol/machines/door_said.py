"""What is kept of what was said at the door.

Spec: docs/protocol/circle.md, section 9.2.
"""

from __future__ import annotations

from attrs import field, frozen

from toheal_protocol.model import WallTime


@frozen
class DoorSaid:
    """A few words, by our person or by the one at the other side of the door."""

    is_mine: bool
    text: str = field(repr=False)
    at: WallTime
