"""A decision while it is being made.

A step touches several parts of a circle. Inside the step they are gathered here; outside it is
still a plain function from one frozen state to the next. `attempt` takes everything back when a
frame turns out to break the rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from attrs import frozen

from toheal_protocol.changing import changed
from toheal_protocol.crypto import Entropy
from toheal_protocol.errors import LocalError, RemoteError
from toheal_protocol.machines.events import Effect, WakeAt
from toheal_protocol.machines.records import PutCircle, PutLog, PutPair, Write
from toheal_protocol.machines.state import Circle, Cold, Courier, Log, Pair, Peer
from toheal_protocol.machines.storing import encode_cold, encode_log, encode_pair
from toheal_protocol.membership import Ledger
from toheal_protocol.model import Instant, MemberId, WallTime


@frozen(slots=False)
class Decision:
    """What a step decided: the next state, what to write first, and what to do then."""

    circle: Circle
    writes: tuple[Write, ...]
    effects: tuple[Effect, ...]


class _Attempt:
    """What `Draft.attempt` returns: a class, because a generator costs each frame three times more."""

    __slots__ = ("_before", "_draft")

    def __init__(self, draft: Draft) -> None:
        self._draft = draft

    def __enter__(self) -> None:
        at = self._draft
        self._before = (at.cold, at.log, at.pairs, at.live, len(at.writes), len(at.effects))

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, _: object
    ) -> None:
        if isinstance(raised, RemoteError):
            at = self._draft
            at.cold, at.log, at.pairs, at.live, writes, effects = self._before
            del at.writes[writes:]
            del at.effects[effects:]


class Draft:
    """The state of one step between its event and its decision."""

    def __init__(
        self, circle: Circle, *, now: Instant, wall_now: WallTime, entropy: Entropy
    ) -> None:
        self.before = circle
        self.cold: Cold = circle.cold
        self.log: Log = circle.log
        self.pairs: Mapping[MemberId, Pair] = circle.pairs
        self.live = circle.live
        self.now = now
        self.wall_now = wall_now
        self.entropy = entropy
        self.writes: list[Write] = []
        self.effects: list[Effect] = []
        self.ledger: tuple[tuple[bytes, ...], Ledger] | None = None
        """Operations, and what they were read as: kept by `ledgers` while the step lasts."""

    # -- reading

    @property
    def our_id(self) -> MemberId:
        """Our own member id in this circle."""
        return self.cold.persona.keys.member_id

    def peer(self, member: MemberId) -> Peer:
        """Return the cold part of a peer; asking for one that is not there is a bug."""
        try:
            return self.cold.peers[member]
        except KeyError:
            raise LocalError("no such peer in this circle") from None

    def pair(self, member: MemberId) -> Pair:
        """Return the pair, an empty one at first."""
        return self.pairs.get(member) or Pair()

    def courier(self, member: MemberId) -> Courier:
        """Return the courier, an idle one at first."""
        return self.live.couriers.get(member) or Courier()

    def circle(self) -> Circle:
        """Return the circle as it is by now."""
        return Circle(self.cold, self.log, self.pairs, self.live)

    # -- changing

    def set_cold(self, **changes: Any) -> None:  # the class checks the names, not the types
        """Change the cold part."""
        self.cold = changed(self.cold, **changes)

    def set_live(self, **changes: Any) -> None:
        """Change the live part."""
        self.live = changed(self.live, **changes)

    def set_peer(self, member: MemberId, peer: Peer) -> None:
        """Put one peer in place."""
        self.cold = changed(self.cold, peers={**self.cold.peers, member: peer})

    def change_peer(self, member: MemberId, **changes: Any) -> Peer:
        """Change fields of one peer and return it."""
        peer = changed(self.peer(member), **changes)
        self.set_peer(member, peer)
        return peer

    def set_pair(self, member: MemberId, pair: Pair) -> None:
        """Put one pair in place."""
        self.pairs = {**self.pairs, member: pair}

    def set_courier(self, member: MemberId, courier: Courier) -> None:
        """Put one courier in place."""
        self.live = changed(self.live, couriers={**self.live.couriers, member: courier})

    def change_courier(self, member: MemberId, **changes: Any) -> Courier:
        """Change fields of one courier and return it."""
        courier = changed(self.courier(member), **changes)
        self.set_courier(member, courier)
        return courier

    def write(self, record: Write) -> None:
        """Ask for a record to be written."""
        self.writes.append(record)

    def ask(self, effect: Effect) -> None:
        """Ask for something to be done once everything written is on disk."""
        self.effects.append(effect)

    def attempt(self) -> _Attempt:
        """Take back everything done inside when it ends in a `RemoteError`."""
        return _Attempt(self)

    # -- ending

    def decide(self, *, wake_at: Instant | None) -> Decision:
        """Return the decision: states that changed are written in full."""
        circle_id, before = self.cold.id, self.before
        states: list[Write] = []
        for member, pair in self.pairs.items():
            if before.pairs.get(member) is not pair:
                states.append(PutPair(circle_id, member, partial(encode_pair, pair)))
        if self.log is not before.log:
            states.append(PutLog(circle_id, partial(encode_log, self.log)))
        if self.cold is not before.cold:
            states.append(PutCircle(circle_id, encode_cold(self.cold)))
        self.effects.append(WakeAt(wake_at))
        return Decision(self.circle(), (*self.writes, *states), tuple(self.effects))
