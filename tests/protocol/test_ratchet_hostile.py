"""Bytes of strangers, of people on the way, and of a peer that holds the keys and cheats."""

from __future__ import annotations

import pytest
from attrs import evolve, frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.ratchet_pair import Side, make_pair, make_talking_pair
from toheal_protocol.crypto import DhPublicKey, SealKey, dh_public_key, seal
from toheal_protocol.errors import (
    ForgedMessage,
    LocalError,
    MalformedFrame,
    ProtocolError,
    RemoteError,
    TooFarAhead,
)
from toheal_protocol.model import MAX_FRAME_SIZE
from toheal_protocol.ratchet import (
    decode_session,
    encode_session,
    offer_kem_next,
    open_message,
    seal_message,
)
from toheal_protocol.ratchet.header import (
    ANSWERS,
    OFFERS,
    PLAIN_HEADER_SIZE,
    seal_parts,
    split_sealed,
    write_header,
)
from toheal_protocol.ratchet.keys import MessageKey, advance_chain
from toheal_protocol.ratchet.state import Sending

LOW_ORDER_POINTS = [
    bytes(32),
    b"\x01" + bytes(31),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
]


@frozen
class Forgery:
    """What a peer that holds the keys could send instead of what the protocol says."""

    dh: bytes | None = None
    previous: int | None = None
    number: int | None = None
    flags: int | None = None
    tail: bytes | None = None


def forge(side: Side, forgery: Forgery) -> bytes:
    """Seal with the side's own next keys, but another header."""
    side.seal()  # takes a step if one is due
    sending = side.session.ours
    assert isinstance(sending, Sending)
    _, key = advance_chain(sending.chain_key)

    def pick(wanted: int | None, usual: int) -> int:
        return usual if wanted is None else wanted

    plain_header = write_header(
        DhPublicKey(sending.dh if forgery.dh is None else forgery.dh),
        pick(forgery.previous, sending.previous),
        pick(forgery.number, sending.number),
        sending.tail if forgery.tail is None else forgery.tail,
    )
    return seal_parts(
        pick(forgery.flags, sending.flags),
        bytes(24),
        (sending.header_key, plain_header),
        (key, b"forged"),
        b"",
    )


def refuse(side: Side, sealed: bytes, error: type[RemoteError], associated: bytes = b"") -> None:
    """Insist that a message is refused and that nothing changed."""
    before, stored = side.session, encode_session(side.session)
    with pytest.raises(error):
        side.open(sealed, associated)
    assert side.session is before
    assert encode_session(side.session) == stored


def flipped(sealed: bytes) -> list[bytes]:
    """Return the message with each of its bits changed, one at a time."""
    whole = int.from_bytes(sealed, "big")
    return [(whole ^ (1 << bit)).to_bytes(len(sealed), "big") for bit in range(8 * len(sealed))]


def fresh() -> tuple[Side, Side]:
    return make_pair()


def talking() -> tuple[Side, Side]:
    return make_talking_pair()


def in_chain() -> tuple[Side, Side]:
    ours, theirs = make_talking_pair()
    theirs.open(ours.seal())
    return ours, theirs


def with_everything() -> tuple[Side, Side]:
    theirs, ours = make_pair()
    ours.open(theirs.seal())
    ours.session = offer_kem_next(ours.session)
    return ours, theirs


@pytest.mark.parametrize("situation", [fresh, talking, in_chain, with_everything])
def test_every_bit_of_a_message_flipped_is_refused(situation: object) -> None:
    assert callable(situation)
    ours, theirs = situation()
    sealed = ours.seal(b"k" * 32, b"mid")
    before = encode_session(theirs.session)
    for mauled in flipped(sealed):
        with pytest.raises((ForgedMessage, MalformedFrame)):
            theirs.open(mauled, b"mid")
    assert encode_session(theirs.session) == before
    assert theirs.open(sealed, b"mid") == b"k" * 32


@pytest.mark.parametrize("situation", [fresh, talking, in_chain])
def test_a_message_cut_or_lengthened_anywhere_is_refused(situation: object) -> None:
    assert callable(situation)
    ours, theirs = situation()
    sealed = ours.seal(b"k" * 32)
    for size in range(len(sealed)):
        refuse(theirs, sealed[:size], RemoteError)
    refuse(theirs, sealed + b"\x00", RemoteError)
    theirs.open(sealed)


@given(st.binary(max_size=4000))
@settings(max_examples=100)
def test_any_bytes_are_refused(sealed: bytes) -> None:
    for _, receiver in (make_pair(), make_talking_pair()):
        refuse(receiver, sealed, RemoteError)


def test_garbage_larger_than_a_frame_is_refused_unread() -> None:
    _, theirs = make_talking_pair()
    refuse(theirs, bytes(MAX_FRAME_SIZE + 1), MalformedFrame)
    refuse(theirs, bytes(MAX_FRAME_SIZE), ForgedMessage)


def test_a_used_message_whose_body_was_changed_is_forged_and_no_fork() -> None:
    """Nobody on the way can make a peer look like two."""
    ours, theirs = make_talking_pair()
    sealed = ours.seal(b"k" * 32)
    theirs.open(sealed)
    for at in (-1, -20, 30, 80, len(sealed) - 48):
        mauled = bytearray(sealed)
        mauled[at] ^= 1
        refuse(theirs, bytes(mauled), ForgedMessage)


def test_parts_of_two_messages_cannot_be_put_together() -> None:
    ours, theirs = make_talking_pair()
    first, second = ours.seal(b"k" * 32), ours.seal(b"l" * 32)
    body_at = 1 + 24 + PLAIN_HEADER_SIZE + 16
    refuse(theirs, first[:body_at] + second[body_at:], ForgedMessage)
    refuse(theirs, second[:25] + first[25:], ForgedMessage)


def test_no_byte_can_move_between_a_message_and_its_reference() -> None:
    ours, theirs = make_talking_pair()
    sealed = ours.seal(b"k" * 32, b"reference")
    theirs.open(sealed, b"reference")
    body_at = 1 + 24 + PLAIN_HEADER_SIZE + 16
    for moved in (1, 4, 16, 31):
        body = sealed[body_at:]
        refuse(theirs, sealed[:body_at] + body[moved:], ForgedMessage, b"reference" + body[:moved])
        longer = sealed[:body_at] + b"reference"[-moved:] + body
        refuse(theirs, longer, ForgedMessage, b"reference"[:-moved])


def test_our_own_messages_sent_back_to_us_are_refused() -> None:
    ours, theirs = make_pair()
    for _ in range(3):
        sealed = ours.seal(b"mine")
        refuse(ours, sealed, ForgedMessage)
        theirs.open(sealed)
        refuse(ours, sealed, ForgedMessage)
        reply = theirs.seal(b"theirs")
        refuse(theirs, reply, ForgedMessage)
        ours.open(reply)


def test_a_message_of_another_session_is_refused() -> None:
    ours, _ = make_talking_pair(1)
    _, theirs = make_talking_pair(2)
    refuse(theirs, ours.seal(), ForgedMessage)


@pytest.mark.parametrize("number", [2**32 - 1, 2**32 - 2, 501])
@pytest.mark.parametrize("place", [talking, in_chain])
def test_a_number_far_ahead_is_refused_without_work(
    number: int, place: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(place)
    ours, theirs = place()
    sealed = forge(ours, Forgery(number=number + (1 if place is in_chain and number < 999 else 0)))

    def work(*_: object) -> None:
        raise AssertionError("a key was derived for it")

    for name in ("advance_chain", "walk_chain", "take_their_step"):
        monkeypatch.setattr(f"toheal_protocol.ratchet.opening.{name}", work)
    refuse(theirs, sealed, TooFarAhead)


@pytest.mark.parametrize("previous", [2**32 - 1, 2**32 - 2, 600])
def test_an_end_far_ahead_is_refused_without_work(
    previous: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = make_talking_pair()
    sealed = forge(ours, Forgery(previous=previous))

    def work(*_: object) -> None:
        raise AssertionError("a key was derived for it")

    for name in ("advance_chain", "walk_chain", "take_their_step"):
        monkeypatch.setattr(f"toheal_protocol.ratchet.opening.{name}", work)
    refuse(theirs, sealed, TooFarAhead)


def test_a_first_chain_that_names_a_chain_before_it_is_refused() -> None:
    ours, theirs = make_pair()
    refuse(theirs, forge(ours, Forgery(previous=3)), MalformedFrame)


@pytest.mark.parametrize("point", LOW_ORDER_POINTS)
def test_a_ratchet_key_of_low_order_is_refused(point: bytes) -> None:
    ours, theirs = make_talking_pair()
    refuse(theirs, forge(ours, Forgery(dh=point)), MalformedFrame)


def test_a_ratchet_key_that_was_swapped_by_a_cheating_peer_opens_nothing() -> None:
    ours, theirs = make_talking_pair()
    refuse(theirs, forge(ours, Forgery(dh=b"\x09" + bytes(31))), ForgedMessage)


def test_a_stripped_offer_is_refused() -> None:
    ours, theirs = make_pair()
    sealed = ours.seal()
    stripped = b"\x00" + sealed[1:25] + sealed[25:65] + sealed[65 + 1184 :]
    refuse(theirs, stripped, ForgedMessage)
    refuse(theirs, b"\x00" + sealed[1:], ForgedMessage)


def test_an_offer_stripped_by_somebody_with_the_header_key_is_refused() -> None:
    ours, theirs = make_pair()
    arrived = split_sealed(ours.seal(), b"")
    sending = ours.session.ours
    assert isinstance(sending, Sending)
    bare = write_header(sending.dh, 0, 0, b"")
    covered = bytes(5) + arrived.sealed_body
    header = seal(sending.header_key, arrived.nonce, bare, covered)
    refuse(theirs, b"\x00" + arrived.nonce + header + arrived.sealed_body, ForgedMessage)


def test_a_chain_without_the_answer_it_owes_is_refused() -> None:
    theirs, ours = make_pair()
    ours.open(theirs.seal())
    refuse(theirs, forge(ours, Forgery(flags=0, tail=b"")), MalformedFrame)


def test_an_answer_nobody_asked_for_is_refused() -> None:
    ours, theirs = make_talking_pair()
    refuse(theirs, forge(ours, Forgery(flags=ANSWERS, tail=bytes(1088))), MalformedFrame)


def test_a_mauled_answer_opens_nothing() -> None:
    theirs, ours = make_pair()
    ours.open(theirs.seal())
    sending_tail = bytearray(split_tail(ours))
    sending_tail[100] ^= 1
    refuse(theirs, forge(ours, Forgery(tail=bytes(sending_tail))), ForgedMessage)


def split_tail(side: Side) -> bytes:
    side.seal()
    assert isinstance(side.session.ours, Sending)
    return side.session.ours.tail


def test_an_offer_that_is_no_mlkem_key_is_refused() -> None:
    ours, theirs = make_talking_pair()
    refuse(theirs, forge(ours, Forgery(flags=OFFERS, tail=b"\xff" * 1184)), MalformedFrame)


@pytest.mark.parametrize("flags", [4, 8, 0x80, 0xFF])
def test_an_unknown_flag_is_refused(flags: int) -> None:
    ours, theirs = make_talking_pair()
    refuse(theirs, forge(ours, Forgery(flags=flags)), MalformedFrame)


def test_a_body_under_another_key_costs_the_sender_and_not_us() -> None:
    ours, theirs = make_talking_pair()
    ours.seal()
    sending = ours.session.ours
    assert isinstance(sending, Sending)
    header = (sending.header_key, write_header(sending.dh, sending.previous, 7, b""))
    body = (MessageKey(SealKey(bytes(32))), b"forged")
    refuse(theirs, seal_parts(0, bytes(24), header, body, b""), ForgedMessage)
    assert theirs.open(ours.seal(b"still in order")) == b"still in order"


def test_a_second_step_before_our_answer_is_refused() -> None:
    """The keys for it do not exist at an honest peer; a cheating one is not followed."""
    ours, theirs = make_talking_pair()
    theirs.open(ours.seal())
    assert isinstance(ours.session.ours, Sending)
    ahead = evolve(
        ours.session.ours,
        header_key=theirs.session.next_to_receive,
        dh=dh_public_key(ours.session.ours.secret),
    )
    ours.session = evolve(ours.session, ours=ahead)
    refuse(theirs, forge(ours, Forgery()), ForgedMessage)


# ---- a state from the vault that was changed on the disk


def vault_bytes() -> list[bytes]:
    ours, theirs = make_pair()
    awaiting = encode_session(theirs.session)
    ours.seal()
    theirs.open(ours.seal())
    offered = encode_session(theirs.session)
    ours.open(theirs.seal())
    ours.seal()
    return [awaiting, offered, encode_session(theirs.session), encode_session(ours.session)]


@given(st.sampled_from(vault_bytes()), st.integers(0, 10_000), st.integers(1, 255))
@settings(max_examples=200)
def test_a_changed_state_is_refused_or_fails_only_as_the_core_does(
    encoded: bytes, place: int, change: int
) -> None:
    changed = bytearray(encoded)
    changed[place % len(encoded)] ^= change
    try:
        session = decode_session(bytes(changed))
    except MalformedFrame:
        return
    assert encode_session(session) == bytes(changed)
    side = Side(session, 1)
    sealed = make_talking_pair()[0].seal()
    for act in (
        lambda: seal_message(session, b"", b"", entropy=side.entropy, now=side.now),
        lambda: open_message(session, sealed, b"", entropy=side.entropy, now=side.now),
    ):
        try:
            encode_session(act()[0])
        except (ProtocolError, LocalError):
            pass
