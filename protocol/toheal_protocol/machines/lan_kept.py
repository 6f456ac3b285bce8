"""What is kept of a secret that finds members on a local network.

Spec: docs/protocol/lan.md, section 2.1.
"""

from __future__ import annotations

from attrs import field, frozen

from toheal_protocol.model import MemberId, WallTime


@frozen
class LanSecretKept:
    """A secret that finds members on a local network.

    Attributes:
        turn: counts the secrets of a circle.
        drawer: who drew it.
        without: marks of those who were gone when it was drawn, and do not have it.
        since: when we got it; for one that is not in use any more, since when.
    """

    value: bytes = field(repr=False)
    turn: int
    drawer: MemberId
    without: tuple[bytes, ...]
    since: WallTime
