"""A session as bytes for the vault, written at every message.

The rows of past chains, skipped keys and seen messages are stored as the state holds them, so
encoding is one join of what is already bytes.

Spec: docs/protocol/ratchet.md, section 8. Vectors: tests/vectors/ratchet.json.
"""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import Final, assert_never

from toheal_protocol.crypto import (
    DH_SIZE,
    KEM_PUBLIC_SIZE,
    KEM_SEED_SIZE,
    DhPublicKey,
    DhSecretKey,
    KemPublicKey,
    KemSeed,
    SealKey,
    check_kem_public_key,
)
from toheal_protocol.errors import MalformedFrame
from toheal_protocol.model import WallTime
from toheal_protocol.ratchet.header import ANSWERS, OFFERS, tail_size
from toheal_protocol.ratchet.keys import KEY_SIZE, ChainKey, HeaderKey, RootKey
from toheal_protocol.ratchet.past import (
    MAX_PAST_CHAINS,
    MAX_SEEN,
    PAST_SIZE,
    SEEN_SIZE,
    PastChains,
    SeenMessages,
    serials,
)
from toheal_protocol.ratchet.skipped import (
    MAX_SKIPPED_KEYS,
    PLACE_SIZE,
    RECORD_SIZE,
    SkippedKeys,
)
from toheal_protocol.ratchet.state import (
    KEM_AFTER_MESSAGES,
    Answering,
    Awaiting,
    Receiving,
    Sending,
    Session,
)
from toheal_protocol.wire.codec import Reader

VERSION: Final = 1
"""First byte of an encoded session."""

_AWAITING, _ANSWERING, _SENDING = 0, 1, 2
_HAS_RECEIVING, _KEM_ASKED, _HAS_FORGOTTEN, _HAS_OFFER = 0x01, 0x02, 0x04, 0x08

_FRONT: Final = struct.Struct(">BBB32s32s32sqB")
_ANSWER: Final = struct.Struct(">32sI")
_SEND: Final = struct.Struct(">32s32sII32s32sB")
_RECEIVE: Final = struct.Struct(">I32s32s32sI")
_COUNT: Final = struct.Struct(">H")

_LAST_SERIAL: Final = 2**32 - 2


def encode_session(session: Session) -> bytes:
    """Write a session for the vault. It is nothing but secrets: it goes nowhere else.

    Spec: docs/protocol/ratchet.md, section 8.
    """
    kind, has_offer, ours = _encode_ours(session.ours)
    receiving, forgotten = session.receiving, session.skipped.forgotten
    marks = (
        (_HAS_RECEIVING if receiving is not None else 0)
        | (_KEM_ASKED if session.kem_asked else 0)
        | (_HAS_FORGOTTEN if forgotten else 0)
        | (_HAS_OFFER if has_offer else 0)
    )
    front = _FRONT.pack(
        VERSION,
        kind,
        marks,
        session.root,
        session.next_to_send,
        session.next_to_receive,
        session.kem_at,
        session.kem_age,
    )
    return b"".join(
        (
            front,
            ours,
            b"" if receiving is None else _encode_receiving(receiving),
            _COUNT.pack(len(session.past) // PAST_SIZE),
            session.past,
            forgotten,
            _COUNT.pack(len(session.skipped)),
            session.skipped.records,
            _COUNT.pack(len(session.seen) // SEEN_SIZE),
            session.seen,
        )
    )


def decode_session(encoded: bytes) -> Session:
    """Read what `encode_session` wrote.

    Raises:
        MalformedFrame: any other bytes.

    Spec: docs/protocol/ratchet.md, section 8.
    """
    reader = Reader(encoded)
    version, kind, marks, root, to_send, to_receive, kem_at, kem_age = _FRONT.unpack(
        reader.take(_FRONT.size)
    )
    if version != VERSION or marks & ~0x0F or kem_age > KEM_AFTER_MESSAGES:
        raise MalformedFrame("not a session of this version")
    session = Session(
        root=RootKey(root),
        next_to_send=_header_key(to_send),
        next_to_receive=_header_key(to_receive),
        ours=_decode_ours(reader, kind, has_offer=bool(marks & _HAS_OFFER)),
        kem_at=WallTime(kem_at),
        kem_age=kem_age,
        kem_asked=bool(marks & _KEM_ASKED),
        receiving=_decode_receiving(reader) if marks & _HAS_RECEIVING else None,
        past=PastChains(_rows(reader, PAST_SIZE, MAX_PAST_CHAINS)),
        skipped=_decode_skipped(reader, has_forgotten=bool(marks & _HAS_FORGOTTEN)),
        seen=SeenMessages(_rows(reader, SEEN_SIZE, MAX_SEEN)),
    )
    reader.end()
    _check_chains(session)
    return session


def _encode_ours(ours: Awaiting | Answering | Sending) -> tuple[int, bool, bytes]:
    """Return the kind, whether an ML-KEM offer is in it, and the bytes."""
    match ours:
        case Sending():
            fixed = _SEND.pack(
                ours.header_key,
                ours.chain_key,
                ours.number,
                ours.previous,
                ours.dh,
                ours.secret,
                ours.flags,
            )
            return _SENDING, ours.offered is not None, fixed + ours.tail + (ours.offered or b"")
        case Answering():
            fixed = _ANSWER.pack(ours.their_dh, ours.previous)
            return _ANSWERING, ours.their_offer is not None, fixed + (ours.their_offer or b"")
        case Awaiting():
            return _AWAITING, False, ours.secret
        case _:
            assert_never(ours)


def _decode_ours(reader: Reader, kind: int, *, has_offer: bool) -> Awaiting | Answering | Sending:
    if kind == _SENDING:
        return _decode_sending(reader, has_offer=has_offer)
    if kind == _ANSWERING:
        their_dh, previous = _ANSWER.unpack(reader.take(_ANSWER.size))
        offer = KemPublicKey(reader.take(KEM_PUBLIC_SIZE)) if has_offer else None
        if offer is not None:
            check_kem_public_key(offer)
        return Answering(DhPublicKey(their_dh), offer, previous)
    if kind == _AWAITING and not has_offer:
        return Awaiting(DhSecretKey(reader.take(DH_SIZE)))
    raise MalformedFrame("not a state of the sending side")


def _decode_sending(reader: Reader, *, has_offer: bool) -> Sending:
    header_key, chain_key, number, previous, dh, secret, flags = _SEND.unpack(
        reader.take(_SEND.size)
    )
    if flags & ~(OFFERS | ANSWERS) or bool(flags & OFFERS) != has_offer:
        raise MalformedFrame("flags that do not fit what is offered")
    return Sending(
        header_key=_header_key(header_key),
        chain_key=ChainKey(chain_key),
        number=number,
        previous=previous,
        dh=DhPublicKey(dh),
        secret=DhSecretKey(secret),
        flags=flags,
        tail=reader.take(tail_size(flags)),
        offered=KemSeed(reader.take(KEM_SEED_SIZE)) if has_offer else None,
    )


def _encode_receiving(receiving: Receiving) -> bytes:
    return _RECEIVE.pack(
        receiving.serial,
        receiving.header_key,
        receiving.dh,
        receiving.chain_key,
        receiving.number,
    )


def _decode_receiving(reader: Reader) -> Receiving:
    serial, header_key, dh, chain_key, number = _RECEIVE.unpack(reader.take(_RECEIVE.size))
    return Receiving(serial, _header_key(header_key), DhPublicKey(dh), ChainKey(chain_key), number)


def _decode_skipped(reader: Reader, *, has_forgotten: bool) -> SkippedKeys:
    forgotten = reader.take(PLACE_SIZE) if has_forgotten else b""
    skipped = SkippedKeys(_rows(reader, RECORD_SIZE, MAX_SKIPPED_KEYS), forgotten)
    if not skipped.is_sorted():
        raise MalformedFrame("skipped keys out of order")
    return skipped


def _check_chains(session: Session) -> None:
    """Refuse chains that could not have followed one another."""
    past = serials(session.past)
    newest = -1 if session.receiving is None else session.receiving.serial
    known = [*past, newest]
    if newest > _LAST_SERIAL or any(before >= after for before, after in pairwise(known)):
        raise MalformedFrame("past chains out of order")
    if not session.skipped.chains() <= set(known):
        raise MalformedFrame("a skipped key of a chain that is not known")
    if session.receiving is None and isinstance(session.ours, Answering):
        raise MalformedFrame("an answer owed to nobody")


def _rows(reader: Reader, size: int, most: int) -> bytes:
    count = reader.u16()
    if count > most:
        raise MalformedFrame("more rows than are ever kept")
    return reader.take(count * size)


def _header_key(key: bytes) -> HeaderKey:
    assert len(key) == KEY_SIZE
    return HeaderKey(SealKey(key))
