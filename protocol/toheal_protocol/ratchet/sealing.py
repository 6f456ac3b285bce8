"""Sealing one message for the peer.

Spec: docs/protocol/ratchet.md, section 4. Vectors: tests/vectors/ratchet.json.
"""

from __future__ import annotations

from typing import Final

from toheal_protocol.changing import changed
from toheal_protocol.crypto import NONCE_SIZE, TAG_SIZE, Entropy
from toheal_protocol.errors import LocalError
from toheal_protocol.model import MAX_FRAME_SIZE, WallTime
from toheal_protocol.ratchet.header import (
    ANSWERS,
    OFFERS,
    PLAIN_HEADER_SIZE,
    seal_parts,
    tail_size,
    write_header,
)
from toheal_protocol.ratchet.keys import advance_chain
from toheal_protocol.ratchet.state import KEM_AFTER_MESSAGES, Answering, Sending, Session
from toheal_protocol.ratchet.stepping import take_our_step

SEALED_OVERHEAD: Final = 1 + NONCE_SIZE + PLAIN_HEADER_SIZE + TAG_SIZE + TAG_SIZE
"""Bytes a sealed message has more than its plain, while no ML-KEM is under way: 97."""

MAX_PLAIN_SIZE: Final = MAX_FRAME_SIZE - SEALED_OVERHEAD - tail_size(OFFERS | ANSWERS)
"""Bytes one message can hold."""

LAST_NUMBER: Final = 2**32 - 2
"""The highest number a message can have; one more would not fit once it is counted on."""


def seal_message(
    session: Session, plain: bytes, associated: bytes, *, entropy: Entropy, now: WallTime
) -> tuple[Session, bytes]:
    """Seal one message for the peer.

    The caller commits the returned session before the message leaves, and never seals with
    `session` again: the key would be used twice.

    Args:
        session: ours; `can_send` is true.
        plain: at most `MAX_PLAIN_SIZE` bytes; their number shows.
        associated: not sent; the peer must bring the same bytes to open the message.
        entropy: a nonce each time; with a step also new keys.
        now: decides whether a step offers ML-KEM.

    Returns:
        The next session, and the message: 97 bytes more than `plain` has, and up to 2272 more
        while ML-KEM is under way.

    Raises:
        LocalError: the session cannot send yet, or `plain` is too long.

    Spec: docs/protocol/ratchet.md, section 4. Vectors: tests/vectors/ratchet.json.
    """
    if len(plain) > MAX_PLAIN_SIZE:
        raise LocalError("longer than one message can be")
    session, sending = _with_chain(session, entropy=entropy, now=now)
    if sending.number > LAST_NUMBER:
        raise LocalError("a chain without an answer for four thousand million messages")
    chain_key, message_key = advance_chain(sending.chain_key)
    sealed = seal_parts(
        sending.flags,
        entropy.draw(NONCE_SIZE),
        (
            sending.header_key,
            write_header(sending.dh, sending.previous, sending.number, sending.tail),
        ),
        (message_key, plain),
        associated,
    )
    ours = changed(sending, chain_key=chain_key, number=sending.number + 1)
    return changed(session, ours=ours, kem_age=min(session.kem_age + 1, KEM_AFTER_MESSAGES)), sealed


def _with_chain(session: Session, *, entropy: Entropy, now: WallTime) -> tuple[Session, Sending]:
    """Return the session with a chain to send in, taking our step if it is due."""
    if isinstance(session.ours, Sending):
        return session, session.ours
    if isinstance(session.ours, Answering):
        return take_our_step(session, session.ours, entropy=entropy, now=now)
    raise LocalError("a responder sends only after it has opened a message")
