"""TURN's own layouts: attributes, ChannelData, and messages cut out of a stream."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toheal_protocol.errors import LocalError, MalformedFrame, RemoteError
from toheal_protocol.wire.codec import u8, u16, u32
from toheal_protocol.wire.stun import (
    MAX_STUN_SIZE,
    SOFTWARE,
    StunMessage,
    decode_error_code,
    encode_error_code,
    encode_stun,
)
from toheal_protocol.wire.turn import (
    UDP,
    Kind,
    Method,
    Refusal,
    decode_channel_data,
    decode_channel_number,
    decode_lifetime,
    decode_requested_transport,
    encode_channel_data,
    read_type,
    split_stream,
)

numbers = st.integers(0x4000, 0x7FFF)
packets = st.binary(max_size=200)
stun = st.builds(
    lambda value: encode_stun(StunMessage(0x0003, bytes(12), ((SOFTWARE, value),))), packets
)
channel_data = st.builds(encode_channel_data, numbers, packets)
streamed = st.lists(st.one_of(stun, channel_data), max_size=6)


@given(number=numbers, packet=packets, is_stream=st.booleans())
def test_channel_data_is_read_as_it_was_written(
    number: int, packet: bytes, is_stream: bool
) -> None:
    written = encode_channel_data(number, packet, is_stream=is_stream)
    assert decode_channel_data(written) == (number, packet)
    assert not is_stream or len(written) % 4 == 0


@pytest.mark.parametrize("number", [0x3FFF, 0x8000, 0xBFFF, 0xFFFF])
def test_only_some_numbers_name_a_channel(number: int) -> None:
    with pytest.raises(LocalError):
        encode_channel_data(number, b"")
    with pytest.raises(MalformedFrame):
        decode_channel_data(u16(number) + u16(0))
    with pytest.raises(MalformedFrame):
        decode_channel_number(u16(number) + u16(0))


@given(number=numbers)
def test_a_channel_number_is_read(number: int) -> None:
    assert decode_channel_number(u16(number) + u16(0)) == number


@pytest.mark.parametrize(
    "decode", [decode_channel_number, decode_lifetime, decode_requested_transport]
)
@pytest.mark.parametrize("size", [0, 3, 5])
def test_values_of_another_size_are_malformed(decode, size: int) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(MalformedFrame):
        decode(b"\x40" * size)


def test_values_are_read() -> None:
    assert decode_lifetime(u32(600)) == 600
    assert decode_requested_transport(u8(UDP) + bytes(3)) == UDP


@given(code=st.sampled_from(Refusal))
def test_an_error_code_is_read_as_it_was_written(code: Refusal) -> None:
    assert decode_error_code(encode_error_code(code)) == code
    assert decode_error_code(encode_error_code(code) + b"in words") == code


@pytest.mark.parametrize("value", [b"", b"\0\0\4", b"\0\0\2\0", b"\0\0\7\0", b"\0\0\4\x64"])
def test_what_is_no_error_code_is_malformed(value: bytes) -> None:
    with pytest.raises(MalformedFrame):
        decode_error_code(value)


@given(method=st.sampled_from(Method), kind=st.sampled_from(Kind))
def test_a_type_is_taken_apart(method: Method, kind: Kind) -> None:
    assert read_type(method | kind) == (method, kind)


@given(message_type=st.integers(0, 0x3FFF))
def test_every_other_type_is_none_of_ours(message_type: int) -> None:
    found = read_type(message_type)
    assert found is None or found[0] | found[1] == message_type


@given(messages=streamed, cuts=st.lists(st.integers(0, 2000), max_size=5))
def test_messages_are_cut_out_of_a_stream_wherever_it_was_cut(
    messages: list[bytes], cuts: list[int]
) -> None:
    whole = b"".join(message + bytes(-len(message) % 4) for message in messages)
    places = sorted({min(cut, len(whole)) for cut in cuts} | {0, len(whole)})
    found, rest = [], b""
    for start, end in pairwise(places):
        more, rest = split_stream(rest + whole[start:end])
        found += more
    assert (found, rest) == (messages, b"")


@given(received=st.binary(max_size=100))
def test_any_stream_is_cut_or_malformed(received: bytes) -> None:
    for candidate in (received, b"\x40\x00" + received, b"\x00\x01" + received):
        try:
            messages, rest = split_stream(candidate)
        except RemoteError:
            continue
        sizes = sum(len(message) + -len(message) % 4 for message in messages)
        assert sizes + len(rest) == len(candidate)
        assert all(message in candidate for message in messages)


@pytest.mark.parametrize("first", [0x04, 0x16, 0x3F, 0x80, 0xFF])
def test_a_stream_of_something_else_is_refused_at_its_first_bytes(first: int) -> None:
    with pytest.raises(MalformedFrame):
        split_stream(bytes([first, 0, 0, 0]))


def test_a_stream_cannot_make_us_wait_for_a_giant() -> None:
    with pytest.raises(MalformedFrame):
        split_stream(b"\x40\x00" + u16(MAX_STUN_SIZE + 1))
    assert split_stream(b"\x40\x00" + u16(MAX_STUN_SIZE)) == ([], b"\x40\x00" + u16(MAX_STUN_SIZE))
