"""One link: what goes over one channel to one peer, from the opening proof to the last frame.

```
             proof fits                 both sides drained
Opening ---------------------> Open ---------------------> Ended
   |  no proof, or a wrong one   |  silence, broken rules     ^
   +-----------------------------+----------------------------+
```

The machine seals and opens records, keeps within the peer's credit, makes the peer keep within
ours, notices when it has fallen silent, and lets both take everything before the channel closes.
It leaves to its shell: the channel, the queue of frames before it, and handing frames on.

Every record comes once and in order, because the channel is ordered and reliable; one that does
not open ends the link. A repeated event is harmless except `RecordArrived` and `Consumed`, which
the shell gives once each.

Spec: docs/protocol/link.md, sections 4 to 6.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, assert_never

from attrs import field, frozen

from toheal_protocol.changing import changed
from toheal_protocol.crypto import equal
from toheal_protocol.errors import LocalError, MalformedFrame, RemoteError
from toheal_protocol.machines.link_parts import (
    Inbound,
    Outbound,
    Pulse,
    allow,
    answer_ping,
    consume,
    doubt,
    ping,
    receive_piece,
    transmit,
    transmit_stream,
)
from toheal_protocol.model import Frame, Instant
from toheal_protocol.wire.link_record import (
    Credit,
    Drain,
    Drained,
    LinkKeys,
    Piece,
    Ping,
    Pong,
    open_record,
    opening_proof,
    write_stream,
)
from toheal_protocol.wire.link_record import Opening as OpeningRecord

OPENING_LONGEST: Final = 5.0
"""Seconds for the peer's proof after the channel is open. It is sent at once, so one slow round trip."""


class Ending(Enum):
    """Why a link is over. For ourselves: the peer sees a closed channel, whatever the reason."""

    DRAINED = "both sides took everything"
    LOST = "the channel was lost"
    SILENT = "the peer fell silent"
    UNPROVEN = "the peer did not prove itself in time"
    BROKE_RULES = "the peer broke the rules"
    LEFT = "we left"


@frozen
class RecordArrived:
    """The channel brought one message."""

    sealed: bytes


@frozen
class FramesReady:
    """Frames wait, and the channel has room for them."""

    frames: tuple[Frame, ...] = field(repr=False)


@frozen
class Consumed:
    """The frames of a `Deliver` were taken over."""

    size: int
    """That effect's `size`."""


@frozen
class DrainAsked:
    """No frame follows: everything before this was given with `FramesReady`."""


@frozen
class Doubted:
    """Something happened that may have ended the way to the peer."""

    progress: int = 0
    """As in `Woke`."""


@frozen
class Woke:
    """The instant of `WakeAt` has come."""

    progress: int = 0
    """The channel's: another number than before says that the peer took more of what was sent."""


@frozen
class ChannelLost:
    """The channel is gone."""


Event = RecordArrived | FramesReady | Consumed | DrainAsked | Doubted | Woke | ChannelLost


@frozen
class Transmit:
    """Give these records to the channel, in this order."""

    records: tuple[bytes, ...]


@frozen
class Deliver:
    """Hand these frames on, in this order, and say `Consumed` when they were taken over."""

    frames: tuple[Frame, ...] = field(repr=False)
    size: int
    """Bytes of the peer's stream they took."""


@frozen
class WakeAt:
    """Give `Woke` at this instant. The latest one replaces all earlier ones."""

    at: Instant


@frozen
class Opened:
    """The peer has proved itself; frames may flow."""


@frozen
class PeerDrains:
    """The peer sends no more frames and waits for ours to end: give what is queued, then `DrainAsked`."""


@frozen
class Close:
    """Close the channel, once what was transmitted has left."""

    ending: Ending


Effect = Transmit | Deliver | WakeAt | Opened | PeerDrains | Close


@frozen
class Opening:
    """We have sent our proof and wait for the peer's."""

    keys: LinkKeys
    outbound: Outbound
    expected: bytes = field(repr=False)
    deadline: Instant


@frozen(slots=False)
class Open:
    """Frames flow."""

    outbound: Outbound
    inbound: Inbound
    pulse: Pulse


@frozen
class Ended:
    """The link is over, for good: the next one has other keys."""

    ending: Ending


State = Opening | Open | Ended
Step = tuple[State, tuple[Effect, ...]]


def begin(keys: LinkKeys, *, exporter: bytes, now: Instant) -> Step:
    """Start a link on a channel that has just opened.

    Args:
        keys: of this connection alone.
        exporter: 32 bytes of the channel's keying material.
        now: monotonic seconds.
    """
    ours = opening_proof(keys, exporter, by_controlling=keys.controlling)
    expected = opening_proof(keys, exporter, by_controlling=not keys.controlling)
    outbound, records = transmit(Outbound(keys.send), OpeningRecord(ours))
    deadline = Instant(now + OPENING_LONGEST)
    state = Opening(keys, outbound, expected, deadline)
    return state, (Transmit(records), WakeAt(deadline))


def step(state: State, event: Event, *, now: Instant) -> Step:
    """Take one event and return the next state and what to do, in this order.

    Bytes that break the rules are no exception here: they end the link.

    Raises:
        LocalError: frames after `DrainAsked` or before `Opened`, or more consumed than delivered.
    """
    match state:
        case Opening():
            return _step_opening(state, event, now)
        case Open():
            try:
                return _step_open(state, event, now)
            except RemoteError:
                return _end(Ending.BROKE_RULES)
        case Ended():
            return state, ()
        case _:
            assert_never(state)


def can_send(state: State) -> bool:
    """Tell whether `FramesReady` would send something now."""
    return isinstance(state, Open) and state.outbound.can_send


def _step_opening(state: Opening, event: Event, now: Instant) -> Step:
    match event:
        case RecordArrived(sealed):
            if not _is_proof(state, sealed):
                return _end(Ending.UNPROVEN)
            inbound = Inbound(state.keys.receive, opened=1)
            pulse, number = ping(Pulse(ping_at=now, pinged_at=now), now)
            outbound, records = transmit(state.outbound, number)
            opened = Open(outbound, inbound, pulse)
            return opened, (Opened(), Transmit(records), WakeAt(pulse.wake_at))
        case Woke():
            if now >= state.deadline:
                return _end(Ending.UNPROVEN)
            return state, (WakeAt(state.deadline),)
        case ChannelLost():
            return _end(Ending.LOST)
        case DrainAsked():
            return _end(Ending.LEFT)
        case Doubted():
            return state, ()  # its proof has to come soon anyway
        case FramesReady() | Consumed():
            raise LocalError("a link carries nothing before it is open")
        case _:
            assert_never(event)


def _is_proof(state: Opening, sealed: bytes) -> bool:
    try:
        record = open_record(state.keys.receive, 0, sealed)
    except RemoteError:
        return False
    return isinstance(record, OpeningRecord) and equal(record.proof, state.expected)


def _step_open(state: Open, event: Event, now: Instant) -> Step:
    match event:
        case RecordArrived(sealed):
            return _receive(state, sealed, now)
        case FramesReady(frames):
            outbound, records = transmit_stream(state.outbound, write_stream(frames))
            return changed(state, outbound=outbound), (Transmit(records),) if records else ()
        case Consumed(size):
            inbound, credit = consume(state.inbound, size)
            return _settle(changed(state, inbound=inbound), *credit)
        case DrainAsked():
            outbound = changed(state.outbound, is_draining=True)
            return _settle(changed(state, outbound=outbound))
        case Doubted(progress):
            return _doubt(state, progress, now)
        case Woke(progress):
            return _wake(state, progress, now)
        case ChannelLost():
            return _end(Ending.LOST)
        case _:
            assert_never(event)


def _receive(state: Open, sealed: bytes, now: Instant) -> Step:
    inbound, pulse = state.inbound, state.pulse.heard()
    record = open_record(inbound.key, inbound.opened, sealed)
    inbound = changed(inbound, opened=inbound.opened + 1)
    state = Open(state.outbound, inbound, pulse)
    match record:
        case Piece(stream):
            inbound, frames, size = receive_piece(inbound, stream)
            delivered = (Deliver(frames, size),) if frames else ()
            return changed(state, inbound=inbound), delivered
        case Credit(total):
            outbound, records = allow(state.outbound, total)
            return _settle(changed(state, outbound=outbound), sent=records)
        case Ping(number):
            pulse = answer_ping(pulse)
            return _settle(changed(state, pulse=pulse), Pong(number))
        case Pong(number):
            return changed(state, pulse=pulse.answered(number, now)), ()
        case Drain():
            return _begin_peer_drain(state)
        case Drained():
            if not state.outbound.has_said_drain:
                raise MalformedFrame("an answer to a question that was not asked")
            return _settle(changed(state, outbound=changed(state.outbound, is_drained=True)))
        case OpeningRecord():
            raise MalformedFrame("a second opening")
        case _:
            assert_never(record)


def _begin_peer_drain(state: Open) -> Step:
    if state.inbound.partial or state.inbound.peer_drains:
        raise MalformedFrame("a stream that ends inside a frame, or twice")
    inbound = changed(state.inbound, peer_drains=True)
    settled, effects = _settle(changed(state, inbound=inbound))
    return settled, (PeerDrains(), *effects)


def _settle(state: Open, *answers: Credit | Pong, sent: tuple[bytes, ...] = ()) -> Step:
    """Send answers, and whatever the drain's handshake owes by now; end when it is complete."""
    outbound, inbound = state.outbound, state.inbound
    owed: list[Credit | Pong | Drain | Drained] = list(answers)
    if outbound.owes_drain:
        owed.append(Drain())
        outbound = changed(outbound, has_said_drain=True)
    if inbound.owes_drained:
        owed.append(Drained())
        inbound = changed(inbound, has_said_drained=True)
    outbound, records = transmit(outbound, *owed)
    effects: tuple[Effect, ...] = (Transmit(sent + records),) if sent or records else ()
    if outbound.is_drained and inbound.has_said_drained:
        ended, closing = _end(Ending.DRAINED)
        return ended, effects + closing
    return Open(outbound, inbound, state.pulse), effects


def _wake(state: Open, progress: int, now: Instant) -> Step:
    pulse = state.pulse
    if pulse.is_silent(now):
        if progress == pulse.progress:
            return _end(Ending.SILENT)
        pulse = pulse.moved(progress, now)
    if now < pulse.ping_at:
        return changed(state, pulse=pulse), (WakeAt(pulse.wake_at),)
    pulse, number = ping(pulse, now, progress)
    outbound, records = transmit(state.outbound, number)
    return Open(outbound, state.inbound, pulse), (Transmit(records), WakeAt(pulse.wake_at))


def _doubt(state: Open, progress: int, now: Instant) -> Step:
    pulse, question = doubt(state.pulse, now, progress)
    if question is None:
        return state, ()
    outbound, records = transmit(state.outbound, question)
    return Open(outbound, state.inbound, pulse), (Transmit(records), WakeAt(pulse.wake_at))


def _end(ending: Ending) -> Step:
    return Ended(ending), (Close(ending),)
