"""The side that starts: F1 out, F2 in.

```
start_handshake -> Started, F1     (commit Started, then send F1, again and again until F2 comes)
finish_handshake(Started, F2) -> Finished     (commit the session, forget Started, send F3)
```

Spec: docs/protocol/handshake.md, sections 3 to 5. Vectors: tests/vectors/handshake.json.
"""

from __future__ import annotations

from typing import Final

from attrs import evolve, field, frozen

from toheal_protocol.crypto import (
    DH_SIZE,
    KEM_SEED_SIZE,
    DhPublicKey,
    DhSecretKey,
    Entropy,
    KemSeed,
    decapsulate,
    dh_public_key,
    diffie_hellman,
    kem_public_key,
)
from toheal_protocol.errors import LocalError, MalformedFrame
from toheal_protocol.handshake.agreement import (
    Purpose,
    SessionSecrets,
    begin_agreement,
    mix_persona,
    session_secrets,
)
from toheal_protocol.handshake.flights import (
    MAX_PAYLOAD_SIZE,
    PADDED_PAYLOAD_SIZE,
    FirstFlight,
    decode_second_flight,
)
from toheal_protocol.handshake.symmetric import (
    HASH_SIZE,
    SymmetricState,
    mix_hash,
    open_next,
    seal_next,
)
from toheal_protocol.identity import Card, PersonaSecrets, encode_card
from toheal_protocol.wire.codec import Reader, u8
from toheal_protocol.wire.padding import pad_to

STARTED_VERSION: Final = 1
"""First byte of a stored `Started`."""

STARTED_SIZE: Final = 1 + 2 * HASH_SIZE + 2 * (DH_SIZE + KEM_SEED_SIZE)
"""Bytes of a stored `Started`: 257."""


@frozen
class Started:
    """Our half of a handshake between F1 and F2: the ephemeral secrets, and the static two."""

    state: SymmetricState = field(repr=False)
    ephemeral: DhSecretKey = field(repr=False)
    ephemeral_kem: KemSeed = field(repr=False)
    static: DhSecretKey = field(repr=False)
    static_kem: KemSeed = field(repr=False)


@frozen
class Finished:
    """What the initiator has after F2. `their_ratchet_key` is 32 bytes, the responder's RE."""

    secrets: SessionSecrets = field(repr=False)
    their_ratchet_key: DhPublicKey


def start_handshake(
    *,
    circle_id: bytes,
    purpose: Purpose,
    psk: bytes,
    ours: PersonaSecrets,
    our_card: Card,
    their_card: Card,
    introduce: bool,
    payload: bytes,
    entropy: Entropy,
) -> tuple[Started, bytes]:
    """Make an F1 for the owner of a card.

    An F1 can be opened by whoever takes the responder's keys before its prekey is forgotten, and
    by itself proves nothing lasting: it carries no disclosure.

    Args:
        circle_id: 32 bytes.
        purpose: why, and where `psk` comes from.
        psk: 32 bytes that both sides hold.
        ours: our persona in this circle.
        our_card: its card; sent when we introduce ourselves.
        their_card: the responder's card, with a prekey that has not expired.
        introduce: whether they do not know us yet. F1 then carries our card and has 8192 bytes.
        payload: at most `MAX_PAYLOAD_SIZE` bytes.
        entropy: draws 32 and 64 bytes, then encapsulates to their prekey and to their static key.

    Returns:
        What `finish_handshake` needs, and F1.

    Raises:
        LocalError: a size is wrong, the card is not ours, or it is our own card we call.
        MalformedFrame: their card holds a key nobody can agree with (no decoded card does).

    Spec: docs/protocol/handshake.md, section 3.1.
    """
    _check_start(ours, our_card, their_card, payload)
    state = begin_agreement(circle_id=circle_id, purpose=purpose, psk=psk, responder=their_card)
    ephemeral = DhSecretKey(entropy.draw(DH_SIZE))
    ephemeral_kem = KemSeed(entropy.draw(KEM_SEED_SIZE))
    prekey_secret, to_prekey = entropy.encapsulate(their_card.prekey_kem)
    static_secret, to_static = entropy.encapsulate(their_card.keys.kem)
    flight = FirstFlight(
        prekey_id=their_card.prekey_id,
        ephemeral=dh_public_key(ephemeral),
        ephemeral_kem=kem_public_key(ephemeral_kem),
        to_prekey=to_prekey,
        to_static=to_static,
    )
    state, sealed_identity = seal_next(
        mix_hash(state, *flight.keys),
        diffie_hellman(ephemeral, their_card.prekey_dh),
        diffie_hellman(ephemeral, their_card.keys.dh),
        prekey_secret,
        static_secret,
        plain=encode_card(our_card) if introduce else ours.keys.member_id,
    )
    state, sealed_payload = seal_next(
        mix_persona(state, ours.keys),
        diffie_hellman(ours.dh, their_card.prekey_dh),
        plain=pad_to(payload, PADDED_PAYLOAD_SIZE) if introduce else payload,
    )
    started = Started(
        state=state,
        ephemeral=ephemeral,
        ephemeral_kem=ephemeral_kem,
        static=ours.dh,
        static_kem=ours.kem,
    )
    whole = evolve(flight, sealed_identity=sealed_identity, sealed_payload=sealed_payload)
    return started, whole.encode()


def finish_handshake(started: Started, f2: bytes) -> Finished:
    """Read an F2 and derive the session.

    A pure function: an F2 that does not fit leaves `started` as good as it was.

    Raises:
        MalformedFrame: no F2 at all, or a key of low order.
        ForgedMessage: not the answer to this F1 by the owner of the card.

    Spec: docs/protocol/handshake.md, section 4.2.
    """
    flight = decode_second_flight(f2)
    state, _nothing = open_next(
        mix_hash(started.state, *flight.keys),
        diffie_hellman(started.ephemeral, flight.ratchet_key),
        diffie_hellman(started.static, flight.ratchet_key),
        decapsulate(started.static_kem, flight.to_static),
        decapsulate(started.ephemeral_kem, flight.to_ephemeral),
        sealed=flight.confirmation,
    )
    return Finished(secrets=session_secrets(state), their_ratchet_key=flight.ratchet_key)


def encode_started(started: Started) -> bytes:
    """Write a `Started` for the vault; 257 secret bytes.

    `version[1] || hash[32] || chain[32] || e[32] || ek seed[64] || x_I[32] || kem_I seed[64]`

    Spec: docs/protocol/handshake.md, section 6.
    """
    ephemeral = started.ephemeral + started.ephemeral_kem
    static = started.static + started.static_kem
    return u8(STARTED_VERSION) + started.state.hash + started.state.chain + ephemeral + static


def decode_started(stored: bytes) -> Started:
    """Read what `encode_started` wrote.

    Raises:
        MalformedFrame: wrong size or version.
    """
    reader = Reader(stored)
    if reader.u8() != STARTED_VERSION:
        raise MalformedFrame("a started handshake of an unknown version")
    started = Started(
        state=SymmetricState(hash=reader.take(HASH_SIZE), chain=reader.take(HASH_SIZE)),
        ephemeral=DhSecretKey(reader.take(DH_SIZE)),
        ephemeral_kem=KemSeed(reader.take(KEM_SEED_SIZE)),
        static=DhSecretKey(reader.take(DH_SIZE)),
        static_kem=KemSeed(reader.take(KEM_SEED_SIZE)),
    )
    reader.end()
    return started


def _check_start(ours: PersonaSecrets, our_card: Card, their_card: Card, payload: bytes) -> None:
    if our_card.keys != ours.keys:
        raise LocalError("the card is not of this persona")
    if their_card.keys.member_id == ours.keys.member_id:
        raise LocalError("nobody shakes hands with themselves")
    if len(payload) > MAX_PAYLOAD_SIZE:
        raise LocalError("a payload above the limit of F1")
