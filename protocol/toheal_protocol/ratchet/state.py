"""One peer's half of a pair session: everything it holds between two messages.

Our sending side is always in one of three states; the receiving side either has a chain or not.

```
 responder begins ──> Awaiting                       initiator begins ──┐
                         │ first message opened                         │
                         v                                              v
                     Answering <──── message of a new chain ──────── Sending
                         │                                              ^
                         └──── seal: draw a key, take our step ─────────┘
```

Our step waits until we have something to send (`Answering`): a key that is not yet drawn cannot be
copied, so whoever copied the state before that moment learns nothing after it.

Spec: docs/protocol/ratchet.md, section 2.
"""

from __future__ import annotations

from typing import Final

from attrs import field, frozen

from toheal_protocol.changing import changed
from toheal_protocol.crypto import DhPublicKey, DhSecretKey, KemPublicKey, KemSeed
from toheal_protocol.model import WallTime
from toheal_protocol.ratchet.keys import ChainKey, HeaderKey, RootKey
from toheal_protocol.ratchet.past import PastChains, SeenMessages
from toheal_protocol.ratchet.skipped import SkippedKeys

KEM_AFTER_MESSAGES: Final = 50
"""Messages, sent and received, after which the next step offers ML-KEM again."""

KEM_REST: Final = 10
"""Seconds it does not do so however many messages there were: an offer and its answer make each message
of two chains three times longer, and fifty messages can pass in a moment."""

KEM_AFTER_TIME: Final = 24 * 60 * 60
"""Seconds after which the next step offers ML-KEM again."""


@frozen
class Awaiting:
    """We answered a handshake and may not send before the peer's first message has come."""

    secret: DhSecretKey = field(repr=False)


@frozen
class Answering:
    """The peer has taken a step; our next message takes ours.

    Attributes:
        their_dh: the peer's newest X25519 key.
        their_offer: the ML-KEM key our step must answer, if the peer's chain carries one.
        previous: how many messages our last chain has.
    """

    their_dh: DhPublicKey
    their_offer: KemPublicKey | None = field(repr=False)
    previous: int


@frozen(slots=False)
class Sending:
    """We have a chain to send in.

    Attributes:
        number: the next message's number.
        previous: how many messages our chain before this one has.
        dh, secret: our X25519 pair of this chain; the secret waits for the peer's next step.
        flags, tail: what each header of this chain carries of ML-KEM, as bytes.
        offered: the secret of the ML-KEM key this chain offers; it waits for the answer.
    """

    header_key: HeaderKey = field(repr=False)
    chain_key: ChainKey = field(repr=False)
    number: int
    previous: int
    dh: DhPublicKey
    secret: DhSecretKey = field(repr=False)
    flags: int
    tail: bytes = field(repr=False)
    offered: KemSeed | None = field(repr=False)


@frozen(slots=False)
class Receiving:
    """The peer's newest chain.

    Attributes:
        serial: the how-manieth of the peer's chains it is, from 0.
        dh: the peer's X25519 key of this chain.
        number: the number after the highest one opened.
    """

    serial: int
    header_key: HeaderKey = field(repr=False)
    dh: DhPublicKey
    chain_key: ChainKey = field(repr=False)
    number: int


@frozen(slots=False)
class Session:
    """The secrets two peers share over time, as one of them holds them.

    Attributes:
        next_to_send, next_to_receive: header keys of the chains after the present ones.
        kem_asked: the caller wants our next step to offer ML-KEM.
        kem_at: when ML-KEM last went into the root.
        kem_age: messages since then, at most `KEM_AFTER_MESSAGES`.
    """

    root: RootKey = field(repr=False)
    next_to_send: HeaderKey = field(repr=False)
    next_to_receive: HeaderKey = field(repr=False)
    ours: Awaiting | Answering | Sending
    kem_at: WallTime
    kem_age: int = 0
    kem_asked: bool = False
    receiving: Receiving | None = None
    past: PastChains = field(default=PastChains(b""), repr=False)
    skipped: SkippedKeys = field(factory=SkippedKeys)
    seen: SeenMessages = field(default=SeenMessages(b""), repr=False)

    @property
    def can_send(self) -> bool:
        """Whether `seal_message` may be called; false only for a responder before the first message."""
        return not isinstance(self.ours, Awaiting)

    @property
    def is_confirmed(self) -> bool:
        """Whether a message of the peer's was opened: it has the keys, and what we sent last in the handshake."""
        return self.receiving is not None

    @property
    def owes_step(self) -> bool:
        """Whether our next message, even an empty one, will heal: it takes a step with fresh keys."""
        return isinstance(self.ours, Answering)


def offer_kem_next(session: Session) -> Session:
    """Have our next step offer ML-KEM: for a link that has just come up, where answers are quick.

    Spec: docs/protocol/ratchet.md, section 5.
    """
    return changed(session, kem_asked=True)


def forget_expired_keys(session: Session, *, now: WallTime) -> Session:
    """Forget skipped keys older than 14 days in a session that is not used otherwise.

    Spec: docs/protocol/ratchet.md, section 6.
    """
    return changed(session, skipped=session.skipped.without_expired(now))
