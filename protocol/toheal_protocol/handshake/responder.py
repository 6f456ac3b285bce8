"""The side that answers: F1 in, F2 out.

```
read_opening(F1) -> Opened     (refuse an ephemeral seen before; then decide whether to answer)
answer_opening(Opened) -> Answered     (commit session and ephemeral, then send F2)
```
The session is not confirmed until F3 opened in it: anybody who recorded an F1 can send it again.

Spec: docs/protocol/handshake.md, sections 3 to 5. Vectors: tests/vectors/handshake.json.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve, field, frozen

from toheal_protocol.crypto import (
    DH_SIZE,
    DhPublicKey,
    DhSecretKey,
    Entropy,
    KemPublicKey,
    decapsulate,
    dh_public_key,
    diffie_hellman,
)
from toheal_protocol.crypto.keys import check_kem_public_key
from toheal_protocol.errors import ForgedMessage, LocalError, MalformedFrame, UnknownSession
from toheal_protocol.handshake.agreement import (
    Purpose,
    SessionSecrets,
    begin_agreement,
    mix_persona,
    session_secrets,
)
from toheal_protocol.handshake.flights import (
    MAX_PAYLOAD_SIZE,
    FirstFlight,
    SecondFlight,
    decode_first_flight,
)
from toheal_protocol.handshake.symmetric import SymmetricState, mix_hash, open_next, seal_next
from toheal_protocol.identity import Card, PersonaKeys, PersonaSecrets, PrekeySecrets, decode_card
from toheal_protocol.model import MemberId
from toheal_protocol.wire.padding import unpad


@frozen
class Opened:
    """An F1 we could read.

    `initiator` is their card if they introduced themselves, else None. `ephemeral` is their E,
    32 bytes: the caller keeps every one seen for this prekey until the prekey is forgotten, and
    treats a second F1 with the same one as the same F1. `state` and `ephemeral_kem` are for
    `answer_opening`.
    """

    initiator: Card | None
    keys: PersonaKeys
    payload: bytes = field(repr=False)
    ephemeral: DhPublicKey
    ephemeral_kem: KemPublicKey = field(repr=False)
    state: SymmetricState = field(repr=False)


@frozen
class Answered:
    """What the responder has after F2. `ratchet_secret` is RE's secret half, 32 bytes."""

    secrets: SessionSecrets = field(repr=False)
    ratchet_secret: DhSecretKey = field(repr=False)
    f2: bytes = field(repr=False)


def prekey_id_of(f1: bytes) -> int:
    """Tell which prekey an F1 was made for, before anything is opened.

    Raises:
        MalformedFrame: no F1 has this size or version.
    """
    return decode_first_flight(f1).prekey_id


def read_opening(
    f1: bytes,
    *,
    circle_id: bytes,
    purpose: Purpose,
    psk: bytes,
    ours: PersonaSecrets,
    prekey: PrekeySecrets,
    our_card: Card,
    known: Callable[[MemberId], PersonaKeys | None],
) -> Opened:
    """Open an F1. A pure function; nothing is answered yet.

    Args:
        f1: any bytes.
        circle_id: 32 bytes.
        purpose: what we expect in the mailbox where it lay.
        psk: 32 bytes, what belongs to that purpose.
        ours: our persona in this circle.
        prekey: the one that `prekey_id_of(f1)` names, or any, to try.
        our_card: the card of this persona with this prekey.
        known: returns the keys of a peer who need not introduce themselves.

    Raises:
        MalformedFrame, ForgedMessage, UnknownSession: no F1 for us. The caller shows no
            difference between them to the peer.
        LocalError: the card is not of this persona and prekey.

    Spec: docs/protocol/handshake.md, section 3.2.
    """
    _check_card(ours, prekey, our_card)
    flight = decode_first_flight(f1)
    if flight.prekey_id != prekey.id:
        raise UnknownSession("an opening for another prekey")
    check_kem_public_key(flight.ephemeral_kem)
    state = begin_agreement(circle_id=circle_id, purpose=purpose, psk=psk, responder=our_card)
    state, identity = open_next(
        mix_hash(state, *flight.keys),
        diffie_hellman(prekey.dh, flight.ephemeral),
        diffie_hellman(ours.dh, flight.ephemeral),
        decapsulate(prekey.kem, flight.to_prekey),
        decapsulate(ours.kem, flight.to_static),
        sealed=flight.sealed_identity,
    )
    card, keys = _read_identity(identity, flight, known)
    if keys == ours.keys:
        raise ForgedMessage("an opening in our own name")
    state, payload = open_next(
        mix_persona(state, keys),
        diffie_hellman(prekey.dh, keys.dh),
        sealed=flight.sealed_payload,
    )
    return Opened(
        initiator=card,
        keys=keys,
        payload=_read_payload(payload, flight),
        ephemeral=flight.ephemeral,
        ephemeral_kem=flight.ephemeral_kem,
        state=state,
    )


def answer_opening(opened: Opened, *, entropy: Entropy) -> Answered:
    """Answer an F1 and derive the session.

    Every call draws afresh and gives another session: who answers a repeated F1 repeats the F2
    that was committed instead of calling this again.

    Args:
        opened: what `read_opening` returned.
        entropy: draws 32 bytes, then encapsulates to their static key and to their ephemeral one.

    Spec: docs/protocol/handshake.md, section 4.1.
    """
    ratchet_secret = DhSecretKey(entropy.draw(DH_SIZE))
    static_secret, to_static = entropy.encapsulate(opened.keys.kem)
    ephemeral_secret, to_ephemeral = entropy.encapsulate(opened.ephemeral_kem)
    flight = SecondFlight(
        ratchet_key=dh_public_key(ratchet_secret), to_static=to_static, to_ephemeral=to_ephemeral
    )
    state, confirmation = seal_next(
        mix_hash(opened.state, *flight.keys),
        diffie_hellman(ratchet_secret, opened.ephemeral),
        diffie_hellman(ratchet_secret, opened.keys.dh),
        static_secret,
        ephemeral_secret,
        plain=b"",
    )
    return Answered(
        secrets=session_secrets(state),
        ratchet_secret=ratchet_secret,
        f2=evolve(flight, confirmation=confirmation).encode(),
    )


def _read_identity(
    identity: bytes, flight: FirstFlight, known: Callable[[MemberId], PersonaKeys | None]
) -> tuple[Card | None, PersonaKeys]:
    if flight.introduces:
        card = decode_card(identity)
        return card, card.keys
    keys = known(MemberId(identity))
    if keys is None or keys.member_id != identity:
        raise ForgedMessage("an opening by somebody we do not know")
    return None, keys


def _read_payload(payload: bytes, flight: FirstFlight) -> bytes:
    plain = unpad(payload) if flight.introduces else payload
    if len(plain) > MAX_PAYLOAD_SIZE:
        raise MalformedFrame("a payload above the limit of F1")
    return plain


def _check_card(ours: PersonaSecrets, prekey: PrekeySecrets, our_card: Card) -> None:
    if our_card.keys != ours.keys or our_card.prekey_id != prekey.id:
        raise LocalError("the card is not of this persona and prekey")
