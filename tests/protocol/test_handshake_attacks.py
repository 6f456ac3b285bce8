"""TH-KK under attack: what a relay, a thief of links, or a liar among us might send."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.entropy import SeededEntropy
from tests.support.personas import CIRCLE, PSK, Person, person, read, start
from toheal_protocol.crypto import (
    DhPublicKey,
    DhSecretKey,
    KemSeed,
    SharedSecret,
    decapsulate,
    dh_public_key,
    diffie_hellman,
    kem_public_key,
    length_prefixed,
    sign,
)
from toheal_protocol.errors import ForgedMessage, MalformedFrame, RemoteError, UnknownSession
from toheal_protocol.handshake import (
    MAX_PAYLOAD_SIZE,
    Purpose,
    answer_opening,
    finish_handshake,
    prekey_id_of,
)
from toheal_protocol.handshake.agreement import begin_agreement
from toheal_protocol.handshake.flights import (
    FirstFlight,
    decode_first_flight,
    decode_second_flight,
)
from toheal_protocol.handshake.symmetric import begin_symmetric, mix_hash, open_next, seal_next
from toheal_protocol.identity import (
    Card,
    PersonaKeys,
    card_body,
    decode_card,
    draw_prekey,
    encode_card,
    make_card,
)
from toheal_protocol.model import WallTime
from toheal_protocol.wire.padding import pad_to

ALICE = person(1)
BOB = person(2, prekey_id=7)
MALLORY = person(3, prekey_id=7)

STARTED, F1 = start(ALICE, BOB, entropy=SeededEntropy(1), payload=b"join")
_, INTRODUCTION = start(ALICE, BOB, entropy=SeededEntropy(2), introduce=True)
ANSWERED = answer_opening(read(F1, BOB, ALICE), entropy=SeededEntropy(3))
F2 = ANSWERED.f2

E = slice(5, 37)
EK = slice(37, 1221)
C1 = slice(1221, 2309)
C2 = slice(2309, 3397)
SEALS = 3397
RE = slice(1, 33)

PADDED_SIZE = 2226
"""Bytes of the payload beside a card."""

P = 2**255 - 19
LOW_ORDER_NUMBERS = [
    0,
    1,
    325606250916557431795983626356110631294008115727848805560023387167927233504,
    39382357235489614581723060781553021112529911719440698176882885853963445705823,
    P - 1,
    P,
    P + 1,
]
LOW_ORDER = [
    (number | high).to_bytes(32, "little") for number in LOW_ORDER_NUMBERS for high in (0, 1 << 255)
]

low_order = pytest.mark.parametrize("point", LOW_ORDER, ids=range(len(LOW_ORDER)))


def flipped(frame: bytes, bit: int) -> bytes:
    changed = bytearray(frame)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def replaced(frame: bytes, part: slice, by: bytes) -> bytes:
    return frame[: part.start] + by + frame[part.stop :]


def every_byte(frame: bytes, step: int = 1) -> Iterable[int]:
    """One bit of every byte, another one each time."""
    return (8 * at + at % 8 for at in range(0, len(frame), step))


def every_bit(*ranges: range) -> Iterable[int]:
    return (8 * at + bit for part in ranges for at in part for bit in range(8))


@pytest.mark.parametrize(
    "changed",
    [
        {"psk": bytes(32)},
        {"circle_id": bytes(32)},
        {"purpose": Purpose.MEET},
        {"purpose": Purpose.RESET},
    ],
    ids=["psk", "circle", "meet for join", "reset for join"],
)
@pytest.mark.parametrize("frame", [F1, INTRODUCTION], ids=["known", "introduced"])
def test_another_psk_circle_or_purpose_is_refused(changed: dict[str, object], frame: bytes) -> None:
    with pytest.raises(ForgedMessage):
        read(frame, BOB, ALICE, **changed)


def test_an_opening_for_somebody_else_is_refused() -> None:
    with pytest.raises(ForgedMessage):
        read(F1, MALLORY, ALICE)


def test_an_opening_for_another_prekey_is_refused() -> None:
    other = draw_prekey(SeededEntropy(9), id=8, not_after=BOB.prekey.not_after)
    with pytest.raises(UnknownSession):
        read(F1, BOB, ALICE, prekey=other, our_card=make_card(BOB.persona, other))


def test_another_prekey_under_the_same_id_is_refused() -> None:
    other = draw_prekey(SeededEntropy(9), id=7, not_after=BOB.prekey.not_after)
    with pytest.raises(ForgedMessage):
        read(F1, BOB, ALICE, prekey=other, our_card=make_card(BOB.persona, other))


def test_a_card_with_another_end_is_refused() -> None:
    """All fields of the responder's card are agreed on, not only its keys."""
    later = evolve(BOB.prekey, not_after=WallTime(BOB.prekey.not_after + 1))
    with pytest.raises(ForgedMessage):
        read(F1, BOB, ALICE, prekey=later, our_card=make_card(BOB.persona, later))


def test_an_initiator_we_do_not_know_is_refused() -> None:
    with pytest.raises(ForgedMessage):
        read(F1, BOB, MALLORY)


def test_keys_that_do_not_hash_to_the_id_are_refused() -> None:
    """Even where our own book of keys were wrong, nobody goes under another one's id."""
    keys = MALLORY.persona.keys
    f1 = forged(MALLORY.persona.dh, keys, identity=ALICE.member_id)
    with pytest.raises(ForgedMessage):
        read(f1, BOB, known=lambda member: keys)


def test_every_byte_of_an_opening_counts() -> None:
    for bit in every_byte(F1):
        with pytest.raises(RemoteError):
            read(flipped(F1, bit), BOB, ALICE)


def test_every_bit_of_the_short_parts_of_an_opening_counts() -> None:
    for bit in every_bit(range(37), range(SEALS, len(F1))):
        with pytest.raises(RemoteError):
            read(flipped(F1, bit), BOB, ALICE)


def test_every_part_of_an_introduction_counts() -> None:
    for bit in every_byte(INTRODUCTION, step=5):
        with pytest.raises(RemoteError):
            read(flipped(INTRODUCTION, bit), BOB)


def test_every_byte_of_an_answer_counts() -> None:
    for bit in every_byte(F2):
        with pytest.raises(RemoteError):
            finish_handshake(STARTED, flipped(F2, bit))


def test_every_bit_of_the_short_parts_of_an_answer_counts() -> None:
    for bit in every_bit(range(33), range(len(F2) - 16, len(F2))):
        with pytest.raises(RemoteError):
            finish_handshake(STARTED, flipped(F2, bit))
    assert finish_handshake(STARTED, F2).secrets == ANSWERED.secrets


@given(st.integers(0, 8 * len(F1) - 1), st.integers(0, 8 * len(F2) - 1))
@settings(max_examples=60)
def test_any_bit_anywhere_counts(in_f1: int, in_f2: int) -> None:
    with pytest.raises(RemoteError):
        read(flipped(F1, in_f1), BOB, ALICE)
    with pytest.raises(RemoteError):
        finish_handshake(STARTED, flipped(F2, in_f2))


@pytest.mark.parametrize(
    "size",
    [0, 1, 5, 3460, 3397, 3461 + MAX_PAYLOAD_SIZE + 1, 8191, 8193, 65536],
)
def test_an_opening_of_a_size_that_none_has_is_malformed(size: int) -> None:
    for frame in ((F1 + bytes(size))[:size], (INTRODUCTION + bytes(size))[:size]):
        with pytest.raises(MalformedFrame):
            read(frame, BOB, ALICE)


@pytest.mark.parametrize("change", [-3461, -16, -1, 1, 16, 8192])
def test_a_shorter_or_longer_flight_is_refused(change: int) -> None:
    for frame, reader in ((F1, read_as_bob), (INTRODUCTION, read_as_bob), (F2, finish_as_alice)):
        other = frame[:change] if change < 0 else frame + bytes(change)
        with pytest.raises(RemoteError):
            reader(other)


def read_as_bob(frame: bytes) -> object:
    return read(frame, BOB, ALICE)


def finish_as_alice(frame: bytes) -> object:
    return finish_handshake(STARTED, frame)


@pytest.mark.parametrize("reader", [read_as_bob, finish_as_alice, prekey_id_of])
@given(frame=st.binary(max_size=100), size=st.sampled_from([0, 2225, 3461, 3500, 5509, 8192]))
@settings(max_examples=40)
def test_any_bytes_give_a_value_or_a_remote_error(reader, frame: bytes, size: int) -> None:
    for garbage in (
        frame,
        b"\x01" + (frame * (size // max(1, len(frame)) + 1))[: max(0, size - 1)],
    ):
        try:
            reader(garbage)
        except RemoteError:
            pass


def test_another_version_is_malformed() -> None:
    for version in (b"\x00", b"\x02", b"\xff"):
        for frame, reader in ((F1, read_as_bob), (F2, finish_as_alice)):
            with pytest.raises(MalformedFrame):
                reader(version + frame[1:])


@low_order
def test_points_of_low_order_are_refused_in_both_flights(point: bytes) -> None:
    with pytest.raises(MalformedFrame):
        read(replaced(F1, E, point), BOB, ALICE)
    with pytest.raises(MalformedFrame):
        finish_handshake(STARTED, replaced(F2, RE, point))


@low_order
def test_a_shared_value_of_zero_is_never_used(point: bytes) -> None:
    with pytest.raises(MalformedFrame):
        diffie_hellman(ALICE.persona.dh, DhPublicKey(point))


@low_order
def test_a_liars_low_order_key_gives_no_session_with_a_known_id(point: bytes) -> None:
    """Even if such keys came past the card's check, the handshake stops at the zero value."""
    keys = evolve(MALLORY.persona.keys, dh=DhPublicKey(point))
    f1 = forged(MALLORY.persona.dh, keys, identity=keys.member_id)
    with pytest.raises(MalformedFrame):
        read(f1, BOB, known=lambda member: keys)


@pytest.mark.parametrize("part", [C1, C2], ids=["to the prekey", "to the static key"])
def test_a_mauled_or_swapped_ciphertext_is_refused(part: slice) -> None:
    _, other = start(ALICE, BOB, entropy=SeededEntropy(5))
    swapped = F1[C1] if part is C2 else F1[C2]
    for by in (bytes(1088), b"\xff" * 1088, other[part], swapped):
        with pytest.raises(ForgedMessage):
            read(replaced(F1, part, by), BOB, ALICE)


def test_an_ephemeral_ml_kem_key_outside_the_field_is_refused() -> None:
    for by in (b"\xff" * 1184, b"\xff" * 3 + F1[EK][3:]):
        with pytest.raises(MalformedFrame):
            read(replaced(F1, EK, by), BOB, ALICE)


def test_an_answers_ciphertexts_cannot_be_swapped() -> None:
    swapped = F2[:33] + F2[1121:2209] + F2[33:1121] + F2[2209:]
    with pytest.raises(ForgedMessage):
        finish_handshake(STARTED, swapped)


def test_parts_of_two_openings_do_not_mix() -> None:
    _, other = start(ALICE, BOB, entropy=SeededEntropy(6))
    for cut in (37, 1221, 2309, 3397, 3445):
        with pytest.raises(RemoteError):
            read(F1[:cut] + other[cut:], BOB, ALICE)


def test_an_answer_to_another_opening_is_refused() -> None:
    other, _ = start(ALICE, BOB, entropy=SeededEntropy(7))
    with pytest.raises(ForgedMessage):
        finish_handshake(other, F2)


def test_a_flight_sent_back_to_its_author_is_refused() -> None:
    for frame in (F1, INTRODUCTION):
        with pytest.raises(RemoteError):
            read(frame, ALICE, BOB, ALICE)
        with pytest.raises(RemoteError):
            finish_handshake(STARTED, frame)
    with pytest.raises(RemoteError):
        read(F2, BOB, ALICE)


def test_an_opening_in_our_own_name_is_refused() -> None:
    """Not even with our own keys: nobody holds a session with themselves."""
    ours = BOB.persona
    for identity in (ours.keys.member_id, encode_card(BOB.card)):
        with pytest.raises(ForgedMessage):
            read(forged(ours.dh, ours.keys, identity=identity), BOB, BOB)


def test_what_the_specification_says_is_what_is_read() -> None:
    """The forger below makes proper openings when it has nothing to hide."""
    f1 = forged(ALICE.persona.dh, ALICE.persona.keys, identity=ALICE.member_id)
    assert read(f1, BOB, ALICE).payload == b"join"
    card = encode_card(ALICE.card)
    f1 = forged(ALICE.persona.dh, ALICE.persona.keys, identity=card)
    assert read(f1, BOB).initiator == ALICE.card


def test_whoever_has_the_link_cannot_pose_as_a_member() -> None:
    """Mallory holds the psk and everything public of Alice, but not x_A."""
    for identity in (ALICE.member_id, encode_card(ALICE.card)):
        f1 = forged(MALLORY.persona.dh, ALICE.persona.keys, identity=identity)
        with pytest.raises(ForgedMessage):
            read(f1, BOB, ALICE)


def test_somebody_elses_dh_key_in_my_card_opens_nothing() -> None:
    """A card of Mallory's own making that names Alice's x_pk is valid, and of no use to her."""
    keys = evolve(MALLORY.persona.keys, dh=ALICE.persona.keys.dh)
    card = encode_card(signed(MALLORY, keys))
    assert decode_card(card).keys == keys
    with pytest.raises(ForgedMessage):
        read(forged(MALLORY.persona.dh, keys, identity=card), BOB)


def test_whoever_hands_out_a_borrowed_key_cannot_read_the_opening() -> None:
    """Alice calls a card that holds Bob's x_pk beside Mallory's other keys."""
    borrowed = signed(MALLORY, evolve(MALLORY.persona.keys, dh=BOB.persona.keys.dh))
    _, f1 = start(ALICE, MALLORY, entropy=SeededEntropy(8), their_card=borrowed)
    flight = decode_first_flight(f1)
    state = begin_agreement(circle_id=CIRCLE, purpose=Purpose.JOIN, psk=PSK, responder=borrowed)
    secrets = (
        diffie_hellman(MALLORY.prekey.dh, flight.ephemeral),
        diffie_hellman(MALLORY.persona.dh, flight.ephemeral),  # what she has instead of x_B
        decapsulate(MALLORY.prekey.kem, flight.to_prekey),
        decapsulate(MALLORY.persona.kem, flight.to_static),
    )
    with pytest.raises(ForgedMessage):
        open_next(mix_hash(state, *flight.keys), *secrets, sealed=flight.sealed_identity)


@pytest.mark.parametrize("lacking", range(4), ids=["prekey dh", "dh", "prekey kem", "kem"])
def test_an_opening_is_read_only_with_all_four_secrets_of_the_person_called(lacking: int) -> None:
    """Three true secrets and one of Mallory's open nothing; all four true ones do."""
    flight = decode_first_flight(F1)

    def opens(holders: Sequence[Person]) -> bytes:
        state = begin_agreement(circle_id=CIRCLE, purpose=Purpose.JOIN, psk=PSK, responder=BOB.card)
        secrets = (
            diffie_hellman(holders[0].prekey.dh, flight.ephemeral),
            diffie_hellman(holders[1].persona.dh, flight.ephemeral),
            decapsulate(holders[2].prekey.kem, flight.to_prekey),
            decapsulate(holders[3].persona.kem, flight.to_static),
        )
        return open_next(mix_hash(state, *flight.keys), *secrets, sealed=flight.sealed_identity)[1]

    assert opens([BOB] * 4)
    with pytest.raises(ForgedMessage):
        opens([MALLORY if place == lacking else BOB for place in range(4)])


def test_whoever_knows_only_the_psk_cannot_answer() -> None:
    """A relay that stole the link answers for Bob without x_B, kem_B and his prekey."""
    flight = decode_first_flight(F1)
    state = begin_agreement(circle_id=CIRCLE, purpose=Purpose.JOIN, psk=PSK, responder=BOB.card)
    guesses = (
        diffie_hellman(MALLORY.prekey.dh, flight.ephemeral),
        diffie_hellman(MALLORY.persona.dh, flight.ephemeral),
    )
    with pytest.raises(ForgedMessage):
        open_next(mix_hash(state, *flight.keys), *guesses, sealed=flight.sealed_identity)
    opened = evolve(read(F1, BOB, ALICE), state=state)
    with pytest.raises(ForgedMessage):
        finish_handshake(STARTED, answer_opening(opened, entropy=SeededEntropy(9)).f2)


@pytest.mark.parametrize("missing", range(4), ids=["E·p_R", "E·x_R", "q_R", "kem_R"])
def test_every_secret_of_an_opening_is_needed(missing: int) -> None:
    """So a thief of X25519 secrets alone, or of ML-KEM secrets alone, reads nothing."""
    flight = decode_first_flight(F1)
    state = begin_agreement(circle_id=CIRCLE, purpose=Purpose.JOIN, psk=PSK, responder=BOB.card)
    secrets = [
        diffie_hellman(BOB.prekey.dh, flight.ephemeral),
        diffie_hellman(BOB.persona.dh, flight.ephemeral),
        decapsulate(BOB.prekey.kem, flight.to_prekey),
        decapsulate(BOB.persona.kem, flight.to_static),
    ]
    heard = mix_hash(state, *flight.keys)
    assert open_next(heard, *secrets, sealed=flight.sealed_identity)[1] == ALICE.member_id
    secrets[missing] = SharedSecret(bytes(32))
    with pytest.raises(ForgedMessage):
        open_next(heard, *secrets, sealed=flight.sealed_identity)


@pytest.mark.parametrize("missing", ["ephemeral", "static", "static_kem", "ephemeral_kem"])
def test_every_secret_of_an_answer_is_needed(missing: str) -> None:
    """None of the four alone, nor three of them: all are mixed into what confirms the answer."""
    size = len(getattr(STARTED, missing))
    thief = evolve(STARTED, **{missing: bytes(range(size))})
    with pytest.raises(ForgedMessage):
        finish_handshake(thief, F2)


def test_an_answer_without_the_static_ml_kem_secret_of_the_caller_is_useless() -> None:
    """Whoever broke X25519 and recorded everything still lacks what the answer was sealed to."""
    thief = evolve(STARTED, static_kem=MALLORY.persona.kem)
    with pytest.raises(ForgedMessage):
        finish_handshake(thief, F2)


def test_a_refused_flight_leaves_everything_as_it_was() -> None:
    for bit in (8, 300, 20_000):
        with pytest.raises(RemoteError):
            finish_handshake(STARTED, flipped(F2, bit % (8 * len(F2))))
    assert finish_handshake(STARTED, F2).secrets == ANSWERED.secrets
    assert read(F1, BOB, ALICE).payload == b"join"


def test_every_refusal_is_a_remote_error_and_tells_nothing_of_the_content() -> None:
    """One family of errors, and no message holds a byte of the frame or of a key."""
    messages = set()
    for bit in every_byte(F1, step=97):
        try:
            read(flipped(F1, bit), BOB, ALICE)
        except RemoteError as refused:
            messages.add(str(refused))
    assert len(messages) <= 6
    assert not [
        text for text in messages if any(char.isdigit() for char in text.replace("768", ""))
    ]


def test_a_seal_needs_the_whole_of_what_was_said_before() -> None:
    start_state = begin_symmetric()
    secret = diffie_hellman(DhSecretKey(bytes(range(32))), ALICE.persona.keys.dh)
    _, sealed = seal_next(mix_hash(start_state, b"ab", b"c"), secret, plain=b"hello")
    for heard in (mix_hash(start_state, b"a", b"bc"), mix_hash(start_state, b"abc"), start_state):
        with pytest.raises(ForgedMessage):
            open_next(heard, secret, sealed=sealed)
    _, plain = open_next(mix_hash(start_state, b"ab", b"c"), secret, sealed=sealed)
    assert plain == b"hello"


def test_no_two_seals_of_a_run_share_a_key() -> None:
    """The zero nonce is safe as long as the same plain bytes never give the same seal."""
    state = begin_symmetric()
    secret = diffie_hellman(DhSecretKey(bytes(range(32))), ALICE.persona.keys.dh)
    seals = []
    for _ in range(5):
        state, sealed = seal_next(state, secret, plain=b"the same words")
        seals.append(sealed)
    assert len({sealed[:14] for sealed in seals}) == 5


def test_a_payload_above_the_limit_is_refused_beside_a_card_too() -> None:
    """Padding leaves room for 177 bytes more than the limit; nobody may use them."""
    card = encode_card(ALICE.card)
    for size, fits in ((MAX_PAYLOAD_SIZE, True), (MAX_PAYLOAD_SIZE + 1, False), (2225, False)):
        payload = pad_to(bytes(size), PADDED_SIZE)
        f1 = forged(ALICE.persona.dh, ALICE.persona.keys, identity=card, payload=payload)
        if fits:
            assert read(f1, BOB).payload == bytes(size)
        else:
            with pytest.raises(MalformedFrame):
                read(f1, BOB)


def test_padding_without_its_mark_is_refused() -> None:
    card = encode_card(ALICE.card)
    f1 = forged(ALICE.persona.dh, ALICE.persona.keys, identity=card, payload=bytes(PADDED_SIZE))
    with pytest.raises(MalformedFrame):
        read(f1, BOB)


def test_a_card_that_is_none_is_refused_inside_the_seal_too() -> None:
    broken = flipped(encode_card(ALICE.card), 8 * 2500)
    f1 = forged(ALICE.persona.dh, ALICE.persona.keys, identity=broken)
    with pytest.raises(ForgedMessage):
        read(f1, BOB)


def test_flights_come_back_from_their_bytes() -> None:
    assert decode_first_flight(F1).encode() == F1
    assert decode_first_flight(INTRODUCTION).encode() == INTRODUCTION
    assert decode_second_flight(F2).encode() == F2


def signed(owner: Person, keys: PersonaKeys) -> Card:
    """Return the owner's card with other keys in it, properly signed by the owner."""
    card = evolve(owner.card, keys=keys)
    signature = sign(owner.persona.signing, length_prefixed(b"th1/card", card_body(card)))
    return evolve(card, signature=signature)


def forged(
    dh: DhSecretKey,
    claimed: PersonaKeys,
    *,
    identity: bytes,
    payload: bytes | None = None,
    to: Person = BOB,
) -> bytes:
    """Make an F1 by the specification, without the care `start_handshake` takes of its caller.

    Args:
        dh: the X25519 secret the forger has.
        claimed: the keys the forger says are its own.
        identity: what goes into the first seal.
        payload: what goes into the second one; by default a short one in its proper form.
        to: whom it is for.
    """
    if payload is None:
        payload = b"join" if len(identity) == 32 else pad_to(b"join", PADDED_SIZE)
    entropy = SeededEntropy(10)
    ephemeral = DhSecretKey(entropy.draw(32))
    prekey_secret, to_prekey = entropy.encapsulate(to.card.prekey_kem)
    static_secret, to_static = entropy.encapsulate(to.card.keys.kem)
    flight = FirstFlight(
        prekey_id=to.card.prekey_id,
        ephemeral=dh_public_key(ephemeral),
        ephemeral_kem=kem_public_key(KemSeed(entropy.draw(64))),
        to_prekey=to_prekey,
        to_static=to_static,
    )
    state = begin_agreement(circle_id=CIRCLE, purpose=Purpose.JOIN, psk=PSK, responder=to.card)
    state, sealed_identity = seal_next(
        mix_hash(state, *flight.keys),
        diffie_hellman(ephemeral, to.card.prekey_dh),
        diffie_hellman(ephemeral, to.card.keys.dh),
        prekey_secret,
        static_secret,
        plain=identity,
    )
    _, sealed_payload = seal_next(
        mix_hash(state, claimed.verify, claimed.dh, claimed.kem),
        diffie_hellman(dh, to.card.prekey_dh),
        plain=payload,
    )
    return b"".join(flight.keys) + sealed_identity + sealed_payload
