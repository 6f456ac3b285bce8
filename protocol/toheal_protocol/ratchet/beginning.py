"""From the secrets of a handshake to a session.

Spec: docs/protocol/ratchet.md, section 2.1. Vectors: tests/vectors/ratchet.json.
"""

from __future__ import annotations

from toheal_protocol.crypto import DH_SIZE, DhPublicKey, DhSecretKey, Entropy
from toheal_protocol.errors import LocalError
from toheal_protocol.model import WallTime
from toheal_protocol.ratchet.keys import as_header_key, as_root
from toheal_protocol.ratchet.state import Answering, Awaiting, Session
from toheal_protocol.ratchet.stepping import take_our_step


def begin_as_initiator(
    *,
    root: bytes,
    header_initiator: bytes,
    header_responder: bytes,
    their_ratchet_key: DhPublicKey,
    entropy: Entropy,
    now: WallTime,
) -> Session:
    """Begin on the side that finished the handshake; it sends first and offers ML-KEM at once.

    Args:
        root: 32 bytes from the handshake.
        header_initiator: 32 bytes that seal the headers of our first chain.
        header_responder: 32 bytes that seal the headers of the peer's first chain.
        their_ratchet_key: the X25519 key the peer sent in its answer.
        entropy: where our first ratchet key and ML-KEM key come from.
        now: from here the time to the next ML-KEM offer is counted.

    Raises:
        LocalError: a key has not 32 bytes.
        MalformedFrame: `their_ratchet_key` has the wrong size or a low order.
    """
    first = Answering(their_ratchet_key, None, 0)
    session = Session(
        root=as_root(root),
        next_to_send=as_header_key(header_initiator),
        next_to_receive=as_header_key(header_responder),
        ours=first,
        kem_at=now,
        kem_asked=True,
    )
    return take_our_step(session, first, entropy=entropy, now=now)[0]


def begin_as_responder(
    *,
    root: bytes,
    header_initiator: bytes,
    header_responder: bytes,
    our_ratchet_secret: DhSecretKey,
    now: WallTime,
) -> Session:
    """Begin on the side that answered the handshake; it cannot send before it has opened a message.

    Args:
        root: 32 bytes from the handshake.
        header_initiator: 32 bytes that seal the headers of the peer's first chain.
        header_responder: 32 bytes that seal the headers of our first chain.
        our_ratchet_secret: the secret of the X25519 key we sent in our answer.
        now: from here the time to the next ML-KEM offer is counted.

    Raises:
        LocalError: a key has not 32 bytes.
    """
    if len(our_ratchet_secret) != DH_SIZE:
        raise LocalError("an X25519 secret has 32 bytes")
    return Session(
        root=as_root(root),
        next_to_send=as_header_key(header_responder),
        next_to_receive=as_header_key(header_initiator),
        ours=Awaiting(our_ratchet_secret),
        kem_at=now,
    )
