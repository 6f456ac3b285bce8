"""Every case of ratchet.json and envelope.json, and that their script writes exactly these files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.entropy import ReplayedEntropy
from tests.vectors.make_ratchet_vectors import FILES, as_text
from toheal_protocol import errors
from toheal_protocol.crypto import DhSecretKey, KemCiphertext, SharedSecret, dh_public_key
from toheal_protocol.envelope import (
    Content,
    ContentKey,
    Parent,
    decode_content,
    encode_content,
    message_id,
    open_content,
    seal_content,
)
from toheal_protocol.errors import RemoteError
from toheal_protocol.model import Audience, CircleId, MemberId, MessageId, OperationId, WallTime
from toheal_protocol.ratchet import (
    ForkedSession,
    Session,
    begin_as_initiator,
    begin_as_responder,
    decode_session,
    encode_session,
    offer_kem_next,
    open_message,
    seal_message,
)
from toheal_protocol.ratchet.keys import ChainKey, RootKey, advance_chain, take_root_step

HERE = Path(__file__).parent
RATCHET = json.loads((HERE / "ratchet.json").read_text(encoding="utf-8"))
ENVELOPE = json.loads((HERE / "envelope.json").read_text(encoding="utf-8"))

Case = dict[str, Any]


def cases(part: list[Case]) -> Any:
    names = [str(case.get("why") or case.get("name") or i) for i, case in enumerate(part)]
    return pytest.mark.parametrize("case", part, ids=names)


def expected(case: Case) -> type[RemoteError]:
    found = {"ForkedSession": ForkedSession} | vars(errors)
    error: type[RemoteError] = found[case["error"]]
    return error


def replayed(case: Case) -> ReplayedEntropy:
    return ReplayedEntropy(
        [bytes.fromhex(drawn) for drawn in case.get("draws", [])],
        [
            (SharedSecret(bytes.fromhex(secret)), KemCiphertext(bytes.fromhex(ciphertext)))
            for secret, ciphertext in case.get("encapsulations", [])
        ],
    )


@pytest.mark.parametrize("name", list(FILES))
def test_the_script_writes_these_very_files(name: str) -> None:
    assert (HERE / name).read_text(encoding="utf-8") == as_text(FILES[name]())


@cases(RATCHET["chain"])
def test_a_chain_advances_as_written(case: Case) -> None:
    following, key = advance_chain(ChainKey(bytes.fromhex(case["chain_key"])))
    assert (following.hex(), key.hex()) == (case["next_chain_key"], case["message_key"])


@cases(RATCHET["root"])
def test_a_root_step_gives_what_is_written(case: Case) -> None:
    encapsulated = bytes.fromhex(case["encapsulated"])
    root, chain_key, header = take_root_step(
        RootKey(bytes.fromhex(case["root"])),
        SharedSecret(bytes.fromhex(case["agreed"])),
        SharedSecret(encapsulated) if encapsulated else None,
    )
    assert root.hex() == case["next_root"]
    assert chain_key.hex() == case["chain_key"]
    assert header.hex() == case["next_header_key"]


@cases(RATCHET["talks"])
def test_a_talk_goes_byte_by_byte_as_written(case: Case) -> None:
    sessions = begin(case["begin"])
    for act in case["acts"]:
        sessions[act["side"]] = carry_out(sessions[act["side"]], act)
    for side, state in case["states"].items():
        assert encode_session(sessions[side]).hex() == state
        assert decode_session(bytes.fromhex(state)) == sessions[side]


def begin(case: Case) -> dict[str, Session]:
    keys = {
        name: bytes.fromhex(case[name]) for name in ("root", "header_initiator", "header_responder")
    }
    secret = DhSecretKey(bytes.fromhex(case["ratchet_secret"]))
    entropy, now = replayed(case), WallTime(case["now"])
    initiator = begin_as_initiator(
        **keys, their_ratchet_key=dh_public_key(secret), entropy=entropy, now=now
    )
    assert entropy.is_dry
    responder = begin_as_responder(**keys, our_ratchet_secret=secret, now=now)
    return {"initiator": initiator, "responder": responder}


def carry_out(session: Session, act: Case) -> Session:
    """Do one act of a talk and compare everything it gives with what is written."""
    if act["act"] == "offer":
        return offer_kem_next(session)
    associated, now = bytes.fromhex(act["associated"]), WallTime(act["now"])
    entropy = replayed(act)
    if act["act"] == "seal":
        plain = bytes.fromhex(act["plain"])
        session, sealed = seal_message(session, plain, associated, entropy=entropy, now=now)
        assert sealed.hex() == act["sealed"]
        assert entropy.is_dry
        return session
    sealed = bytes.fromhex(act["sealed"])
    if act["act"] == "refuse":
        with pytest.raises(expected(act)) as refused:
            open_message(session, sealed, associated, entropy=entropy, now=now)
        assert type(refused.value) is expected(act)
        return session
    session, plain = open_message(session, sealed, associated, entropy=entropy, now=now)
    assert plain.hex() == act["plain"]
    return session


@cases(ENVELOPE["content"])
def test_content_is_written_and_read_as_written(case: Case) -> None:
    def id_or_none(name: str) -> MessageId | None:
        return MessageId(bytes.fromhex(case[name])) if case[name] else None

    content = Content(
        circle_id=CircleId(bytes.fromhex(case["circle_id"])),
        audience=Audience(case["audience"]),
        author_seq=case["author_seq"],
        prev_own=id_or_none("prev_own"),
        parents=tuple(
            Parent(bytes.fromhex(mark), Audience(whom), author_seq, MessageId(bytes.fromhex(mid)))
            for mark, whom, author_seq, mid in case["parents"]
        ),
        view=tuple(OperationId(bytes.fromhex(one)) for one in case["view"]),
        lamport=case["lamport"],
        ttl=case["ttl"],
        type=case["type"],
        reply=id_or_none("reply"),
        body=bytes.fromhex(case["body"]),
    )
    assert encode_content(content).hex() == case["encoded"]
    assert decode_content(bytes.fromhex(case["encoded"])) == content


@cases(ENVELOPE["refused_content"])
def test_content_of_another_layout_is_refused_as_written(case: Case) -> None:
    encoded = bytes.fromhex(case["encoded"])
    if "size" in case:
        encoded = encoded.ljust(case["size"], bytes.fromhex(case["fill"]))
    with pytest.raises(expected(case)):
        decode_content(encoded)


@cases(ENVELOPE["common"])
def test_a_common_part_is_sealed_and_opened_as_written(case: Case) -> None:
    key, plain = ContentKey(bytes.fromhex(case["key"])), bytes.fromhex(case["plain"])
    author = MemberId(bytes.fromhex(case["author"]))
    common = seal_content(plain, key, author=author)
    assert common.hex() == case["common"]
    assert open_content(common, key, author=author) == plain
    assert message_id(common).hex() == case["message_id"]


@cases(ENVELOPE["refused_common"])
def test_a_common_part_that_does_not_fit_is_refused_as_written(case: Case) -> None:
    common, key, author = (bytes.fromhex(case[name]) for name in ("common", "key", "author"))
    with pytest.raises(expected(case)):
        open_content(common, ContentKey(key), author=MemberId(author))
