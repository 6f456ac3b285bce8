"""Padding: few sizes, one reading."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toheal_protocol.envelope import COMMON_OVERHEAD
from toheal_protocol.errors import LocalError, MalformedFrame, RemoteError
from toheal_protocol.ratchet import SEALED_OVERHEAD
from toheal_protocol.wire.padding import BUCKETS, pad_to, pad_to_bucket, unpad

ONE_CHUNK = 1160
"""Bytes of user data that travel in one SCTP chunk."""

plains = st.binary(max_size=400) | st.builds(
    lambda size, end: bytes(size) + end,
    st.integers(0, 65_000),
    st.sampled_from([b"", b"\x80", b"\x00", b"\x80\x00", b"\x80\x80", b"x"]),
)


@given(plains)
@settings(max_examples=100)
def test_what_was_padded_comes_back(plain: bytes) -> None:
    assert unpad(pad_to_bucket(plain)) == plain


@given(plains)
@settings(max_examples=100)
def test_a_padded_part_has_the_smallest_bucket_that_holds_it_and_a_mark(plain: bytes) -> None:
    padded = pad_to_bucket(plain)
    assert len(padded) == min(bucket for bucket in BUCKETS if bucket > len(plain))


@pytest.mark.parametrize("bucket", BUCKETS)
def test_a_bucket_holds_one_byte_less_than_its_size(bucket: int) -> None:
    assert len(pad_to_bucket(bytes(bucket - 1))) == bucket
    if bucket == BUCKETS[-1]:
        with pytest.raises(LocalError):
            pad_to_bucket(bytes(bucket))
    else:
        assert len(pad_to_bucket(bytes(bucket))) > bucket


@given(st.binary(max_size=200), st.integers(0, 300))
def test_padding_to_one_size_gives_that_size_or_is_our_bug(plain: bytes, size: int) -> None:
    if len(plain) < size:
        assert len(pad_to(plain, size)) == size
        assert unpad(pad_to(plain, size)) == plain
    else:
        with pytest.raises(LocalError):
            pad_to(plain, size)


@given(st.binary(max_size=300))
def test_any_bytes_are_padding_or_malformed(padded: bytes) -> None:
    try:
        plain = unpad(padded)
    except MalformedFrame:
        assert padded.rstrip(b"\x00")[-1:] != b"\x80"
    else:
        assert pad_to(plain, len(padded)) == padded


@pytest.mark.parametrize("padded", [b"", bytes(256), bytes(1 << 20), b"no mark", b"\x80\x01"])
def test_padding_without_its_mark_is_refused(padded: bytes) -> None:
    with pytest.raises(RemoteError):
        unpad(padded)


def test_an_ordinary_text_with_its_wrap_and_its_frame_fits_one_chunk() -> None:
    """The wrap holds the content key and the item's number, 40 bytes; what is left is for frames."""
    wrap = 40 + SEALED_OVERHEAD
    assert 896 in BUCKETS
    assert 896 + COMMON_OVERHEAD + wrap == 1082
    assert ONE_CHUNK - 1082 >= 64
