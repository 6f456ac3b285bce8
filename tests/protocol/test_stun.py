"""STUN Binding: the vectors of RFC 5769, and no answer that could be used against anybody."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toheal_protocol.errors import LocalError, MalformedFrame, RemoteError
from toheal_protocol.wire.stun import (
    BINDING_REQUEST,
    BINDING_SUCCESS,
    FINGERPRINT,
    MAX_STUN_SIZE,
    SOFTWARE,
    XOR_MAPPED_ADDRESS,
    StunMessage,
    answer_binding,
    binding_request,
    decode_stun,
    decode_xor_address,
    encode_stun,
    encode_xor_address,
)

TRANSACTION = bytes.fromhex("b7e7a701bc34d686fa87dfae")
"""The transaction of all three messages of RFC 5769."""

SAMPLE_REQUEST = bytes.fromhex(
    "000100582112a442b7e7a701bc34d686fa87dfae"
    "802200105354554e207465737420636c69656e74"
    "002400046e0001ff80290008932ff9b151263b36"
    "000600096576746a3a6836765920202000080014"
    "9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2"
    "80280004e57a3bcf"
)
"""Section 2.1."""

SAMPLE_IPV4_RESPONSE = bytes.fromhex(
    "0101003c2112a442b7e7a701bc34d686fa87dfae"
    "8022000b7465737420766563746f7220"
    "002000080001a147e112a643"
    "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7"
    "80280004c07d4c96"
)
"""Section 2.2."""

SAMPLE_IPV6_RESPONSE = bytes.fromhex(
    "010100482112a442b7e7a701bc34d686fa87dfae"
    "8022000b7465737420766563746f7220"
    "002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9"
    "00080014a382954e4be67bf11784c97c8292c275bfe3ed41"
    "80280004c8fb0b4c"
)
"""Section 2.3."""


def test_the_sample_request_is_read() -> None:
    message = decode_stun(SAMPLE_REQUEST)
    assert message.type == BINDING_REQUEST
    assert message.transaction == TRANSACTION
    assert message.find(SOFTWARE) == b"STUN test client"
    assert message.find(0x0006) == b"evtj:h6vY"
    assert message.find(0x0024) == bytes.fromhex("6e0001ff")
    assert message.find(FINGERPRINT) is None


@pytest.mark.parametrize(
    ("response", "host"),
    [
        (SAMPLE_IPV4_RESPONSE, "192.0.2.1"),
        (SAMPLE_IPV6_RESPONSE, "2001:db8:1234:5678:11:2233:4455:6677"),
    ],
)
def test_the_sample_responses_are_read(response: bytes, host: str) -> None:
    message = decode_stun(response)
    assert message.type == BINDING_SUCCESS
    mapped = message.find(XOR_MAPPED_ADDRESS)
    assert mapped is not None
    assert decode_xor_address(mapped, TRANSACTION) == (host, 32853)
    assert encode_xor_address(host, 32853, TRANSACTION) == mapped


@pytest.mark.parametrize("sample", [SAMPLE_REQUEST, SAMPLE_IPV4_RESPONSE, SAMPLE_IPV6_RESPONSE])
def test_every_byte_of_a_sample_is_under_its_fingerprint(sample: bytes) -> None:
    name_of_the_fingerprint = (len(sample) - 8, len(sample) - 7)
    for place in range(len(sample)):
        changed = bytearray(sample)
        changed[place] ^= 0x10
        if place not in name_of_the_fingerprint:
            with pytest.raises(MalformedFrame):
                decode_stun(bytes(changed))


def test_our_fingerprint_is_the_samples() -> None:
    message = decode_stun(SAMPLE_IPV6_RESPONSE)
    # the sample pads with blanks, we with zeros: write it with a name that needs no padding
    message = StunMessage(message.type, TRANSACTION, message.attributes[1:])
    assert decode_stun(encode_stun(message, fingerprint=True)) == message


transactions = st.binary(min_size=12, max_size=12)
attributes = st.lists(
    st.tuples(st.integers(0, 0xFFFF).filter(lambda n: n != FINGERPRINT), st.binary(max_size=40)),
    max_size=5,
).map(tuple)
messages = st.builds(StunMessage, st.integers(0, 0x3FFF), transactions, attributes)


@given(message=messages, fingerprint=st.booleans())
def test_a_message_is_read_as_it_was_written(message: StunMessage, fingerprint: bool) -> None:
    assert decode_stun(encode_stun(message, fingerprint=fingerprint)) == message


@given(
    host=st.ip_addresses().map(str),
    port=st.integers(0, 65535),
    transaction=transactions,
    fits=st.booleans(),
)
def test_a_binding_request_is_answered_with_where_it_came_from(
    host: str, port: int, transaction: bytes, fits: bool
) -> None:
    answer = answer_binding(binding_request(transaction, answer_fits=fits), host, port)
    assert answer is not None
    message = decode_stun(answer)
    assert (message.type, message.transaction) == (BINDING_SUCCESS, transaction)
    mapped = message.find(XOR_MAPPED_ADDRESS)
    assert mapped is not None
    assert decode_xor_address(mapped, transaction) == (host, port)
    assert len(answer) == (32 if ip_address(host).version == 4 else 44)


def test_a_request_of_ours_is_as_long_as_the_longest_answer() -> None:
    request = binding_request(TRANSACTION)
    answer = answer_binding(request, "2001:db8::1", 1)
    assert answer is not None
    assert len(answer) <= len(request)


@given(message=messages)
def test_only_binding_requests_are_answered(message: StunMessage) -> None:
    answer = answer_binding(encode_stun(message), "192.0.2.1", 1)
    assert answer is None or message.type == BINDING_REQUEST
    if answer is not None:
        assert answer_binding(answer, "192.0.2.1", 1) is None  # two relays do not talk for ever


def test_a_request_with_a_demand_we_do_not_know_is_not_answered() -> None:
    demanding = StunMessage(BINDING_REQUEST, TRANSACTION, ((0x0003, bytes(4)),))  # CHANGE-REQUEST
    assert answer_binding(encode_stun(demanding), "192.0.2.1", 1) is None


@given(datagram=st.binary(max_size=MAX_STUN_SIZE + 10))
def test_any_datagram_is_stun_or_malformed(datagram: bytes) -> None:
    header = (
        b"\x00\x01" + len(datagram).to_bytes(2, "big") + bytes.fromhex("2112a442") + TRANSACTION
    )
    for candidate in (datagram, header + datagram):
        try:
            answer_binding(candidate, "192.0.2.1", 1)
        except RemoteError:
            pass


@given(value=st.binary(max_size=24))
def test_any_bytes_are_an_xor_address_or_malformed(value: bytes) -> None:
    try:
        decode_xor_address(value, TRANSACTION)
    except RemoteError:
        pass


def test_a_transaction_has_twelve_bytes() -> None:
    with pytest.raises(LocalError):
        binding_request(b"short")
