"""The frozen run of a spoken code, step by step, with nothing but the primitives."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest

from tests.support import elligator2
from tests.vectors.make_spoken_vectors import document, text_of
from toheal_protocol.crypto import derive_keys, length_prefixed, open_sealed, sha512
from toheal_protocol.crypto.cpace import generator_string, length_value
from toheal_protocol.identity import parse_spoken_code
from toheal_protocol.identity.spoken_words import SPOKEN_LISTS
from toheal_protocol.messages.spoken import SpokenHandover, decode_spoken

FILE = Path(__file__).parent / "spoken.json"
VECTORS = json.loads(FILE.read_text(encoding="utf-8"))


def test_the_script_makes_the_file_again() -> None:
    assert text_of(document()) == FILE.read_text(encoding="utf-8")


def test_the_lists_are_those_of_this_version() -> None:
    for language, digest in VECTORS["lists"].items():
        assert sha256("\n".join(SPOKEN_LISTS[language]).encode()).hexdigest() == digest


@pytest.mark.parametrize("case", VECTORS["codes"], ids=lambda case: case["typed"])
def test_a_typed_code_gives_these_bytes(case) -> None:
    code = parse_spoken_code(case["typed"])
    assert (code.nameplate, code.language) == (case["nameplate"], case["language"])
    assert list(code.positions) == case["positions"]
    assert code.secret.hex() == case["PRS"]


@pytest.mark.parametrize("case", VECTORS["nameplates"], ids=lambda case: case["nameplate"])
def test_a_nameplate_is_this_channel(case) -> None:
    fingerprint, number = bytes.fromhex(case["fingerprint"]), case["nameplate"].encode()
    assert length_prefixed(b"relay", fingerprint, number).hex() == case["channel"]


@pytest.mark.parametrize("case", VECTORS["runs"], ids=lambda case: case["code"])
def test_a_run_follows_the_page_step_by_step(case) -> None:
    """As a second implementation would: the map and the ladder here are plain integers."""
    given = {
        name: bytes.fromhex(value) for name, value in case.items() if name not in ("code", "link")
    }
    string = generator_string(given["PRS"], channel=given["CI"], session=given["sid"])
    g = elligator2.map_to_curve(sha512(string)[:32])
    assert _x25519(given["joiner_secret"], g) == given["Ya"]
    assert _x25519(given["inviter_secret"], g) == given["Yb"]
    assert _x25519(given["joiner_secret"], given["Yb"]) == given["K"]
    said = length_value(given["Ya"], b"joiner\x01" + given["way"])
    said += length_value(given["Yb"], b"inviter\x01")
    isk = sha512(length_value(b"CPace255_ISK", given["sid"], given["K"]), said)
    assert isk == given["ISK"]
    keys = derive_keys(given["sid"], isk, "th1/spoken", count=3)
    assert keys == (given["joiner_proof"], given["inviter_proof"], given["seal_key"])
    handover = decode_spoken(given["handover"])
    assert isinstance(handover, SpokenHandover)
    assert open_sealed(keys[2], bytes(24), handover.sealed).decode() == case["link"]


def _x25519(secret: bytes, u: bytes) -> bytes:
    scalar = int.from_bytes(secret, "little") & ~7 & (1 << 255) - 1 | 1 << 254
    return elligator2.multiply(scalar, u)
