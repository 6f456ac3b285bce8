"""TH-KK as it should go: both sides agree, and what each may rely on."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.entropy import SeededEntropy
from tests.support.personas import CIRCLE, PSK, Person, person, read, shake_hands, start
from toheal_protocol.crypto import dh_public_key
from toheal_protocol.errors import LocalError, MalformedFrame, RemoteError
from toheal_protocol.handshake import (
    INTRODUCTION_SIZE,
    MAX_PAYLOAD_SIZE,
    SECOND_FLIGHT_SIZE,
    Purpose,
    SessionSecrets,
    answer_opening,
    decode_started,
    encode_started,
    finish_handshake,
    our_run_lives,
    prekey_id_of,
    reset_psk,
)
from toheal_protocol.identity import Card, PersonaKeys, PrekeySecrets, draw_prekey, make_card
from toheal_protocol.model import MemberId, WallTime

ALICE = person(1)
BOB = person(2, prekey_id=7)
CAROL = person(3)

known_or_not = pytest.mark.parametrize("introduce", [False, True], ids=["known", "introduced"])


def parts(secrets: SessionSecrets) -> list[bytes]:
    return [
        secrets.root,
        secrets.header_initiator,
        secrets.header_responder,
        secrets.continuity,
    ]


@known_or_not
def test_both_sides_agree(introduce: bool) -> None:
    finished, answered = shake_hands(ALICE, BOB, entropy=SeededEntropy(1), introduce=introduce)
    assert finished.secrets == answered.secrets
    assert finished.their_ratchet_key == dh_public_key(answered.ratchet_secret)
    assert {len(part) for part in parts(finished.secrets)} == {32}
    assert len(set(parts(finished.secrets))) == 4


@known_or_not
@pytest.mark.parametrize("purpose", list(Purpose))
@given(payload=st.binary(max_size=MAX_PAYLOAD_SIZE), seed=st.integers(0, 1000))
@settings(max_examples=8)
def test_the_payload_arrives(introduce: bool, purpose: Purpose, payload: bytes, seed: int) -> None:
    entropy = SeededEntropy(seed)
    started, f1 = start(
        ALICE, BOB, entropy=entropy, introduce=introduce, payload=payload, purpose=purpose
    )
    opened = read(f1, BOB, ALICE, purpose=purpose)
    assert opened.payload == payload
    answered = answer_opening(opened, entropy=entropy)
    assert finish_handshake(started, answered.f2).secrets == answered.secrets


def test_a_stranger_introduces_themselves_with_their_card() -> None:
    _, f1 = start(ALICE, BOB, entropy=SeededEntropy(1), introduce=True)
    opened = read(f1, BOB)
    assert opened.initiator == ALICE.card
    assert opened.keys == ALICE.persona.keys


def test_somebody_known_names_themselves_by_id_only() -> None:
    _, f1 = start(ALICE, BOB, entropy=SeededEntropy(1))
    opened = read(f1, BOB, ALICE, CAROL)
    assert opened.initiator is None
    assert opened.keys == ALICE.persona.keys


@known_or_not
def test_neither_id_nor_keys_nor_payload_lie_open(introduce: bool) -> None:
    started, f1 = start(
        ALICE, BOB, entropy=SeededEntropy(1), introduce=introduce, payload=b"say nothing"
    )
    answered = answer_opening(read(f1, BOB, ALICE), entropy=SeededEntropy(2))
    keys = ALICE.persona.keys
    hidden = [ALICE.member_id, keys.dh, keys.verify, keys.kem[:32], b"say nothing", BOB.member_id]
    hidden += [CIRCLE, PSK, *parts(answered.secrets), started.state.hash, started.state.chain]
    assert not [part for part in hidden if part in f1 or part in answered.f2]


def test_the_sizes_are_those_of_the_specification() -> None:
    for payload in (b"", b"x" * 100, b"x" * MAX_PAYLOAD_SIZE):
        _, known = start(ALICE, BOB, entropy=SeededEntropy(1), payload=payload)
        _, stranger = start(ALICE, BOB, entropy=SeededEntropy(1), introduce=True, payload=payload)
        assert len(known) == 3461 + len(payload)
        assert len(stranger) == INTRODUCTION_SIZE == 8192
    answered = answer_opening(read(known, BOB, ALICE), entropy=SeededEntropy(2))
    assert len(answered.f2) == SECOND_FLIGHT_SIZE == 2225


def test_a_flight_tells_its_prekey_before_it_is_opened() -> None:
    _, f1 = start(ALICE, BOB, entropy=SeededEntropy(1))
    assert prekey_id_of(f1) == 7


def test_every_run_gives_other_secrets_and_other_flights() -> None:
    entropy = SeededEntropy(1)
    runs = [shake_hands(ALICE, BOB, entropy=entropy) for _ in range(3)]
    seen = [part for finished, _ in runs for part in parts(finished.secrets)]
    assert len(set(seen)) == 12
    assert len({answered.f2 for _, answered in runs}) == 3


def test_what_was_drawn_is_drawn_once_and_kept_apart() -> None:
    entropy = SeededEntropy(1)
    started, f1 = start(ALICE, BOB, entropy=entropy)
    answered = answer_opening(read(f1, BOB, ALICE), entropy=entropy)
    assert entropy.drawn == [started.ephemeral, started.ephemeral_kem, answered.ratchet_secret]
    assert len(set(entropy.drawn)) == 3
    assert entropy.encapsulations == 4


def test_reading_an_opening_draws_nothing_and_gives_the_same_each_time() -> None:
    _, f1 = start(ALICE, BOB, entropy=SeededEntropy(1))
    assert read(f1, BOB, ALICE) == read(f1, BOB, ALICE)


def test_a_replayed_opening_shows_the_same_ephemeral() -> None:
    """So the caller, who keeps every ephemeral of a prekey, can tell it from a new one."""
    entropy = SeededEntropy(1)
    _, f1 = start(ALICE, BOB, entropy=entropy)
    _, another = start(ALICE, BOB, entropy=entropy)
    assert read(f1, BOB, ALICE).ephemeral == read(f1, BOB, ALICE).ephemeral
    assert read(f1, BOB, ALICE).ephemeral != read(another, BOB, ALICE).ephemeral


def test_a_replayed_opening_answered_again_is_another_session() -> None:
    """Nobody can make the responder use old secrets again; the initiator takes one answer only."""
    entropy = SeededEntropy(1)
    started, f1 = start(ALICE, BOB, entropy=entropy)
    opened = read(f1, BOB, ALICE)
    first, second = answer_opening(opened, entropy=entropy), answer_opening(opened, entropy=entropy)
    assert not set(parts(first.secrets)) & set(parts(second.secrets))
    assert finish_handshake(started, first.f2).secrets == first.secrets
    assert finish_handshake(started, second.f2).secrets == second.secrets


@known_or_not
def test_a_started_handshake_survives_the_vault(introduce: bool) -> None:
    entropy = SeededEntropy(1)
    started, f1 = start(ALICE, BOB, entropy=entropy, introduce=introduce)
    stored = encode_started(started)
    assert len(stored) == 257
    assert decode_started(stored) == started
    answered = answer_opening(read(f1, BOB, ALICE), entropy=entropy)
    assert finish_handshake(decode_started(stored), answered.f2).secrets == answered.secrets


@given(st.binary(max_size=300))
@settings(max_examples=100)
def test_any_stored_bytes_are_a_handshake_or_a_remote_error(stored: bytes) -> None:
    try:
        assert encode_started(decode_started(stored)) == stored
    except RemoteError:
        pass


def test_a_stored_handshake_of_another_size_or_version_is_malformed() -> None:
    stored = encode_started(start(ALICE, BOB, entropy=SeededEntropy(1))[0])
    for wrong in (stored[:-1], stored + b"\x00", b"\x02" + stored[1:], b""):
        with pytest.raises(MalformedFrame):
            decode_started(wrong)


def test_crossing_runs_agree_on_which_one_lives() -> None:
    """Both finish both runs; the one started by the lower member id is kept by both sides."""
    entropy = SeededEntropy(1)
    from_alice, alice_sees = shake_hands(ALICE, BOB, entropy=entropy)
    from_bob, bob_sees = shake_hands(BOB, ALICE, entropy=entropy)
    kept_by_alice = (
        from_alice.secrets if our_run_lives(ALICE.member_id, BOB.member_id) else bob_sees.secrets
    )
    kept_by_bob = (
        from_bob.secrets if our_run_lives(BOB.member_id, ALICE.member_id) else alice_sees.secrets
    )
    assert kept_by_alice == kept_by_bob
    lower = min(ALICE.member_id, BOB.member_id)
    assert our_run_lives(lower, MemberId(max(ALICE.member_id, BOB.member_id)))


def test_a_reset_needs_what_the_old_session_left() -> None:
    entropy = SeededEntropy(1)
    finished, answered = shake_hands(ALICE, BOB, entropy=entropy)
    psk = reset_psk(finished.secrets.continuity)
    assert psk == reset_psk(answered.secrets.continuity)
    assert psk not in parts(finished.secrets)
    _, f1 = start(ALICE, BOB, entropy=entropy, psk=psk, purpose=Purpose.RESET)
    assert read(f1, BOB, ALICE, psk=psk, purpose=Purpose.RESET).keys == ALICE.persona.keys
    _, stranger = shake_hands(CAROL, BOB, entropy=entropy)
    with pytest.raises(RemoteError):
        read(f1, BOB, ALICE, psk=reset_psk(stranger.secrets.continuity), purpose=Purpose.RESET)


def test_no_secret_shows_in_a_repr() -> None:
    entropy = SeededEntropy(1)
    started, f1 = start(ALICE, BOB, entropy=entropy, payload=b"a quiet word")
    opened = read(f1, BOB, ALICE)
    answered = answer_opening(opened, entropy=entropy)
    finished = finish_handshake(started, answered.f2)
    shown = "".join(map(repr, (started, opened, answered, finished, finished.secrets)))
    secrets = [*entropy.drawn, *parts(finished.secrets), started.state.chain, opened.state.chain]
    assert not [secret for secret in secrets if repr(secret)[2:-1] in shown]
    assert "a quiet word" not in shown


def wrongly_started() -> list[dict[str, object]]:
    return [
        {"psk": PSK[:31]},
        {"circle_id": CIRCLE + b"\x00"},
        {"payload": bytes(MAX_PAYLOAD_SIZE + 1)},
        {"our_card": CAROL.card},
        {"their_card": ALICE.card},
    ]


@pytest.mark.parametrize("wrong", wrongly_started(), ids=lambda wrong: next(iter(wrong)))
def test_a_wrong_argument_is_our_own_mistake(wrong: dict[str, object]) -> None:
    with pytest.raises(LocalError):
        start(ALICE, BOB, entropy=SeededEntropy(1), **wrong)


def test_a_card_of_another_persona_or_prekey_is_our_own_mistake() -> None:
    _, f1 = start(ALICE, BOB, entropy=SeededEntropy(1))
    for card in (CAROL.card, person(2, prekey_id=8).card):
        with pytest.raises(LocalError):
            read(f1, BOB, ALICE, our_card=card)


def test_a_known_peer_is_looked_up_by_the_id_that_came() -> None:
    asked: list[MemberId] = []

    def known(member: MemberId) -> PersonaKeys | None:
        asked.append(member)
        return ALICE.persona.keys

    _, f1 = start(ALICE, BOB, entropy=SeededEntropy(1))
    read(f1, BOB, known=known)
    assert asked == [ALICE.member_id]


def test_a_person_can_answer_with_any_prekey_still_kept() -> None:
    older = Person(BOB.persona, *_other_prekey(BOB))
    _, f1 = start(ALICE, older, entropy=SeededEntropy(1))
    assert read(f1, older, ALICE).keys == ALICE.persona.keys


def _other_prekey(owner: Person) -> tuple[PrekeySecrets, Card]:
    prekey = draw_prekey(SeededEntropy(99), id=6, not_after=WallTime(5))
    return prekey, make_card(owner.persona, prekey)
