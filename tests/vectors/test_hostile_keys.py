"""Keys and signatures a hostile peer would choose: each is refused, and refused as `RemoteError`."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toheal_protocol.crypto import (
    DhPublicKey,
    DhSecretKey,
    KemPublicKey,
    KemSeed,
    Signature,
    SigningSeed,
    VerifyKey,
    diffie_hellman,
    kem_public_key,
    sign,
    verify,
    verify_key,
)
from toheal_protocol.crypto.keys import check_dh_public_key, check_kem_public_key
from toheal_protocol.errors import ForgedMessage, MalformedFrame

P = 2**255 - 19
"""The field of Curve25519."""

L = 2**252 + 27742317777372353535851937790883648493
"""The order of its large group."""

ORDER_8 = (
    39382357235489614581723060781553021112529911719440698176882885853963445705823,
    325606250916557431795983626356110631294008115727848805560023387167927233504,
)
"""The u of the two classes of points of order 8."""

LOW_ORDER_U = [u for small in (0, 1, *ORDER_8, P - 1) for u in (small, small + P) if u < 2**255]

SECRET = DhSecretKey(bytes(range(32)))
SEED = SigningSeed(bytes(range(32)))


@pytest.mark.parametrize("u", LOW_ORDER_U)
@pytest.mark.parametrize("top_bit", [0, 1])
def test_an_agreement_with_a_point_of_low_order_is_refused(u: int, top_bit: int) -> None:
    """With and without the top bit that RFC 7748 ignores, and in both spellings of small numbers."""
    theirs = DhPublicKey((u | top_bit << 255).to_bytes(32, "little"))
    with pytest.raises(MalformedFrame):
        check_dh_public_key(theirs)
    with pytest.raises(MalformedFrame):
        diffie_hellman(SECRET, theirs)


def test_the_list_of_low_orders_is_whole() -> None:
    """Eight points of order up to 8 have five u; two of them can also be written above the field."""
    assert len(LOW_ORDER_U) == 7


@given(size=st.integers(0, 80).filter(lambda size: size != 32))
@settings(max_examples=20)
def test_keys_of_another_size_are_refused(size: int) -> None:
    with pytest.raises(MalformedFrame):
        check_dh_public_key(DhPublicKey(b"\x09" * size))
    with pytest.raises(ForgedMessage):
        verify(VerifyKey(b"\x09" * size), b"", sign(SEED, b""))


@given(message=st.binary(max_size=100), times=st.integers(1, 15))
@settings(max_examples=30)
def test_a_signature_has_one_spelling(message: bytes, times: int) -> None:
    """Adding the group's order to S gives the same equation; it must not give a second signature."""
    signature = sign(SEED, message)
    other_s = int.from_bytes(signature[32:], "little") + times * L
    if other_s >= 2**256:
        return
    other = Signature(signature[:32] + other_s.to_bytes(32, "little"))
    with pytest.raises(ForgedMessage):
        verify(verify_key(SEED), message, other)


@given(message=st.binary(max_size=60), bit=st.integers(0, 511))
@settings(max_examples=60)
def test_a_signature_with_any_bit_changed_is_refused(message: bytes, bit: int) -> None:
    changed = bytearray(sign(SEED, message))
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ForgedMessage):
        verify(verify_key(SEED), message, Signature(bytes(changed)))


@pytest.mark.parametrize("y", [1, P - 1, 0, P, P + 1])
@pytest.mark.parametrize("sign_bit", [0, 1])
def test_a_verify_key_of_low_order_vouches_for_nothing(y: int, sign_bit: int) -> None:
    """With the neutral point as key and as R, S = 0 fits every message: the classic forgery."""
    key = VerifyKey((y | sign_bit << 255).to_bytes(32, "little"))
    neutral = (1).to_bytes(32, "little")
    for r in (neutral, bytes(key)):
        with pytest.raises(ForgedMessage):
            verify(key, b"anything", Signature(r + bytes(32)))


@given(place=st.integers(0, 767), value=st.integers(3329, 4095))
@settings(max_examples=40)
def test_a_kem_key_with_a_coefficient_outside_the_field_is_refused(place: int, value: int) -> None:
    public = bytearray(kem_public_key(KemSeed(bytes(64))))
    at, odd = divmod(place * 12, 8)
    pair = int.from_bytes(public[at : at + 2], "little")
    shift = 4 if odd else 0
    pair = pair & ~(0xFFF << shift) | value << shift
    public[at : at + 2] = pair.to_bytes(2, "little")
    with pytest.raises(MalformedFrame):
        check_kem_public_key(KemPublicKey(bytes(public)))
