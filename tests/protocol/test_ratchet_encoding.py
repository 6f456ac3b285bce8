"""The session as bytes in the vault."""

from __future__ import annotations

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.parsers_ratchet import PARSERS, SEEDS
from tests.support.ratchet_pair import START, make_pair, make_talking_pair
from toheal_protocol.crypto import KemPublicKey
from toheal_protocol.errors import MalformedFrame, RemoteError
from toheal_protocol.model import WallTime
from toheal_protocol.ratchet import (
    Session,
    decode_session,
    encode_session,
    forget_expired_keys,
    offer_kem_next,
)
from toheal_protocol.ratchet.past import PastChains
from toheal_protocol.ratchet.skipped import RECORD_SIZE, SkippedKeys
from toheal_protocol.ratchet.state import Answering


def many_sessions() -> list[Session]:
    """Return a session in every state it can be in."""
    found = []
    ours, theirs = make_pair(5)
    theirs.session = offer_kem_next(theirs.session)
    found += [ours.session, theirs.session]
    ours.seal()
    theirs.open(ours.seal())
    found += [ours.session, theirs.session]
    ours.open(theirs.seal())
    found += [ours.session, theirs.session]
    for i in range(12):
        ours.seal()
        theirs.open(ours.seal())
        ours.open(theirs.seal())
        if i % 5 == 0:
            found += [ours.session, theirs.session]
    dead = WallTime(START + 10**7)
    found.append(forget_expired_keys(theirs.session, now=dead))
    return found


@pytest.mark.parametrize("session", many_sessions())
def test_a_session_comes_back_as_it_was(session: Session) -> None:
    assert decode_session(encode_session(session)) == session


@pytest.mark.parametrize("session", many_sessions())
def test_a_session_cut_or_lengthened_is_refused(session: Session) -> None:
    encoded = encode_session(session)
    step = max(1, len(encoded) // 300)
    for size in range(0, len(encoded), step):
        with pytest.raises(MalformedFrame):
            decode_session(encoded[:size])
    with pytest.raises(MalformedFrame):
        decode_session(encoded + b"\x00")


@given(st.binary(max_size=3000))
@settings(max_examples=100)
def test_any_bytes_are_a_session_or_malformed(encoded: bytes) -> None:
    for front in (b"", b"\x01\x00\x00", b"\x01\x01\x01", b"\x01\x02\x01", b"\x01\x02\x0f"):
        try:
            session = decode_session(front + encoded)
        except MalformedFrame:
            continue
        assert encode_session(session) == front + encoded


@pytest.mark.parametrize(("name", "parse"), PARSERS)
@given(noise=st.binary(max_size=300), seed=st.sampled_from(SEEDS), cut=st.integers(0, 2000))
@settings(max_examples=40)
def test_every_parser_takes_any_bytes(
    name: str, parse: object, noise: bytes, seed: bytes, cut: int
) -> None:
    assert callable(parse), name
    for frame in (noise, seed[:cut] + noise, noise + seed[cut:], seed):
        try:
            parse(frame)
        except RemoteError:
            pass


def test_a_session_in_ordinary_talk_is_small() -> None:
    ours, theirs = make_talking_pair(turns=70)
    assert len(encode_session(ours.session)) < 2100
    assert len(encode_session(theirs.session)) < 2100


def test_skipped_keys_out_of_order_or_of_an_unknown_chain_are_refused() -> None:
    ours, theirs = make_talking_pair()
    for _ in range(3):
        ours.seal()
    theirs.open(ours.seal())
    session = theirs.session
    rows = session.skipped.records
    swapped = rows[RECORD_SIZE : 2 * RECORD_SIZE] + rows[:RECORD_SIZE]
    for records in (swapped, rows[:RECORD_SIZE] * 2, b"\x00\x00\x00\x09" + rows[4:RECORD_SIZE]):
        with pytest.raises(MalformedFrame):
            decode_session(encode_session(evolve(session, skipped=SkippedKeys(records))))
    forgotten = SkippedKeys(rows, forgotten=b"\xff" * 8)
    with pytest.raises(MalformedFrame):
        decode_session(encode_session(evolve(session, skipped=forgotten)))


def test_past_chains_out_of_order_are_refused() -> None:
    _, theirs = make_talking_pair(turns=4)
    session = theirs.session
    doubled = PastChains(session.past + session.past[:72])
    with pytest.raises(MalformedFrame):
        decode_session(encode_session(evolve(session, past=doubled)))


def test_a_stored_offer_that_is_no_mlkem_key_is_refused() -> None:
    """Sealing answers it without looking again, and must not fail on it."""
    ours, theirs = make_pair()
    theirs.open(ours.seal())
    assert isinstance(theirs.session.ours, Answering)
    broken = evolve(theirs.session.ours, their_offer=KemPublicKey(b"\xff" * 1184))
    with pytest.raises(MalformedFrame):
        decode_session(encode_session(evolve(theirs.session, ours=broken)))


def test_states_that_cannot_be_are_refused() -> None:
    ours, theirs = make_talking_pair()
    sending, answering = encode_session(theirs.session), encode_session(ours.session)
    awaiting = encode_session(make_pair()[1].session)
    front = 1 + 1 + 1 + 3 * 32 + 8 + 1
    flags_at = front + 32 + 32 + 4 + 4 + 32 + 32
    past_at = flags_at + 1 + 4 + 3 * 32 + 4
    for encoded in (
        awaiting[:1] + b"\x03" + awaiting[2:],  # a kind that is none
        awaiting[:2] + b"\x08" + awaiting[3:],  # an offer while awaiting
        sending[:2] + b"\x09" + sending[3:],  # an offer the flags do not name
        sending[:flags_at] + b"\x04" + sending[flags_at + 1 :],  # flags of another version
        sending[:2] + b"\x11" + sending[3:],  # an unknown mark
        sending[:past_at] + b"\x00\x41" + bytes(72 * 65 + 4),  # more past chains than are kept
        sending[: front - 1] + b"\x33" + sending[front:],  # older than any count
        answering[:2] + b"\x00" + answering[3 : front + 36] + bytes(6),  # an answer owed to nobody
    ):
        with pytest.raises(MalformedFrame):
            decode_session(encoded)
