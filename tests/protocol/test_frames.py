"""Frames: six kinds, each read back as itself, and nothing else read at all."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.parsers_circle import EVERY_FRAME
from toheal_protocol.errors import LocalError, MalformedFrame, RemoteError
from toheal_protocol.messages.frames import (
    MAX_WRAP_SIZE,
    AnyFrame,
    Envelope,
    Note,
    decode_frame,
    encode_frame,
)
from toheal_protocol.model import MAX_FRAME_SIZE


@pytest.mark.parametrize("frame", EVERY_FRAME, ids=lambda frame: type(frame).__name__)
def test_every_kind_is_read_back_as_it_was(frame: AnyFrame) -> None:
    assert decode_frame(encode_frame(frame)) == frame


@given(wrap=st.binary(max_size=300), common=st.binary(max_size=300))
@settings(max_examples=50)
def test_an_envelope_keeps_its_two_parts_apart(wrap: bytes, common: bytes) -> None:
    assert decode_frame(encode_frame(Envelope(wrap, common))) == Envelope(wrap, common)


@given(frame=st.binary(max_size=400))
@settings(max_examples=100)
def test_what_is_read_is_written_back_the_same(frame: bytes) -> None:
    try:
        decoded = decode_frame(frame)
    except RemoteError:
        return
    assert encode_frame(decoded) == frame


@pytest.mark.parametrize("kind", sorted(set(range(256)) - {0x01, 0x02, 0x03, 0x10, 0x11, 0x12}))
def test_an_unknown_kind_is_refused(kind: int) -> None:
    with pytest.raises(MalformedFrame):
        decode_frame(bytes([kind]) + bytes(100))


def test_nothing_and_too_much_are_refused() -> None:
    for frame in (b"", b"\x10" + bytes(MAX_FRAME_SIZE)):
        with pytest.raises(MalformedFrame):
            decode_frame(frame)
    assert isinstance(decode_frame(b"\x10" + bytes(MAX_FRAME_SIZE - 1)), Note)


def test_a_wrap_above_its_limit_or_behind_its_end_is_refused() -> None:
    for length in (MAX_WRAP_SIZE + 1, 0xFFFF, 11):
        with pytest.raises(MalformedFrame):
            decode_frame(b"\x11" + length.to_bytes(2, "big") + bytes(10))


def test_writing_a_wrap_that_no_length_can_name_is_our_mistake() -> None:
    with pytest.raises(LocalError):
        encode_frame(Envelope(bytes(70_000), b""))
