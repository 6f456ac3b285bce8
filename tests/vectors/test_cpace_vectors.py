"""CPace against what its draft prints, and libsodium's map against plain integers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from nacl import bindings

from tests.support import elligator2
from toheal_protocol.crypto import sha512
from toheal_protocol.crypto.cpace import (
    CPaceSecret,
    CPaceShare,
    cpace_agree,
    cpace_generator,
    cpace_key,
    cpace_share,
    cpace_transcript,
    generator_string,
    length_value,
)
from toheal_protocol.errors import LocalError, MalformedFrame

VECTORS = json.loads((Path(__file__).parent / "cpace.json").read_text(encoding="utf-8"))
RUN = {name: bytes.fromhex(value) for name, value in VECTORS["run"].items()}
SCALAR = CPaceSecret(bytes.fromhex(VECTORS["s"]))
SECRETS = {"A": CPaceSecret(RUN["ya"]), "B": CPaceSecret(RUN["yb"])}
SHARES = {"A": CPaceShare(RUN["Ya"]), "B": CPaceShare(RUN["Yb"])}

bytes32 = st.binary(min_size=32, max_size=32)


def generator():
    return cpace_generator(RUN["PRS"], channel=RUN["CI"], session=RUN["sid"])


def ordered(first: bytes, second: bytes) -> bytes:
    """`o_cat` of the draft; our own protocol always knows who speaks first and has no use for it."""
    return b"oc" + max(first, second) + min(first, second)


def test_the_generator_string_is_the_drafts() -> None:
    string = generator_string(RUN["PRS"], channel=RUN["CI"], session=RUN["sid"])
    assert string == RUN["generator_string"]
    assert sha512(string)[:32] == RUN["hashed"]


def test_the_drafts_generator_is_what_elligator2_maps_the_hash_to() -> None:
    assert elligator2.map_to_curve(RUN["hashed"]) == RUN["g"]


def test_our_generator_is_eight_times_the_drafts() -> None:
    ours = bindings.crypto_sign_ed25519_pk_to_curve25519(generator())
    assert ours == elligator2.multiply(8, RUN["g"]) != RUN["g"]


@given(bytes32)
@settings(max_examples=25, deadline=None)
def test_libsodiums_map_is_eight_times_elligator2_for_any_hash(hashed: bytes) -> None:
    eightfold = elligator2.multiply(8, elligator2.map_to_curve(hashed))
    assume(any(eightfold))  # a handful of hashes map to points of low order; SHA-512 finds none
    mapped = bindings.crypto_core_ed25519_from_uniform(hashed)
    assert bindings.crypto_sign_ed25519_pk_to_curve25519(mapped) == eightfold


@pytest.mark.parametrize("side", ["A", "B"])
def test_a_share_is_the_drafts(side: str) -> None:
    assert cpace_share(SECRETS[side], generator()) == SHARES[side]


@given(bytes32, bytes32)
@settings(max_examples=25, deadline=None)
def test_a_share_is_x25519_of_the_drafts_generator(secret: bytes, session: bytes) -> None:
    string = generator_string(b"words", channel=b"c", session=session)
    drafts = elligator2.map_to_curve(sha512(string)[:32])
    ours = cpace_generator(b"words", channel=b"c", session=session)
    assert cpace_share(CPaceSecret(secret), ours) == bindings.crypto_scalarmult(secret, drafts)


def test_both_sides_agree_on_the_drafts_secret_point() -> None:
    assert cpace_agree(SECRETS["A"], SHARES["B"]) == RUN["K"]
    assert cpace_agree(SECRETS["B"], SHARES["A"]) == RUN["K"]


def test_the_key_is_the_drafts_when_one_side_speaks_first() -> None:
    transcript = cpace_transcript(SHARES["A"], RUN["ADa"], SHARES["B"], RUN["ADb"])
    assert transcript == RUN["transcript_ir"]
    shared = cpace_agree(SECRETS["A"], SHARES["B"])
    assert cpace_key(shared, session=RUN["sid"], transcript=transcript) == RUN["ISK_IR"]


def test_the_key_is_the_drafts_when_nobody_speaks_first() -> None:
    transcript = ordered(length_value(RUN["Ya"], RUN["ADa"]), length_value(RUN["Yb"], RUN["ADb"]))
    assert transcript == RUN["transcript_oc"]
    shared = cpace_agree(SECRETS["B"], SHARES["A"])
    assert cpace_key(shared, session=RUN["sid"], transcript=transcript) == RUN["ISK_OC"]


@pytest.mark.parametrize("point", VECTORS["low_order_points"])
def test_a_share_of_low_order_ends_the_run(point: str) -> None:
    with pytest.raises(MalformedFrame):
        cpace_agree(SCALAR, CPaceShare(bytes.fromhex(point)))
    highest_bit = bytes.fromhex(point)[:31] + bytes([bytes.fromhex(point)[31] | 0x80])
    with pytest.raises(MalformedFrame):
        cpace_agree(SCALAR, CPaceShare(highest_bit))


@pytest.mark.parametrize(("point", "result"), VECTORS["points_with_the_highest_bit"])
def test_the_highest_bit_of_a_share_is_ignored(point: str, result: str) -> None:
    assert cpace_agree(SCALAR, CPaceShare(bytes.fromhex(point))).hex() == result


@pytest.mark.parametrize(
    ("parts", "joined"),
    [
        ((b"",), "00"),
        ((b"1234",), "0431323334"),
        ((bytes(range(127)),), "7f" + bytes(range(127)).hex()),
        ((bytes(range(128)),), "8001" + bytes(range(128)).hex()),
        ((b"1234", b"5", b"", b"678"), "043132333401350003363738"),
    ],
)
def test_lengths_are_written_as_the_draft_writes_them(parts, joined: str) -> None:
    assert length_value(*parts).hex() == joined


def test_words_of_any_length_leave_the_first_block_to_themselves() -> None:
    for size in (0, 1, 100, 117, 118, 119, 200):
        string = generator_string(bytes(size), channel=b"channel", session=b"session")
        assert string.index(b"\x07channel") >= 128


def test_another_channel_session_or_secret_gives_another_share() -> None:
    shares = {
        cpace_share(SECRETS["A"], cpace_generator(words, channel=channel, session=session))
        for words in (b"a", b"b")
        for channel in (b"a", b"b")
        for session in (b"a", b"b")
    }
    assert len(shares) == 8


def test_a_secret_of_another_size_is_a_bug_of_ours() -> None:
    with pytest.raises(LocalError):
        cpace_share(CPaceSecret(bytes(31)), generator())
