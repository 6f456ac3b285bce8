"""The steps that put fresh secrets into the root: ours before we send, theirs when it arrives.

Every step mixes a new X25519 agreement. Now and then a step also mixes ML-KEM: one side offers a
key in every header of a chain, and the other side's next step must answer it.

Spec: docs/protocol/ratchet.md, sections 3.1 and 5. Vectors: tests/vectors/ratchet.json.
"""

from __future__ import annotations

from toheal_protocol.changing import changed
from toheal_protocol.crypto import (
    DH_SIZE,
    KEM_SEED_SIZE,
    DhPublicKey,
    DhSecretKey,
    Entropy,
    KemSeed,
    SharedSecret,
    check_kem_public_key,
    decapsulate,
    dh_public_key,
    diffie_hellman,
    kem_public_key,
)
from toheal_protocol.errors import MalformedFrame
from toheal_protocol.model import WallTime
from toheal_protocol.ratchet.header import ANSWERS, OFFERS, Header
from toheal_protocol.ratchet.keys import take_root_step
from toheal_protocol.ratchet.state import (
    KEM_AFTER_MESSAGES,
    KEM_AFTER_TIME,
    KEM_REST,
    Answering,
    Awaiting,
    Receiving,
    Sending,
    Session,
)


def take_our_step(
    session: Session, answering: Answering, *, entropy: Entropy, now: WallTime
) -> tuple[Session, Sending]:
    """Draw a new key, mix it into the root and start a chain to send in.

    Spec: docs/protocol/ratchet.md, sections 3.1 and 5.
    """
    secret = DhSecretKey(entropy.draw(DH_SIZE))
    flags, offer, answer = 0, b"", b""
    encapsulated = offered = None
    if answering.their_offer is not None:
        encapsulated, answer = entropy.encapsulate(answering.their_offer)
        flags |= ANSWERS
        session = changed(session, kem_at=now, kem_age=0)
    if _is_offer_due(session, now):  # after an answer only on request: ML-KEM has just gone in
        offered = KemSeed(entropy.draw(KEM_SEED_SIZE))
        offer = kem_public_key(offered)
        flags |= OFFERS
        session = changed(session, kem_asked=False)
    agreed = diffie_hellman(secret, answering.their_dh)
    root, chain_key, following = take_root_step(session.root, agreed, encapsulated)
    sending = Sending(
        header_key=session.next_to_send,
        chain_key=chain_key,
        number=0,
        previous=answering.previous,
        dh=dh_public_key(secret),
        secret=secret,
        flags=flags,
        tail=offer + answer,
        offered=offered,
    )
    return changed(session, root=root, next_to_send=following, ours=sending), sending


def take_their_step(
    session: Session, ours: Awaiting | Sending, header: Header, *, now: WallTime
) -> tuple[Session, Receiving]:
    """Follow the peer's step: mix it into the root and start a chain to receive in.

    Our own ratchet secrets have done their work then and are not in the returned session.

    Raises:
        MalformedFrame: a key of low order, no ML-KEM key, or an ML-KEM answer that is missing or
            was not asked for.

    Spec: docs/protocol/ratchet.md, sections 3.1 and 5.
    """
    encapsulated = _read_answer(ours, header)
    if header.offer is not None:
        check_kem_public_key(header.offer)
    agreed = diffie_hellman(ours.secret, header.dh)
    root, chain_key, following = take_root_step(session.root, agreed, encapsulated)
    receiving = Receiving(
        serial=0 if session.receiving is None else session.receiving.serial + 1,
        header_key=session.next_to_receive,
        dh=header.dh,
        chain_key=chain_key,
        number=0,
    )
    if encapsulated is not None:
        session = changed(session, kem_at=now, kem_age=0)
    previous = ours.number if isinstance(ours, Sending) else 0
    stepped = changed(
        session,
        root=root,
        next_to_receive=following,
        ours=Answering(DhPublicKey(header.dh), header.offer, previous),
        receiving=receiving,
    )
    return stepped, receiving


def _read_answer(ours: Awaiting | Sending, header: Header) -> SharedSecret | None:
    """Open the ciphertext that answers our offer. An offer without answer would be a downgrade."""
    offered = ours.offered if isinstance(ours, Sending) else None
    if (offered is None) != (header.answer is None):
        raise MalformedFrame("an ML-KEM answer that is missing or was not asked for")
    if offered is None or header.answer is None:
        return None
    return decapsulate(offered, header.answer)


def _is_offer_due(session: Session, now: WallTime) -> bool:
    """A clock that went backwards makes an offer due: too many cost bytes, too few cost healing."""
    age = now - session.kem_at
    if session.kem_asked or not 0 <= age < KEM_AFTER_TIME:
        return True
    return session.kem_age >= KEM_AFTER_MESSAGES and age >= KEM_REST
