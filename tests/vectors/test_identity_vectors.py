"""The frozen vectors of conventions, identity, handshake and invitation, read as another program would."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.support.entropy import ReplayedEntropy
from tests.vectors.make_identity_vectors import DOCUMENTS, text_of
from toheal_protocol.crypto import (
    DhSecretKey,
    KemCiphertext,
    KemSeed,
    SealKey,
    SharedSecret,
    SigningSeed,
    decapsulate,
    derive_keys,
    dh_public_key,
    hash_parts,
    kem_public_key,
    length_prefixed,
    open_with_nonce_inside,
    prf,
    verify_key,
)
from toheal_protocol.errors import RemoteError
from toheal_protocol.handshake import (
    Purpose,
    answer_opening,
    decode_started,
    finish_handshake,
    read_opening,
    reset_psk,
    start_handshake,
)
from toheal_protocol.identity import (
    UnusableName,
    clean_name,
    decode_card,
    decode_persona,
    decode_prekey,
    encode_card,
    fold_word,
    make_card,
    safety_words,
)
from toheal_protocol.identity.words import WORD_LISTS
from toheal_protocol.messages.invitation import (
    InvitationContent,
    encode_invitation,
    invitation_mailbox,
    open_invitation,
    reply_mailbox,
    seal_invitation,
)
from toheal_protocol.model import CircleId, MemberId
from toheal_protocol.wire.invitation_link import (
    MangledInvitation,
    NewerInvitation,
    NoInvitation,
    parse_invitation_link,
)
from toheal_protocol.wire.padding import pad_to_bucket, unpad
from toheal_protocol.wire.relay_address import parse_relay_address

FOLDER = Path(__file__).parent


def load(name: str) -> Any:
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))


CONVENTIONS = load("conventions.json")
IDENTITY = load("identity.json")
HANDSHAKE = load("handshake.json")
INVITATION = load("invitation.json")

unhex = bytes.fromhex


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_script_makes_exactly_these_files(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == text_of(DOCUMENTS[name]())


def test_lists_are_joined_and_hashed_like_this() -> None:
    for case in CONVENTIONS["lp"]:
        assert length_prefixed(*map(unhex, case["parts"])).hex() == case["joined"]
    for case in CONVENTIONS["hash"]:
        assert hash_parts(case["label"], *map(unhex, case["parts"])).hex() == case["hash"]


def test_keys_are_derived_like_this() -> None:
    for case in CONVENTIONS["prf"]:
        output = prf(unhex(case["key"]), case["label"], *map(unhex, case["parts"]))
        assert output.hex() == case["output"]
    for case in CONVENTIONS["hkdf"]:
        salt, secret = unhex(case["salt"]), unhex(case["secret"])
        keys = derive_keys(salt, secret, case["label"], count=len(case["keys"]))
        assert [key.hex() for key in keys] == case["keys"]


def test_seals_and_padding_look_like_this() -> None:
    for case in CONVENTIONS["seal_with_nonce_inside"]:
        key, sealed = SealKey(unhex(case["key"])), unhex(case["sealed"])
        assert open_with_nonce_inside(key, sealed, unhex(case["associated"])).hex() == case["plain"]
    for case in CONVENTIONS["padding"]:
        assert pad_to_bucket(unhex(case["plain"])).hex() == case["padded"]
        assert unpad(unhex(case["padded"])).hex() == case["plain"]


@pytest.mark.parametrize("case", IDENTITY["personas"], ids=range(3))
def test_a_persona_has_these_keys_and_this_card(case: dict[str, Any]) -> None:
    persona = decode_persona(unhex(case["stored_persona"]))
    prekey = decode_prekey(unhex(case["prekey"]["stored"]))
    assert persona.signing.hex() == case["signing_seed"]
    assert verify_key(SigningSeed(unhex(case["signing_seed"]))).hex() == case["verify_key"]
    assert dh_public_key(DhSecretKey(unhex(case["dh_secret"]))).hex() == case["dh_public"]
    assert kem_public_key(KemSeed(unhex(case["kem_seed"]))).hex() == case["kem_public"]
    assert persona.keys.member_id.hex() == case["member_id"]
    assert (prekey.id, prekey.not_after) == (case["prekey"]["id"], case["prekey"]["not_after"])
    assert encode_card(make_card(persona, prekey)).hex() == case["card"]
    assert decode_card(unhex(case["card"])).member_id.hex() == case["member_id"]


@pytest.mark.parametrize("case", IDENTITY["cards_refused"], ids=lambda case: case["why"])
def test_these_cards_are_refused(case: dict[str, str]) -> None:
    with pytest.raises(RemoteError):
        decode_card(unhex(case["card"]))


@pytest.mark.parametrize("case", IDENTITY["safety_words"], ids=range(2))
def test_a_pair_reads_these_words_at_their_real_price(case: dict[str, Any]) -> None:
    ours, theirs = MemberId(unhex(case["ours"])), MemberId(unhex(case["theirs"]))
    assert list(safety_words(theirs, ours, language="ar")) == case["ar"]
    for language in ("ar", "en"):
        assert [WORD_LISTS[language][at] for at in case["positions"]] == case[language]


@pytest.mark.parametrize("language", ["ar", "en"])
def test_the_lists_are_these_and_no_others(language) -> None:
    words, case = WORD_LISTS[language], IDENTITY["lists"][language]
    digest = sha256("\n".join(words).encode()).hexdigest()
    assert digest == case["sha256_of_words_joined_by_newlines"]
    assert (words[0], words[-1]) == (case["first"], case["last"])


def test_words_are_folded_and_names_cleaned_like_this() -> None:
    for case in IDENTITY["folded"]:
        assert fold_word(case["typed"]) == case["folded"]
    for case in IDENTITY["names"]:
        if case["shown"] is None:
            with pytest.raises(UnusableName):
                clean_name(case["written"])
        else:
            assert clean_name(case["written"]) == case["shown"]


runs = pytest.mark.parametrize("case", HANDSHAKE["runs"], ids=["join", "meet", "reset"])


def recorded(case: dict[str, Any], side: str) -> ReplayedEntropy:
    return ReplayedEntropy(
        [unhex(draw) for draw in case[f"{side}_draws"]],
        [
            (SharedSecret(unhex(one["secret"])), KemCiphertext(unhex(one["ciphertext"])))
            for one in case[f"{side}_encapsulations"]
        ],
    )


def opened(case: dict[str, Any], f1: bytes):
    initiator = decode_card(unhex(case["initiator_card"]))
    return read_opening(
        f1,
        circle_id=unhex(case["circle_id"]),
        purpose=Purpose(unhex(case["purpose"])),
        psk=unhex(case["psk"]),
        ours=decode_persona(unhex(case["responder_persona"])),
        prekey=decode_prekey(unhex(case["responder_prekey"])),
        our_card=decode_card(unhex(case["responder_card"])),
        known={initiator.member_id: initiator.keys}.get,
    )


@runs
def test_an_initiator_makes_this_first_flight(case: dict[str, Any]) -> None:
    entropy = recorded(case, "initiator")
    started, f1 = start_handshake(
        circle_id=unhex(case["circle_id"]),
        purpose=Purpose(unhex(case["purpose"])),
        psk=unhex(case["psk"]),
        ours=decode_persona(unhex(case["initiator_persona"])),
        our_card=decode_card(unhex(case["initiator_card"])),
        their_card=decode_card(unhex(case["responder_card"])),
        introduce=case["introduce"],
        payload=unhex(case["payload"]),
        entropy=entropy,
    )
    assert entropy.is_dry
    assert f1.hex() == case["f1"]
    assert started == decode_started(unhex(case["started"]))


@runs
def test_a_responder_reads_it_and_answers_like_this(case: dict[str, Any]) -> None:
    flight = opened(case, unhex(case["f1"]))
    assert flight.payload.hex() == case["payload"]
    assert flight.state.hash.hex() == case["hash_after_f1"]
    assert flight.state.chain.hex() == case["chain_after_f1"]
    assert (flight.initiator is not None) == case["introduce"]
    entropy = recorded(case, "responder")
    answered = answer_opening(flight, entropy=entropy)
    assert entropy.is_dry
    assert answered.f2.hex() == case["f2"]
    assert secrets_of(answered.secrets) == case["secrets"]


@runs
def test_an_initiator_finishes_with_these_secrets(case: dict[str, Any]) -> None:
    finished = finish_handshake(decode_started(unhex(case["started"])), unhex(case["f2"]))
    assert secrets_of(finished.secrets) == case["secrets"]
    assert finished.their_ratchet_key == unhex(case["f2"])[1:33]


def secrets_of(secrets) -> dict[str, str]:
    names = ("root", "header_initiator", "header_responder", "continuity")
    return {name: getattr(secrets, name).hex() for name in names}


@runs
def test_the_recorded_encapsulations_open_to_their_secrets(case: dict[str, Any]) -> None:
    responder = decode_persona(unhex(case["responder_persona"]))
    prekey = decode_prekey(unhex(case["responder_prekey"]))
    initiator = decode_persona(unhex(case["initiator_persona"]))
    ephemeral = KemSeed(unhex(case["initiator_draws"][1]))
    seeds = [prekey.kem, responder.kem, initiator.kem, ephemeral]
    encapsulations = case["initiator_encapsulations"] + case["responder_encapsulations"]
    for seed, one in zip(seeds, encapsulations, strict=True):
        assert decapsulate(seed, KemCiphertext(unhex(one["ciphertext"]))).hex() == one["secret"]


@runs
def test_these_changes_are_refused(case: dict[str, Any]) -> None:
    started = decode_started(unhex(case["started"]))
    readers: dict[str, Callable[[bytes], object]] = {
        "f1": lambda frame: opened(case, frame),
        "f2": lambda frame: finish_handshake(started, frame),
    }
    for change in HANDSHAKE["refused"]["changes"]:
        frame = bytearray(unhex(case[change["flight"]]))
        frame[change["at"]] ^= change["xor"]
        with pytest.raises(RemoteError):
            readers[change["flight"]](bytes(frame))


def test_the_psk_of_a_reset_is_derived_like_this() -> None:
    case = HANDSHAKE["reset_psk"]
    assert reset_psk(unhex(case["continuity"])).hex() == case["psk"]


invitations = pytest.mark.parametrize("case", INVITATION["invitations"], ids=["short", "large"])


def content_of(case: dict[str, Any]) -> InvitationContent:
    return InvitationContent(
        circle_id=CircleId(unhex(case["circle_id"])),
        inviter=decode_card(unhex(case["inviter"])),
        relays=tuple(map(parse_relay_address, case["relays"])),
        circle_name=case["circle_name"],
        inviter_name=case["inviter_name"],
        charter=case["charter"],
        create_operation=unhex(case["create_operation"]),
    )


@invitations
def test_a_link_says_this(case: dict[str, Any]) -> None:
    link = parse_invitation_link(case["link"])
    assert str(link) == case["link"]
    assert str(link.relay) == case["relay"]
    assert (link.secret.hex(), link.content_hash.hex()) == (case["secret"], case["content_hash"])
    assert link.expires == case["expires"]


@invitations
def test_an_invitation_opens_to_this(case: dict[str, Any]) -> None:
    link = parse_invitation_link(case["link"])
    assert open_invitation(unhex(case["sealed"]), link=link) == content_of(case)


@invitations
def test_an_invitation_is_sealed_like_this(case: dict[str, Any]) -> None:
    content = content_of(case)
    entropy = ReplayedEntropy([unhex(case["nonce"])])
    sealed, digest = seal_invitation(content, secret=unhex(case["secret"]), entropy=entropy)
    assert encode_invitation(content).hex() == case["content"]
    assert (sealed.hex(), digest.hex()) == (case["sealed"], case["content_hash"])


@invitations
def test_its_mailboxes_are_these(case: dict[str, Any]) -> None:
    names = ("read_seed", "deposit_token", "seal_key")
    secret = unhex(case["secret"])
    content_box = dict(
        zip(names, (part.hex() for part in invitation_mailbox(secret)), strict=False)
    )
    reply_box = dict(zip(names, (part.hex() for part in reply_mailbox(secret)), strict=True))
    assert (content_box, reply_box) == (case["mailbox"], case["reply_mailbox"])


@pytest.mark.parametrize("case", INVITATION["links_refused"], ids=lambda case: case["text"])
def test_these_links_are_refused_for_this_reason(case: dict[str, str]) -> None:
    kinds = {"no invitation": NoInvitation, "newer": NewerInvitation, "mangled": MangledInvitation}
    with pytest.raises(kinds[case["why"]]):
        parse_invitation_link(case["text"])
