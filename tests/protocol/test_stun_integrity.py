"""MESSAGE-INTEGRITY: what the documents print, and no byte changed unnoticed."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.protocol.test_stun import SAMPLE_IPV4_RESPONSE, SAMPLE_IPV6_RESPONSE, SAMPLE_REQUEST
from toheal_protocol.crypto.turn import long_term_key, turn_password
from toheal_protocol.errors import ForgedMessage, RemoteError
from toheal_protocol.wire.stun import (
    BINDING_REQUEST,
    MESSAGE_INTEGRITY,
    MESSAGE_INTEGRITY_SHA256,
    NONCE,
    REALM,
    USERNAME,
    StunMessage,
    decode_stun,
    encode_attribute,
    with_length,
)
from toheal_protocol.wire.stun_integrity import check_integrity, sign_stun

SHORT_TERM = b"VOkJxbRl1RmTxUk/WvJxBt"
"""The password of the first three messages of RFC 5769."""

MATRIX = "マトリックス".encode()

SAMPLE_LONG_TERM = bytes.fromhex(
    "000100602112a44278ad3433c6ad72c029da412e"
    "00060012e3839ee38388e383aae38383e382afe382b90000"
    "0015001c662f2f3439396b3935346436"
    "4f4c33346f4c39465354767936347341"
    "0014000b6578616d706c652e6f726700"
    "00080014f67024656dd64a3e02b8e0712e85c9a28ca89666"
)
"""RFC 5769, section 2.4, with the byte of the name that its erratum corrects."""

SAMPLE_SHA256 = bytes.fromhex(
    "000100902112a44278ad3433c6ad72c029da412e"
    "001e00204a3cf38fef6992bda952c6780417da0f"
    "24819415569e60b205c46e41407f1704"
    "001500296f624d61744a6f733241414143662f2f"
    "3439396b39353464364f4c33346f4c39465354767936347341000000"
    "0014000b6578616d706c652e6f726700"
    "001d000400020000"
    "001c0020b5c7bf005b6c52a21c51c5e892f81924136296cb927c43149309278cc6518e65"
)
"""RFC 8489, appendix B.1, as erratum 6268 prints it. Its key is a SHA-256 (PASSWORD-ALGORITHM 2)."""

keys = st.binary(max_size=64)
kinds = st.sampled_from([MESSAGE_INTEGRITY, MESSAGE_INTEGRITY_SHA256])
messages = st.builds(
    StunMessage,
    st.integers(0, 0x3FFF),
    st.binary(min_size=12, max_size=12),
    st.lists(
        st.tuples(st.sampled_from([USERNAME, REALM, NONCE, 0x7777]), st.binary(max_size=40)),
        max_size=4,
    ).map(tuple),
)


@pytest.mark.parametrize(
    "sample", [SAMPLE_REQUEST, SAMPLE_IPV4_RESPONSE, SAMPLE_IPV6_RESPONSE], ids=["2.1", "2.2", "2.3"]
)  # fmt: skip
def test_the_short_term_samples_of_rfc_5769_fit_their_password(sample: bytes) -> None:
    assert check_integrity(decode_stun(sample), SHORT_TERM) == MESSAGE_INTEGRITY


def test_the_long_term_sample_of_rfc_5769_fits_its_key() -> None:
    message = decode_stun(SAMPLE_LONG_TERM)
    assert message.find(USERNAME) == MATRIX
    assert message.find(NONCE) == b"f//499k954d6OL34oL9FSTvy64sA"
    key = long_term_key(MATRIX, b"example.org", b"TheMatrIX")
    assert check_integrity(message, key) == MESSAGE_INTEGRITY
    parts = tuple(each for each in message.attributes if each[0] != MESSAGE_INTEGRITY)
    written = sign_stun(StunMessage(BINDING_REQUEST, message.transaction, parts), key)
    assert written == SAMPLE_LONG_TERM


def test_the_sha_256_sample_of_rfc_8489_fits_its_key() -> None:
    key = hashlib.sha256(MATRIX + b":example.org:TheMatrIX").digest()
    message = decode_stun(SAMPLE_SHA256)
    assert check_integrity(message, key) == MESSAGE_INTEGRITY_SHA256
    parts = message.attributes[:-1]
    unsigned = StunMessage(BINDING_REQUEST, message.transaction, parts)
    assert sign_stun(unsigned, key, kind=MESSAGE_INTEGRITY_SHA256) == SAMPLE_SHA256


def test_a_turn_password_is_what_coturn_computes() -> None:
    """As `turnutils_uclient -W` and coturn's use-auth-secret have it: base64 of HMAC-SHA1."""
    assert turn_password(b"north", "1800000000:a") == "rQU8fJMkCDbIUHJwvKIV92h6MAo="


@given(message=messages, key=keys, kind=kinds, fingerprint=st.booleans())
def test_what_was_signed_is_vouched_for(
    message: StunMessage, key: bytes, kind: int, fingerprint: bool
) -> None:
    read = decode_stun(sign_stun(message, key, kind=kind, fingerprint=fingerprint))
    assert read.attributes[:-1] == message.attributes
    assert check_integrity(read, key) == kind


@given(message=messages, key=keys, other=keys, kind=kinds)
def test_another_key_vouches_for_nothing(
    message: StunMessage, key: bytes, other: bytes, kind: int
) -> None:
    if key.rstrip(b"\0") == other.rstrip(b"\0"):  # HMAC fills a short key up with zeros
        return
    with pytest.raises(ForgedMessage):
        check_integrity(decode_stun(sign_stun(message, key, kind=kind)), other)


@given(message=messages, kind=kinds)
def test_no_bit_before_it_can_be_changed(message: StunMessage, kind: int) -> None:
    signed = sign_stun(message, b"key", kind=kind)
    for place in range(len(signed)):
        changed = bytearray(signed)
        changed[place] ^= 0x10
        try:
            read = decode_stun(bytes(changed))
            if (read.type, read.transaction, read.attributes[:-1]) == (
                message.type,
                message.transaction,
                message.attributes,
            ):
                continue  # the padding or the value itself, or its name: seen below
            check_integrity(read, b"key")
        except RemoteError:
            continue
        raise AssertionError(place)


def test_a_message_that_nobody_signed_is_vouched_for_by_nobody() -> None:
    plain = StunMessage(BINDING_REQUEST, bytes(12))
    with pytest.raises(ForgedMessage):
        check_integrity(plain, b"")


@pytest.mark.parametrize("size", [0, 4, 16, 20, 32])
@pytest.mark.parametrize("kind", [MESSAGE_INTEGRITY, MESSAGE_INTEGRITY_SHA256])
def test_a_value_of_another_size_or_made_up_is_forged(kind: int, size: int) -> None:
    body = encode_attribute(kind, bytes(size))
    header = sign_stun(StunMessage(BINDING_REQUEST, bytes(12)), b"key")[:20]
    with pytest.raises(ForgedMessage):
        check_integrity(decode_stun(with_length(header, len(body)) + body), b"key")


def test_a_weaker_signature_does_not_stand_in_for_a_stronger_one_that_is_wrong() -> None:
    signed = sign_stun(StunMessage(BINDING_REQUEST, bytes(12)), b"key")
    both = signed + encode_attribute(MESSAGE_INTEGRITY_SHA256, bytes(32))
    with pytest.raises(ForgedMessage):
        check_integrity(decode_stun(with_length(both, len(both) - 20)), b"key")


def test_what_comes_after_a_signature_is_not_heard() -> None:
    signed = sign_stun(StunMessage(BINDING_REQUEST, bytes(12)), b"key")
    longer = signed + encode_attribute(USERNAME, b"somebody else")
    message = decode_stun(with_length(longer, len(longer) - 20))
    assert message.find(USERNAME) is None
    assert check_integrity(message, b"key") == MESSAGE_INTEGRITY
