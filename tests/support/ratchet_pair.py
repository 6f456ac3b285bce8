"""Two sides of a pair session that talk to each other in tests."""

from __future__ import annotations

from typing import Final

from tests.support.entropy import SeededEntropy
from toheal_protocol.crypto import DhSecretKey, dh_public_key
from toheal_protocol.model import WallTime
from toheal_protocol.ratchet import (
    Session,
    begin_as_initiator,
    begin_as_responder,
    decode_session,
    encode_session,
    open_message,
    seal_message,
)

START: Final = WallTime(1_750_000_000)
"""When every pair begins, unless a test says otherwise."""

HOUR: Final = 3600
DAY: Final = 24 * HOUR


class Side:
    """One side: it commits every new state at once, as the client's committer does."""

    def __init__(self, session: Session, seed: int) -> None:
        self.session = session
        self.entropy = SeededEntropy(seed)
        self.now = START

    def seal(self, plain: bytes = b"", associated: bytes = b"") -> bytes:
        """Seal one message and keep the new state."""
        self.session, sealed = seal_message(
            self.session, plain, associated, entropy=self.entropy, now=self.now
        )
        return sealed

    def open(self, sealed: bytes, associated: bytes = b"") -> bytes:
        """Open one message and keep the new state; a refusal keeps the old one."""
        self.session, plain = open_message(
            self.session, sealed, associated, entropy=self.entropy, now=self.now
        )
        return plain

    def restart(self) -> None:
        """Write the state to a vault and read it back."""
        self.session = decode_session(encode_session(self.session))

    def copy(self, seed: int) -> Side:
        """Return a second running copy of this home, with randomness of its own."""
        twin = Side(decode_session(encode_session(self.session)), seed)
        twin.now = self.now
        return twin


def make_pair(seed: int = 0, *, now: WallTime = START) -> tuple[Side, Side]:
    """Return (initiator, responder) just after their handshake."""
    handshake = SeededEntropy(1000 + seed)
    root, header_initiator, header_responder = (handshake.draw(32) for _ in range(3))
    ratchet_secret = DhSecretKey(handshake.draw(32))
    entropy = SeededEntropy(2000 + seed)
    initiator = begin_as_initiator(
        root=root,
        header_initiator=header_initiator,
        header_responder=header_responder,
        their_ratchet_key=dh_public_key(ratchet_secret),
        entropy=entropy,
        now=now,
    )
    responder = begin_as_responder(
        root=root,
        header_initiator=header_initiator,
        header_responder=header_responder,
        our_ratchet_secret=ratchet_secret,
        now=now,
    )
    ours, theirs = Side(initiator, 3000 + seed), Side(responder, 4000 + seed)
    ours.now = theirs.now = now
    return ours, theirs


def make_talking_pair(seed: int = 0, *, turns: int = 2) -> tuple[Side, Side]:
    """Return a pair that has answered each other a few times: no ML-KEM is under way any more."""
    ours, theirs = make_pair(seed)
    for _ in range(turns):
        theirs.open(ours.seal())
        ours.open(theirs.seal())
    return ours, theirs
