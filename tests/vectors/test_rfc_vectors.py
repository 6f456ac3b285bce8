"""The primitives against what their own documents print, and against second implementations."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl import bindings

from tests.support import fips203
from toheal_protocol.crypto import (
    LABELS,
    DhPublicKey,
    DhSecretKey,
    KemCiphertext,
    KemSeed,
    SealKey,
    Signature,
    SigningSeed,
    VerifyKey,
    decapsulate,
    derive_keys,
    dh_public_key,
    diffie_hellman,
    hash_parts,
    kem_public_key,
    length_prefixed,
    open_sealed,
    prf,
    seal,
    sign,
    stretch_passphrase,
    verify,
    verify_key,
)

labels = st.sampled_from(sorted(LABELS))
hash_labels = labels.filter(lambda label: len(label) <= 16)
keys = st.binary(min_size=32, max_size=32)


def _h(text: str) -> bytes:
    return bytes.fromhex(text)


# RFC 7748, section 5.2: scalar, u, result
X25519_CASES = [
    (
        "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
        "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
        "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
    ),
    (
        "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
        "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
        "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
    ),
]


@pytest.mark.parametrize(("scalar", "u", "result"), X25519_CASES)
def test_x25519_gives_what_rfc_7748_prints(scalar: str, u: str, result: str) -> None:
    assert diffie_hellman(DhSecretKey(_h(scalar)), DhPublicKey(_h(u))) == _h(result)


def test_x25519_a_thousand_times_gives_what_rfc_7748_prints() -> None:
    k = u = _h("09" + "00" * 31)
    for _ in range(1000):
        k, u = diffie_hellman(DhSecretKey(k), DhPublicKey(u)), k
    assert k == _h("684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51")


def test_two_people_agree_as_in_rfc_7748_section_6_1() -> None:
    alice = DhSecretKey(_h("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"))
    bob = DhSecretKey(_h("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"))
    shared = _h("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742")
    assert dh_public_key(alice) == _h(
        "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
    )
    assert diffie_hellman(alice, dh_public_key(bob)) == shared
    assert diffie_hellman(bob, dh_public_key(alice)) == shared


# RFC 8032, section 7.1: seed, public key, message, signature
ED25519_CASES = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
    (
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        hashlib.sha512(b"abc").hexdigest(),
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589"
        "09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ),
]


@pytest.mark.parametrize(("seed", "public", "message", "signature"), ED25519_CASES)
def test_ed25519_signs_as_rfc_8032_prints(
    seed: str, public: str, message: str, signature: str
) -> None:
    assert verify_key(SigningSeed(_h(seed))) == _h(public)
    assert sign(SigningSeed(_h(seed)), _h(message)) == _h(signature)
    verify(VerifyKey(_h(public)), _h(message), Signature(_h(signature)))


def test_xchacha_seals_as_its_draft_prints() -> None:
    """draft-irtf-cfrg-xchacha-03, appendix A.3.1."""
    plain = (
        b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the"
        b" future, sunscreen would be it."
    )
    key, nonce = SealKey(bytes(range(0x80, 0xA0))), bytes(range(0x40, 0x58))
    associated = _h("50515253c0c1c2c3c4c5c6c7")
    sealed = _h(
        "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb"
        "731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452"
        "2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9"
        "21f9664c97637da9768812f615c68b13b52e"
        "c0875924c1c7987947deafd8780acf49"
    )
    assert seal(key, nonce, plain, associated) == sealed
    assert open_sealed(key, nonce, sealed, associated) == plain


@given(
    key=st.binary(max_size=200), label=labels, parts=st.lists(st.binary(max_size=80), max_size=3)
)
@settings(max_examples=50)
def test_prf_is_hmac_sha_512_cut_to_32_bytes(key: bytes, label: str, parts: list[bytes]) -> None:
    oracle = HMAC(key, hashes.SHA512())
    oracle.update(length_prefixed(label.encode(), *parts))
    assert prf(key, label, *parts) == oracle.finalize()[:32]


@given(salt=keys, secret=st.binary(max_size=200), label=labels, count=st.integers(1, 8))
@settings(max_examples=50)
def test_derived_keys_are_hkdf_sha_512(salt: bytes, secret: bytes, label: str, count: int) -> None:
    oracle = HKDF(hashes.SHA512(), length=32 * count, salt=salt, info=label.encode())
    assert b"".join(derive_keys(salt, secret, label, count=count)) == oracle.derive(secret)


@given(label=hash_labels, parts=st.lists(st.binary(max_size=200), max_size=4))
@settings(max_examples=50)
def test_labelled_hashes_are_blake2b_as_libsodium_computes_it(
    label: str, parts: list[bytes]
) -> None:
    oracle = bindings.crypto_generichash_blake2b_salt_personal(
        length_prefixed(*parts), digest_size=32, person=label.encode().ljust(16, b"\0")
    )
    assert hash_parts(label, *parts) == oracle


@given(secret=st.binary(max_size=64), salt=st.binary(min_size=16, max_size=16))
@settings(max_examples=5)
def test_stretching_is_argon2id_as_openssl_computes_it(secret: bytes, salt: bytes) -> None:
    oracle = Argon2id(salt=salt, length=32, iterations=2, lanes=1, memory_cost=64)
    stretched = stretch_passphrase(secret, salt, size=32, passes=2, memory=64 * 1024)
    assert stretched == oracle.derive(secret)


@given(seed=st.binary(min_size=64, max_size=64), message=keys)
@settings(max_examples=20)
def test_ml_kem_agrees_with_a_second_implementation(seed: bytes, message: bytes) -> None:
    public, private = fips203.keygen(seed)
    shared, ciphertext = fips203.encapsulate(public, message)
    assert kem_public_key(KemSeed(seed)) == public
    assert decapsulate(KemSeed(seed), KemCiphertext(ciphertext)) == shared
    assert fips203.decapsulate(private, ciphertext) == shared


@given(seed=st.binary(min_size=64, max_size=64), mauled=st.integers(0, 1088 * 8 - 1))
@settings(max_examples=20)
def test_a_mauled_ml_kem_ciphertext_gives_the_rejection_key_of_fips_203(
    seed: bytes, mauled: int
) -> None:
    public, private = fips203.keygen(seed)
    shared, ciphertext = fips203.encapsulate(public, bytes(32))
    changed = bytearray(ciphertext)
    changed[mauled // 8] ^= 1 << mauled % 8
    ours = decapsulate(KemSeed(seed), KemCiphertext(bytes(changed)))
    assert ours == fips203.decapsulate(private, bytes(changed)) != shared


def test_a_hundred_rounds_of_ml_kem_give_the_published_sum() -> None:
    """Source: C2SP/CCTV, ML-KEM, accumulated vectors: one hash over a hundred rounds."""
    stream = _Shake128Stream()
    accumulated = hashlib.shake_128()
    for _ in range(100):
        seed = KemSeed(stream.read(64))
        public = kem_public_key(seed)
        shared, ciphertext = fips203.encapsulate(public, stream.read(32))
        assert decapsulate(seed, KemCiphertext(ciphertext)) == shared
        rejected = decapsulate(seed, KemCiphertext(stream.read(1088)))
        for part in (public, ciphertext, shared, rejected):
            accumulated.update(part)
    assert accumulated.hexdigest(32) == (
        "1114b1b6699ed191734fa339376afa7e285c9e6acf6ff0177d346696ce564415"
    )


class _Shake128Stream:
    """SHAKE-128 of nothing, read piece by piece."""

    def __init__(self) -> None:
        self._bytes = hashlib.shake_128(b"").digest(100 * (64 + 32 + 1088))
        self._at = 0

    def read(self, size: int) -> bytes:
        self._at += size
        return self._bytes[self._at - size : self._at]
