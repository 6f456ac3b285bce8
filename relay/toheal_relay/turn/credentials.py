"""Credentials for an hour: a name that says when it ends, and the password that belongs to it.

Nothing about them is kept. Whoever knows the secret can tell a good name and password from a
forged one, so the same secret in a file lets a coturn elsewhere take what this relay hands out.

Spec: docs/protocol/mailboxes.md, section 5.4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import define, field

from toheal_protocol.crypto.turn import turn_password
from toheal_protocol.model import WallTime
from toheal_protocol.wire.turn_grant import TurnGrant, TurnServer

SECRET_SIZE: Final = 32
"""Bytes of a secret we draw."""

LIFE: Final = 3600
"""Seconds a name is good for: a client asks again before that. Only new requests need it; what was
allocated before ends with its own, shorter lifetime."""

_NAME_SIZE: Final = 8
"""Random bytes of a name: nobody meets somebody else's by accident, and it names nobody."""

_LONGEST_EXPIRY: Final = 12
"""Digits of an expiry: more seconds than anybody will live to see."""


@define(eq=False)
class Credentials:
    """Hands out names and passwords, and knows its own again.

    Args:
        secret: what passwords follow from; at least 16 bytes.
        servers: where they can be used, the one to try first in front.
        draw: gives fresh random bytes.
        wall_clock: tells the time of day, which is what a coturn elsewhere goes by.
    """

    secret: bytes = field(repr=False)
    servers: tuple[TurnServer, ...]
    draw: Callable[[int], bytes]
    wall_clock: Callable[[], WallTime]

    def grant(self, number: int) -> TurnGrant:
        """Make the answer to the `AskTurn` with this number."""
        expiry = self.wall_clock() + LIFE
        username = f"{expiry}:{self.draw(_NAME_SIZE).hex()}"
        password = turn_password(self.secret, username)
        return TurnGrant(number, LIFE, username, password, self.servers)

    def password_of(self, username: bytes) -> str | None:
        """Return the password of a name whose time is not over; None for any other bytes."""
        expiry, colon, _ = username.partition(b":")
        if not colon or not expiry.isdigit() or len(expiry) > _LONGEST_EXPIRY:
            return None
        if int(expiry) <= self.wall_clock() or not username.isascii():
            return None
        return turn_password(self.secret, username.decode("ascii"))
