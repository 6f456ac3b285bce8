"""The three parts of an open link: what leaves, what arrives, and whether the peer is alive.

Each is a frozen value with the few functions that advance it. `machines/link.py` puts them
together; nothing else uses them.

Spec: docs/protocol/link.md, section 5.
"""

from __future__ import annotations

import math
from typing import Final

from attrs import field, frozen

from toheal_protocol.changing import changed
from toheal_protocol.crypto import SealKey
from toheal_protocol.errors import LocalError, MalformedFrame
from toheal_protocol.model import Frame, Instant
from toheal_protocol.wire.link_record import (
    Credit,
    Ping,
    Record,
    cut_pieces,
    encode_record,
    read_stream,
    seal_record,
)

WINDOW: Final = 256 * 1024
"""Bytes of the peer's stream we hold at most, part of a frame included. Above twice the largest
frame, so that credit can never run out inside one; and 96 KiB in flight never wait for it."""
GRANT_STEP: Final = 64 * 1024
"""Bytes consumed before new credit is worth a record."""
MAX_WAITING: Final = 512 * 1024
"""Bytes of our stream that may wait for the peer's credit. The shell stops far below."""
PING_EVERY: Final = 8.0
"""Seconds between two pings. SCTP alone notices a dead peer after half a minute, or never."""
SILENCE_LONGEST: Final = 8.0
"""Seconds without a sign of life after a ping: SCTP repeats a lost one three times until then. A
link that died idle is noticed after 16."""
DOUBT_LONGEST: Final = 2.5
"""Seconds for the answer to a ping of a link in doubt: one repeat of a lost packet on a bad line. A
link given up too soon costs a detour over the relay; one kept too long, everybody's patience."""
MAX_PINGS: Final = 32
"""Pings we answer between two of our own: each costs an answer that the peer may never take."""
_RTT_WEIGHT: Final = 0.25
"""Share of the newest measurement in the round trip we tell."""


@frozen(slots=False)
class Outbound:
    """What leaves: sealed with its own key, within the credit the peer gave."""

    key: SealKey = field(repr=False)
    sealed: int = 0
    """Records so far: the number of the next one."""
    streamed: int = 0
    """Bytes of our stream that have left."""
    granted: int = WINDOW
    """Bytes of our stream the peer takes in all, so far."""
    waiting: bytes = field(default=b"", repr=False)
    """Bytes of our stream beyond the credit."""
    is_draining: bool = False
    has_said_drain: bool = False
    is_drained: bool = False
    """The peer has taken everything."""

    @property
    def can_send(self) -> bool:
        """Whether more frames are welcome and some would leave at once."""
        return not self.waiting and not self.is_draining and self.streamed < self.granted

    @property
    def owes_drain(self) -> bool:
        """Whether our stream is over and the peer has not been told."""
        return self.is_draining and not self.waiting and not self.has_said_drain


@frozen(slots=False)
class Inbound:
    """What arrives: opened with its own key, within the credit we gave."""

    key: SealKey = field(repr=False)
    opened: int = 0
    """Records so far: the number of the next one."""
    partial: bytes = field(default=b"", repr=False)
    """The beginning of a frame whose rest has not arrived."""
    arrived: int = 0
    """Bytes of the peer's stream so far."""
    consumed: int = 0
    """Bytes of it that were taken over by whoever reads the link."""
    granted: int = WINDOW
    """Bytes of it we take in all, so far."""
    peer_drains: bool = False
    has_said_drained: bool = False

    @property
    def owes_drained(self) -> bool:
        """Whether the peer's stream is over, all of it was taken, and the peer was not told."""
        return self.peer_drains and self.consumed == self.arrived and not self.has_said_drained


@frozen(slots=False)
class Pulse:
    """Whether the peer is alive, and how far away."""

    ping_at: Instant
    """When the next ping is due."""
    pinged_at: Instant
    """When the latest one left."""
    number: int = 0
    """The latest ping's."""
    asked_at: Instant | None = None
    """When the first ping left since which nothing was heard. None while the peer speaks."""
    doubted_until: Instant | None = None
    """When the link is over unless the latest ping was answered. None where nobody doubts it."""
    progress: int = 0
    """Where the channel stood when the latest ping left, or a silence was forgiven."""
    answers: int = 0
    """Pings answered since our latest one."""
    round_trip: float | None = None
    """Seconds, smoothed over a few pings."""

    @property
    def wake_at(self) -> Instant:
        """When to look again."""
        return min(self.ping_at, self._deadline)

    def is_silent(self, now: Instant) -> bool:
        """Whether a ping was followed by nothing for too long."""
        return now >= self._deadline

    @property
    def _deadline(self) -> Instant:
        asked = math.inf if self.asked_at is None else self.asked_at + SILENCE_LONGEST
        doubted = math.inf if self.doubted_until is None else self.doubted_until
        return Instant(min(asked, doubted))

    def heard(self) -> Pulse:
        """Take any record as a sign of life."""
        return self if self.asked_at is None else changed(self, asked_at=None)

    def moved(self, progress: int, now: Instant) -> Pulse:
        """Wait anew: our ping is behind much else, of which the peer goes on taking."""
        asked = None if self.asked_at is None else now
        doubted = None if self.doubted_until is None else Instant(now + DOUBT_LONGEST)
        return changed(self, progress=progress, asked_at=asked, doubted_until=doubted)

    def answered(self, number: int, now: Instant) -> Pulse:
        """Measure with an answer to the latest ping; an answer to any other says nothing."""
        if number != self.number:
            return self
        measured = now - self.pinged_at
        known = measured if self.round_trip is None else self.round_trip
        trip = known + _RTT_WEIGHT * (measured - known)
        return changed(self, round_trip=trip, doubted_until=None)


def transmit(outbound: Outbound, *records: Record) -> tuple[Outbound, tuple[bytes, ...]]:
    """Seal short records that need no credit."""
    if not records:
        return outbound, ()
    return _seal_all(outbound, [encode_record(record) for record in records])


def transmit_stream(outbound: Outbound, stream: bytes) -> tuple[Outbound, tuple[bytes, ...]]:
    """Add to our stream and seal what the credit allows; the rest waits.

    Raises:
        LocalError: the stream is over, or too much waits already.
    """
    if outbound.is_draining and stream:
        raise LocalError("frames after the drain was asked for")
    stream = outbound.waiting + stream
    room = outbound.granted - outbound.streamed
    if len(stream) - room > MAX_WAITING:
        raise LocalError("more frames than a link keeps waiting")
    leaving = stream[:room]
    advanced = changed(outbound, waiting=stream[room:], streamed=outbound.streamed + len(leaving))
    return _seal_all(advanced, list(cut_pieces(leaving)))


def allow(outbound: Outbound, total: int) -> tuple[Outbound, tuple[bytes, ...]]:
    """Take the peer's credit and send what waited for it.

    Raises:
        MalformedFrame: it takes back what it gave.
    """
    if total < outbound.granted:
        raise MalformedFrame("credit that was taken back")
    return transmit_stream(changed(outbound, granted=total), b"")


def receive_piece(inbound: Inbound, stream: bytes) -> tuple[Inbound, tuple[Frame, ...], int]:
    """Take a piece of the peer's stream; return whole frames and the bytes of stream they took.

    Raises:
        MalformedFrame: beyond our credit or the stream's end, or no frames.
    """
    arrived = inbound.arrived + len(stream)
    if arrived > inbound.granted or inbound.peer_drains:
        raise MalformedFrame("more of a stream than was granted or announced")
    stream = inbound.partial + stream
    frames, partial = read_stream(stream)
    advanced = changed(inbound, arrived=arrived, partial=partial)
    return advanced, frames, len(stream) - len(partial)


def consume(inbound: Inbound, size: int) -> tuple[Inbound, tuple[Credit, ...]]:
    """Count what was taken over; return new credit when there is enough of it to be told."""
    consumed = inbound.consumed + size
    if consumed > inbound.arrived - len(inbound.partial):
        raise LocalError("more was consumed than was delivered")
    granted = consumed + WINDOW
    if granted < inbound.granted + GRANT_STEP:
        return changed(inbound, consumed=consumed), ()
    return changed(inbound, consumed=consumed, granted=granted), (Credit(granted),)


def ping(pulse: Pulse, now: Instant, progress: int = 0) -> tuple[Pulse, Ping]:
    """Ask the peer whether it is there. `progress` is the channel's (see `link.Woke`)."""
    asked = changed(
        pulse,
        number=(pulse.number + 1) % 2**32,
        pinged_at=now,
        asked_at=now if pulse.asked_at is None else pulse.asked_at,
        ping_at=Instant(now + PING_EVERY),
        progress=progress,
        answers=0,
    )
    return asked, Ping(asked.number)


def doubt(pulse: Pulse, now: Instant, progress: int) -> tuple[Pulse, Ping | None]:
    """Ask at once, and give it little time. None: that was done and is not decided yet."""
    if pulse.doubted_until is not None:
        return pulse, None
    asked, question = ping(pulse, now, progress)
    return changed(asked, doubted_until=Instant(now + DOUBT_LONGEST)), question


def answer_ping(pulse: Pulse) -> Pulse:
    """Count an answer.

    Raises:
        MalformedFrame: the peer asks far more often than it needs.
    """
    if pulse.answers >= MAX_PINGS:
        raise MalformedFrame("a flood of pings")
    return changed(pulse, answers=pulse.answers + 1)


def _seal_all(outbound: Outbound, plains: list[bytes]) -> tuple[Outbound, tuple[bytes, ...]]:
    first = outbound.sealed
    records = tuple(
        seal_record(outbound.key, number, plain) for number, plain in enumerate(plains, first)
    )
    return changed(outbound, sealed=first + len(records)), records
