"""The small numbers that stand for circles and members inside the store."""

from __future__ import annotations

from typing import cast

import apsw
from attrs import define, field

from toheal_protocol.model import CircleId, MemberId, MessageId


@define
class Numbers:
    """Looks numbers up, gives new ones, and remembers them.

    Belongs to one connection and is used in its thread only. After a transaction that was rolled
    back `forget` must be called: numbers given in it are not there.
    """

    _db: apsw.Connection
    _circles: dict[CircleId, int] = field(factory=dict, init=False)
    _peers: dict[tuple[CircleId, MemberId], int] = field(factory=dict, init=False)
    envelopes: dict[tuple[CircleId, MessageId], tuple[int, bytes]] = field(
        factory=dict, init=False, repr=False
    )
    """Position and common part of what this transaction has put; emptied before each one."""

    def circle(self, circle: CircleId) -> int:
        """Return the circle's number; a new one the first time."""
        number = self.find_circle(circle)
        if number is None:
            self._db.execute("INSERT INTO circles (circle) VALUES (?)", (circle,))
            number = self._circles[circle] = self._db.last_insert_rowid()
        return number

    def peer(self, circle: CircleId, member: MemberId) -> int:
        """Return the number of a member in a circle; a new one the first time."""
        number = self.find_peer(circle, member)
        if number is None:
            self._db.execute(
                "INSERT INTO peers (circle, member) VALUES (?, ?)", (self.circle(circle), member)
            )
            number = self._peers[circle, member] = self._db.last_insert_rowid()
        return number

    def find_circle(self, circle: CircleId) -> int | None:
        """Return the circle's number, or None if nothing was ever written of it."""
        number = self._circles.get(circle)
        if number is None:
            row = self._db.execute(
                "SELECT number FROM circles WHERE circle = ?", (circle,)
            ).fetchone()
            if row is None:
                return None
            number = self._circles[circle] = cast(int, row[0])
        return number

    def find_peer(self, circle: CircleId, member: MemberId) -> int | None:
        """Return the number of a member in a circle, or None."""
        number = self._peers.get((circle, member))
        if number is None:
            row = self._db.execute(
                "SELECT peers.number FROM peers JOIN circles ON circles.number = peers.circle"
                " WHERE circles.circle = ? AND peers.member = ?",
                (circle, member),
            ).fetchone()
            if row is None:
                return None
            number = self._peers[circle, member] = cast(int, row[0])
        return number

    def forget(self) -> None:
        """Remember nothing any more."""
        self._circles.clear()
        self._peers.clear()
        self.envelopes.clear()
