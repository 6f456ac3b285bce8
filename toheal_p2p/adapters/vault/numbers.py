"""What every write asks of the store, kept in memory: the numbers of circles and members, and more."""

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
    _ages: tuple[int, int] | None = field(default=None, init=False)
    _has_undelivered: bool | None = field(default=None, init=False)
    envelopes: dict[tuple[CircleId, MessageId], tuple[int, bytes]] = field(
        factory=dict, init=False, repr=False
    )
    """Position and common part of what this transaction has put; emptied before each one."""

    def begin(self) -> None:
        """Forget what is remembered for one transaction only: another one begins."""
        self.envelopes.clear()
        self._has_undelivered = None

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

    def ages(self) -> tuple[int, int]:
        """Return how much time has passed, `seen` and `unseen`: each message is dated by it."""
        if self._ages is None:
            row = self._db.execute("SELECT seen, unseen FROM profile").fetchone()
            self._ages = cast("tuple[int, int]", row)
        return self._ages

    def forget_ages(self) -> None:
        """Read them anew next time: they are about to change."""
        self._ages = None

    def has_undelivered(self) -> bool:
        """Say whether anything was given up and is shown as undelivered: hardly ever."""
        if self._has_undelivered is None:
            row = self._db.execute("SELECT EXISTS (SELECT 1 FROM undelivered)").fetchone()
            self._has_undelivered = bool(row[0]) if row else False
        return self._has_undelivered

    def forget_undelivered(self) -> None:
        """Look anew next time: some are about to be noted in this transaction."""
        self._has_undelivered = None

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
        self._ages = None
        self._has_undelivered = None
        self.envelopes.clear()
