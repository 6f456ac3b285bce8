"""Every case of lan.json, from the bytes of the specification up, and that its script writes that file."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b32encode

import pytest
from nacl import bindings

from tests.vectors.make_lan_vectors import FILE, as_text
from toheal_protocol.machines import lan_recognition as r
from toheal_protocol.machines.lan_keys import KnownPeer, PairKey
from toheal_protocol.model import MemberId

VECTORS = json.loads(FILE.read_text(encoding="utf-8"))
MET = VECTORS["recognition"]


def prf(key: bytes, *parts: bytes) -> bytes:
    """As conventions.md, section 3.2 has it; written here once more, without our code."""
    joined = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return hmac.digest(key, joined, "sha512")[:32]


def the(name: str, side: str | None = None) -> bytes:
    return bytes.fromhex(MET[name] if side is None else MET[side][name])


def test_the_script_writes_this_file() -> None:
    assert as_text() == FILE.read_text(encoding="utf-8")


@pytest.mark.parametrize("case", VECTORS["labels"])
def test_a_label_follows_from_the_secret_and_the_day(case: dict[str, int]) -> None:
    secret = bytes.fromhex(VECTORS["circle_lan_secret"])
    of_day = prf(secret, b"th1/lan-day", case["day"].to_bytes(4, "big"))
    assert b32encode(of_day).decode().lower()[:14] == case["label"]


@pytest.mark.parametrize(("side", "role"), [("caller", 0), ("listener", 1)])
def test_tags_and_proofs_are_those_of_the_specification(side: str, role: int) -> None:
    key = prf(the("pair_secret"), b"th1/lan-pair")
    assert key == the("pair_lan_key")
    said = bytes([role]), the("nonce", "caller"), the("nonce", "listener"), the("id", side)
    assert prf(key, b"th1/lan-tag", *said)[:16] == the(f"{side}s_tag")
    plain = bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(
        the(f"{side}s_proof"), b"", bytes(24), prf(key, b"th1/lan-seal", *said)
    )
    assert plain[:32] == bindings.crypto_scalarmult_base(the("ephemeral", side))


def test_the_keys_of_a_wire_are_those_of_the_specification() -> None:
    salt = the("nonce", "caller") + the("nonce", "listener")
    salt += the("callers_proof") + the("listeners_proof")
    their_public = bindings.crypto_scalarmult_base(the("ephemeral", "listener"))
    shared = bindings.crypto_scalarmult(the("ephemeral", "caller"), their_public)
    secret = hmac.digest(salt, shared + the("pair_lan_key"), hashlib.sha512)
    stream, block = b"", b""
    for index in (1, 2):
        block = hmac.digest(secret, block + b"th1/lan-wire" + bytes([index]), "sha512")
        stream += block
    first, second, exporter = stream[:32], stream[32:64], stream[64:96]
    assert exporter == the("exporter")
    root = prf(first, b"th1/link-root", second)
    assert prf(root, b"th1/link-key", b"controlling") == the("caller_seals_with")
    assert prf(root, b"th1/link-key", b"controlled") == the("listener_seals_with")


def test_another_program_that_shows_these_tags_is_recognised() -> None:
    known = (KnownPeer(MemberId(the("id", "listener")), PairKey(the("pair_lan_key"))),)
    nonces = the("nonce", "caller") + the("nonce", "listener")
    caller = MemberId(the("id", "caller"))
    tagged = r.Tagged(r.Role.CALLER, caller, nonces, known)
    marks = bytes(63 * 16) + the("listeners_tag")

    class Fixed:
        def draw(self, size: int) -> bytes:
            return the("ephemeral", "caller")

    matched, proof = r.take_marks(tagged, marks, instance="a" * 16, entropy=Fixed())  # type: ignore[arg-type]
    assert proof == the("callers_proof")
    assert isinstance(matched, r.Matched)
    assert r.take_proof(matched, the("listeners_proof")).exporter == the("exporter")
