"""Personas, prekeys and cards: what binds three keys to one person, and what a card refuses."""

from __future__ import annotations

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.entropy import SeededEntropy
from tests.support.personas import NOT_AFTER, person
from toheal_protocol.crypto import (
    DhPublicKey,
    KemPublicKey,
    Signature,
    dh_public_key,
    kem_public_key,
    length_prefixed,
    sign,
    verify_key,
)
from toheal_protocol.crypto.keys import check_dh_public_key
from toheal_protocol.errors import ForgedMessage, LocalError, MalformedFrame, RemoteError
from toheal_protocol.identity import (
    CARD_SIZE,
    Card,
    PersonaKeys,
    PersonaSecrets,
    card_body,
    decode_card,
    decode_persona,
    decode_prekey,
    draw_persona,
    draw_prekey,
    encode_card,
    encode_persona,
    encode_prekey,
    make_card,
)
from toheal_protocol.model import WallTime

ALICE = person(1)
MALLORY = person(2)

P = 2**255 - 19
LOW_ORDER = [
    (0).to_bytes(32, "little"),
    (1).to_bytes(32, "little"),
    (325606250916557431795983626356110631294008115727848805560023387167927233504).to_bytes(
        32, "little"
    ),
    (39382357235489614581723060781553021112529911719440698176882885853963445705823).to_bytes(
        32, "little"
    ),
    (P - 1).to_bytes(32, "little"),
    P.to_bytes(32, "little"),
    (P + 1).to_bytes(32, "little"),
]

low_order = pytest.mark.parametrize("point", LOW_ORDER, ids=range(len(LOW_ORDER)))


def signed_by(persona: PersonaSecrets, card: Card) -> Card:
    """Return the card with a signature that fits, whatever the card claims."""
    signature = sign(persona.signing, length_prefixed(b"th1/card", card_body(card)))
    return evolve(card, signature=signature)


def test_a_persona_draws_its_three_secrets_once_and_in_order() -> None:
    entropy = SeededEntropy(1)
    persona = draw_persona(entropy)
    assert entropy.drawn == [persona.signing, persona.dh, persona.kem]
    assert len(set(entropy.drawn)) == 3


def test_the_public_keys_come_from_the_secret_ones() -> None:
    persona = ALICE.persona
    assert persona.keys.verify == verify_key(persona.signing)
    assert persona.keys.dh == dh_public_key(persona.dh)
    assert persona.keys.kem == kem_public_key(persona.kem)
    assert persona.keys is persona.keys


def test_the_member_id_names_all_three_keys() -> None:
    ours, theirs = ALICE.persona.keys, MALLORY.persona.keys
    mixed = {
        ours.member_id,
        PersonaKeys(theirs.verify, ours.dh, ours.kem).member_id,
        PersonaKeys(ours.verify, theirs.dh, ours.kem).member_id,
        PersonaKeys(ours.verify, ours.dh, theirs.kem).member_id,
    }
    assert len(mixed) == 4
    assert {len(member_id) for member_id in mixed} == {32}


def test_two_personas_of_one_person_share_no_byte_string() -> None:
    entropy = SeededEntropy(3)
    first, second = draw_persona(entropy), draw_persona(entropy)
    ours = {first.signing, first.dh, first.kem, first.keys.verify, first.keys.dh, first.keys.kem}
    others = {second.signing, second.dh, second.kem}
    others |= {second.keys.verify, second.keys.dh, second.keys.kem}
    assert not ours & others


def test_no_secret_shows_in_a_repr() -> None:
    prekey = ALICE.prekey
    for shown in (repr(ALICE.persona), repr(prekey)):
        for secret in (ALICE.persona.signing, ALICE.persona.dh, prekey.dh, prekey.kem):
            assert repr(secret) not in shown
            assert secret.hex() not in shown


def test_personas_and_prekeys_come_back_from_the_vault() -> None:
    assert decode_persona(encode_persona(ALICE.persona)) == ALICE.persona
    assert len(encode_persona(ALICE.persona)) == 129
    assert decode_prekey(encode_prekey(ALICE.prekey)) == ALICE.prekey
    assert len(encode_prekey(ALICE.prekey)) == 105


@pytest.mark.parametrize("decode", [decode_persona, decode_prekey, decode_card])
@given(frame=st.binary(max_size=3000))
@settings(max_examples=60)
def test_any_bytes_give_a_value_or_a_remote_error(decode, frame: bytes) -> None:
    try:
        decode(frame)
    except RemoteError:
        pass


@pytest.mark.parametrize(
    ("stored", "decode"),
    [
        (encode_persona(ALICE.persona), decode_persona),
        (encode_prekey(ALICE.prekey), decode_prekey),
        (encode_card(ALICE.card), decode_card),
    ],
    ids=["persona", "prekey", "card"],
)
def test_another_size_or_version_is_malformed(stored: bytes, decode) -> None:
    for wrong in (stored[:-1], stored + b"\x00", b"", b"\x02" + stored[1:], b"\x00" + stored[1:]):
        with pytest.raises(MalformedFrame):
            decode(wrong)


def test_a_prekey_id_or_end_beyond_four_bytes_is_our_own_mistake() -> None:
    prekey = draw_prekey(SeededEntropy(1), id=2**32, not_after=NOT_AFTER)
    with pytest.raises(LocalError):
        encode_prekey(prekey)
    with pytest.raises(LocalError):
        make_card(ALICE.persona, evolve(prekey, id=1, not_after=WallTime(2**32)))


def test_a_card_says_what_its_owner_put_in() -> None:
    card = decode_card(encode_card(ALICE.card))
    assert card == ALICE.card
    assert len(encode_card(card)) == CARD_SIZE == 2537
    assert card.member_id == ALICE.persona.keys.member_id
    assert (card.prekey_id, card.not_after) == (1, NOT_AFTER)
    assert (card.prekey_dh, card.prekey_kem) == (ALICE.prekey.dh_public, ALICE.prekey.kem_public)


def test_one_persona_and_prekey_give_one_card() -> None:
    assert encode_card(make_card(ALICE.persona, ALICE.prekey)) == encode_card(ALICE.card)


def test_a_card_with_any_byte_changed_is_refused() -> None:
    encoded = encode_card(ALICE.card)
    for at in range(len(encoded)):
        changed = bytearray(encoded)
        changed[at] ^= 1 << at % 8
        with pytest.raises(RemoteError):
            decode_card(bytes(changed))


def test_a_card_signed_by_somebody_else_is_refused() -> None:
    with pytest.raises(ForgedMessage):
        decode_card(encode_card(signed_by(MALLORY.persona, ALICE.card)))


def test_somebody_elses_key_cannot_be_put_into_a_card() -> None:
    """Neither into mine (the signature), nor into theirs under my member id (the hash)."""
    theirs = MALLORY.persona.keys
    for changed in (
        evolve(ALICE.card.keys, dh=theirs.dh),
        evolve(ALICE.card.keys, kem=theirs.kem),
    ):
        with pytest.raises(ForgedMessage):
            decode_card(encode_card(evolve(ALICE.card, keys=changed)))
    borrowed = evolve(MALLORY.card, keys=evolve(theirs, dh=ALICE.persona.keys.dh))
    card = decode_card(encode_card(signed_by(MALLORY.persona, borrowed)))
    assert card.member_id not in (ALICE.member_id, MALLORY.member_id)


def test_a_signature_made_for_something_else_is_no_cards() -> None:
    body = card_body(ALICE.card)
    for message in (body, length_prefixed(b"th1/opsig", body), length_prefixed(b"th1/mbx", body)):
        forged = evolve(ALICE.card, signature=sign(ALICE.persona.signing, message))
        with pytest.raises(ForgedMessage):
            decode_card(encode_card(forged))


@low_order
def test_keys_of_low_order_are_refused_even_when_signed(point: bytes) -> None:
    key = DhPublicKey(point)
    with pytest.raises(MalformedFrame):
        check_dh_public_key(key)
    for card in (
        evolve(ALICE.card, keys=evolve(ALICE.card.keys, dh=key)),
        evolve(ALICE.card, prekey_dh=key),
    ):
        with pytest.raises(MalformedFrame):
            decode_card(encode_card(signed_by(ALICE.persona, card)))


def test_ml_kem_keys_outside_the_field_are_refused_even_when_signed() -> None:
    broken = KemPublicKey(b"\xff" * 1152 + ALICE.card.prekey_kem[1152:])
    for card in (
        evolve(ALICE.card, keys=evolve(ALICE.card.keys, kem=broken)),
        evolve(ALICE.card, prekey_kem=broken),
    ):
        with pytest.raises(MalformedFrame):
            decode_card(encode_card(signed_by(ALICE.persona, card)))


def test_a_second_spelling_of_a_signature_is_refused() -> None:
    """Ed25519 lets S grow by the group's order unless the verifier is strict."""
    order = 2**252 + 27742317777372353535851937790883648493
    signature = ALICE.card.signature
    larger = int.from_bytes(signature[32:], "little") + order
    respelt = Signature(signature[:32] + larger.to_bytes(32, "little"))
    with pytest.raises(ForgedMessage):
        decode_card(encode_card(evolve(ALICE.card, signature=respelt)))
