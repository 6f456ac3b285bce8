"""Opening one message of the peer's.

The header says which chain a message belongs to, and its seal covers the whole message. So bytes
that were changed on the way are refused before any key is walked to, and two *different* messages
with one number are proof of a fork, not something a stranger could stage.

Every path works on new values only: a message that is refused leaves the caller's session as it was.

Spec: docs/protocol/ratchet.md, sections 4.3, 6 and 7. Vectors: tests/vectors/ratchet.json.
"""

from __future__ import annotations

from toheal_protocol.changing import changed
from toheal_protocol.crypto import Entropy
from toheal_protocol.errors import (
    ForgedMessage,
    MalformedFrame,
    RemoteError,
    ReplayedMessage,
    TooFarAhead,
)
from toheal_protocol.model import WallTime
from toheal_protocol.ratchet.header import Identified, split_sealed
from toheal_protocol.ratchet.keys import advance_chain
from toheal_protocol.ratchet.past import (
    ForkedSession,
    PastChain,
    SeenMessages,
    end_chain,
    mark_of,
    newest_first,
    remember,
)
from toheal_protocol.ratchet.sealing import LAST_NUMBER
from toheal_protocol.ratchet.skipped import MAX_SKIP, SkippedKeys, walk_chain
from toheal_protocol.ratchet.state import (
    KEM_AFTER_MESSAGES,
    Answering,
    Awaiting,
    Receiving,
    Sending,
    Session,
)
from toheal_protocol.ratchet.stepping import take_their_step


def open_message(
    session: Session, sealed: bytes, associated: bytes, *, entropy: Entropy, now: WallTime
) -> tuple[Session, bytes]:
    """Open one message of the peer's, in whatever order they come.

    Opening is repeatable: it draws nothing, because our own step waits for the next `seal_message`.

    Args:
        session: ours.
        sealed: any bytes.
        associated: the bytes the peer sealed the message with.
        entropy: given to every act of a session alike; this one leaves it untouched.
        now: skipped keys live from here for 14 days.

    Returns:
        The next session, which can no longer open this message, and what it says.

    Raises:
        MalformedFrame: not the layout of a sealed message.
        ForgedMessage: it fits no key we hold: changed, foreign, or so late that its key is forgotten.
        ReplayedMessage: a message with this number was opened before, and no other is known.
        ForkedSession: the peer's home runs twice.
        TooFarAhead: more than `MAX_SKIP` messages are missing before it.

    Spec: docs/protocol/ratchet.md, section 4.3. Vectors: tests/vectors/ratchet.json.
    """
    arrived = split_sealed(sealed, associated)
    newest, ours = session.receiving, session.ours
    if newest is not None:
        if (message := arrived.try_header(newest.header_key)) is not None:
            return _open_in_newest(session, newest, message, now=now)
    if not isinstance(ours, Answering):  # the peer cannot step again before we have answered
        if (message := arrived.try_header(session.next_to_receive)) is not None:
            return _open_in_next(session, ours, message, now=now)
    for past in newest_first(session.past):
        if (message := arrived.try_header(past.header_key)) is not None:
            return _open_in_past(session, past, message, now=now)
    raise ForgedMessage("a message that fits no chain of this session")


def _open_in_newest(
    session: Session, newest: Receiving, message: Identified, *, now: WallTime
) -> tuple[Session, bytes]:
    header = message.header
    if header.dh != newest.dh:
        raise ForkedSession("two ratchet keys under one header key")
    if header.number < newest.number:
        return _open_late(session, newest.serial, message, now=now)
    _check_gap(newest.number, header.number)
    return _open_ahead(session, newest, message, now=now)


def _open_in_next(
    session: Session, ours: Awaiting | Sending, message: Identified, *, now: WallTime
) -> tuple[Session, bytes]:
    header, before = message.header, session.receiving
    _check_gap(0, header.number)
    if before is None:
        if header.previous:
            raise MalformedFrame("a first chain that names a chain before it")
    elif header.previous < before.number:
        raise ForkedSession("a chain that went on after its end")
    else:
        _check_gap(before.number, header.previous)
    stepped, newest = take_their_step(session, ours, header, now=now)
    if before is not None:
        stepped = _end(stepped, before, header.previous, now=now)
    return _open_ahead(stepped, newest, message, now=now)


def _open_in_past(
    session: Session, past: PastChain, message: Identified, *, now: WallTime
) -> tuple[Session, bytes]:
    if message.header.dh != past.dh:
        raise ForkedSession("two ratchet keys under one header key")
    if message.header.number >= past.end:
        raise ForkedSession("a chain that went on after its end")
    return _open_late(session, past.serial, message, now=now)


def _open_ahead(
    session: Session, newest: Receiving, message: Identified, *, now: WallTime
) -> tuple[Session, bytes]:
    """Open the next message of the newest chain, or one after a gap."""
    skipped, chain_key = session.skipped.without_expired(now), newest.chain_key
    number = message.header.number
    if number > newest.number:
        chain_key, keys = walk_chain(chain_key, number - newest.number)
        skipped = skipped.keep(newest.serial, newest.number, keys, now=now)
    chain_key, message_key = advance_chain(chain_key)
    plain = message.open_body(message_key)
    opened = changed(
        session,
        receiving=changed(newest, chain_key=chain_key, number=number + 1),
        skipped=skipped,
        seen=remember(session.seen, newest.serial, number, message.mark),
        kem_age=min(session.kem_age + 1, KEM_AFTER_MESSAGES),
    )
    return opened, plain


def _open_late(
    session: Session, chain: int, message: Identified, *, now: WallTime
) -> tuple[Session, bytes]:
    """Open a message whose chain has gone past it, or say why that is not possible."""
    number = message.header.number
    skipped = session.skipped.without_expired(now)
    taken = skipped.take(chain, number)
    if taken is None:
        raise _why_not(session.seen, skipped, chain, message)
    skipped, message_key = taken
    plain = message.open_body(message_key)
    opened = changed(
        session,
        skipped=skipped,
        seen=remember(session.seen, chain, number, message.mark),
        kem_age=min(session.kem_age + 1, KEM_AFTER_MESSAGES),
    )
    return opened, plain


def _why_not(
    seen: SeenMessages, skipped: SkippedKeys, chain: int, message: Identified
) -> RemoteError:
    """Tell a fork from a repeat from a message whose key we forgot unused."""
    number = message.header.number
    seen_mark = mark_of(seen, chain, number)
    if seen_mark is not None and seen_mark != message.mark:
        return ForkedSession("two messages with one number")
    if seen_mark is None and skipped.may_have_forgotten(chain, number):
        return ForgedMessage("a message that came after its key was forgotten")
    return ReplayedMessage("a message whose key was used before")


def _end(session: Session, before: Receiving, end: int, *, now: WallTime) -> Session:
    """Close the peer's chain before this one: keep the keys of what is still under way."""
    _, keys = walk_chain(before.chain_key, end - before.number)
    skipped = session.skipped.keep(before.serial, before.number, keys, now=now)
    ended = PastChain(before.serial, end, before.header_key, before.dh)
    past, skipped = end_chain(session.past, skipped, ended)
    return changed(session, past=past, skipped=skipped)


def _check_gap(number: int, upto: int) -> None:
    if upto > LAST_NUMBER or upto - number > MAX_SKIP:
        raise TooFarAhead("more messages are missing than keys are kept")
