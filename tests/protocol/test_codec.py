"""Fixed layouts: what was written is read, and a reader never reads past its bytes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toheal_protocol.errors import LocalError, MalformedFrame
from toheal_protocol.wire.codec import Reader, prefixed, prefixed16, u8, u16, u32, u64

WRITERS: list[tuple[Callable[[int], bytes], Callable[[Reader], int], int]] = [
    (u8, Reader.u8, 1),
    (u16, Reader.u16, 2),
    (u32, Reader.u32, 4),
    (u64, Reader.u64, 8),
]

each_number = pytest.mark.parametrize(
    ("write", "read", "size"), WRITERS, ids=["u8", "u16", "u32", "u64"]
)


@each_number
@given(data=st.data())
def test_a_number_comes_back_big_endian(
    write: Callable[[int], bytes], read: Callable[[Reader], int], size: int, data: st.DataObject
) -> None:
    value = data.draw(st.integers(0, 256**size - 1))
    written = write(value)
    assert written == value.to_bytes(size, "big")
    reader = Reader(written)
    assert read(reader) == value
    reader.end()


@each_number
def test_a_number_that_does_not_fit_is_our_bug(
    write: Callable[[int], bytes], read: Callable[[Reader], int], size: int
) -> None:
    for value in (-1, 256**size):
        with pytest.raises(LocalError):
            write(value)


@each_number
def test_a_number_cut_short_is_malformed(
    write: Callable[[int], bytes], read: Callable[[Reader], int], size: int
) -> None:
    with pytest.raises(MalformedFrame):
        read(Reader(bytes(size - 1)))


@given(st.lists(st.binary(max_size=80)))
def test_prefixed_parts_come_back_one_by_one(parts: list[bytes]) -> None:
    written = b"".join(prefixed(part) + prefixed16(part) for part in parts)
    reader = Reader(written)
    for part in parts:
        assert reader.prefixed(80) == part
        assert reader.prefixed16(80) == part
    reader.end()


@given(st.lists(st.binary(max_size=9)), st.lists(st.binary(max_size=9)))
def test_two_lists_of_parts_never_give_the_same_bytes(
    ours: list[bytes], theirs: list[bytes]
) -> None:
    assert (b"".join(map(prefixed, ours)) == b"".join(map(prefixed, theirs))) == (ours == theirs)


@pytest.mark.parametrize("length", [11, 2**16 - 1])
def test_a_part_longer_than_its_limit_is_refused_before_it_is_taken(length: int) -> None:
    with pytest.raises(MalformedFrame):
        Reader(u32(length) + bytes(length)).prefixed(10)
    with pytest.raises(MalformedFrame):
        Reader(u16(length) + bytes(length)).prefixed16(10)


def test_a_length_that_lies_is_refused_without_allocating() -> None:
    with pytest.raises(MalformedFrame):
        Reader(u32(2**32 - 1)).prefixed(2**32)
    with pytest.raises(MalformedFrame):
        Reader(b"\x00").take(2**62)


@given(st.binary(max_size=50), st.integers(0, 60))
def test_taking_leaves_what_was_not_taken(frame: bytes, size: int) -> None:
    reader = Reader(frame)
    if size > len(frame):
        with pytest.raises(MalformedFrame):
            reader.take(size)
        assert reader.rest() == frame  # a refused read takes nothing
    else:
        assert reader.take(size) == frame[:size]
        assert reader.left == len(frame) - size
        assert reader.rest() == frame[size:]
    reader.end()


def test_bytes_behind_the_end_are_malformed() -> None:
    reader = Reader(b"ab")
    reader.take(1)
    with pytest.raises(MalformedFrame):
        reader.end()
