"""Notes: each kind read back, numbers where they belong, and limits checked before anything is made."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.parsers_circle import EVERY_NOTE, GRANTS
from toheal_protocol.crypto import Signature
from toheal_protocol.errors import MalformedFrame, RemoteError
from toheal_protocol.messages.grants import MAX_GRANTS
from toheal_protocol.messages.notes import (
    NOTE_BUCKETS,
    Ack,
    AnyNote,
    Granted,
    Here,
    Knock,
    Lasting,
    Passing,
    decode_item,
    decode_note,
    encode_item,
    encode_note,
)
from toheal_protocol.wire.codec import u16, u64
from toheal_protocol.wire.padding import pad_to_bucket

every_note = pytest.mark.parametrize("note", EVERY_NOTE, ids=lambda note: type(note).__name__)


def a_seq(note: AnyNote) -> int:
    return 7 if isinstance(note, Lasting) else 0


def test_the_examples_hold_every_kind() -> None:
    assert {type(note) for note in EVERY_NOTE} == {*get_args(Passing), *get_args(Lasting)}


@every_note
def test_every_kind_is_read_back_as_it_was(note: AnyNote) -> None:
    padded = encode_note(note, seq=a_seq(note), through=3)
    assert len(padded) in NOTE_BUCKETS
    assert decode_note(padded) == (a_seq(note), 3, note)


@every_note
def test_a_number_where_none_belongs_takes_the_note_away_and_the_reverse(note: AnyNote) -> None:
    wrong = 0 if a_seq(note) else 7
    assert decode_note(encode_note(note, seq=wrong, through=3)) == (wrong, 3, None)


@every_note
def test_a_note_of_one_kind_is_never_read_as_two(note: AnyNote) -> None:
    """One encoding, one value: what another kind's reader makes of it is not the same note."""
    item = encode_item(note)
    for kind in range(256):
        try:
            other = decode_item(bytes([kind]) + item[1:])
        except RemoteError:
            continue
        assert (other == note) == (kind == item[0])


@every_note
def test_a_cut_or_lengthened_note_is_refused(note: AnyNote) -> None:
    item = encode_item(note)
    for changed in (*(item[:size] for size in range(len(item))), item + b"\x00"):
        try:
            assert encode_item(decode_item(changed)) == changed
            assert changed[0] != item[0] or len(changed) < len(item)
        except RemoteError:
            pass


@given(item=st.binary(max_size=500))
@settings(max_examples=100)
def test_what_is_read_is_written_back_the_same(item: bytes) -> None:
    try:
        note = decode_item(item)
    except RemoteError:
        return
    assert encode_item(note) == item


@given(ends=st.lists(st.integers(1, 1 << 62), unique=True, max_size=40).map(sorted))
@settings(max_examples=50)
def test_rising_ranges_are_read_back(ends: list[int]) -> None:
    ranges = tuple((first, last) for first, last in zip(ends[::2], ends[1::2], strict=False))
    assert decode_item(encode_item(Ack(ranges))) == Ack(ranges)


@pytest.mark.parametrize(
    "ranges", [[(0, 0)], [(5, 4)], [(3, 4), (4, 5)], [(9, 9), (1, 2)], [(1, 1)] * 2]
)
def test_ranges_that_do_not_rise_are_refused(ranges: list[tuple[int, int]]) -> None:
    with pytest.raises(MalformedFrame):
        decode_item(encode_item(Ack(tuple(ranges))))


def test_counts_above_their_limits_are_refused_before_anything_is_read() -> None:
    for item in (
        b"\x01" + u16(65) + bytes(65 * 16),
        b"\x07\x00" + bytes([193]) + bytes(193 * 69),
        b"\x08" + bytes(4) + bytes([97]) + bytes(97 * 41),
        b"\x08" + bytes(4) + bytes([0, 65]) + bytes(65 * 32),
        b"\x10" + bytes([MAX_GRANTS + 1]),
        b"\x12" + bytes([65]),
        b"\x12\x00" + bytes([25]),
    ):
        with pytest.raises(MalformedFrame):
            decode_item(item)


def test_a_flag_that_is_neither_yes_nor_no_is_refused() -> None:
    item = bytearray(encode_item(Here(is_reply=True)))
    item[1] = 2
    with pytest.raises(MalformedFrame):
        decode_item(bytes(item))


def test_a_name_that_is_not_utf8_is_refused() -> None:
    item = encode_item(Knock("ab", bytes(32), Signature(bytes(64)))).replace(b"ab", b"\xff\xfe")
    with pytest.raises(MalformedFrame):
        decode_item(item)


def test_a_mailbox_of_no_class_is_refused() -> None:
    item = bytearray(encode_item(Granted(GRANTS[:1])))
    item[6] = 9
    with pytest.raises(MalformedFrame):
        decode_item(bytes(item))


def test_a_kind_nobody_knows_keeps_its_numbers_and_says_nothing() -> None:
    """It has to be counted, or everything after it would wait for ever."""
    padded = pad_to_bucket(u64(4) + u64(9) + b"\x63", buckets=NOTE_BUCKETS)
    assert decode_note(padded) == (4, 9, None)
