"""What a message says inside its seal: one layout, one reading."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from toheal_protocol.envelope import (
    MARK_SIZE,
    MAX_CONTENT_SIZE,
    MAX_PARENTS,
    MAX_VIEW,
    PARENT_SIZE,
    Content,
    ContentKey,
    Parent,
    decode_content,
    encode_content,
    max_body_size,
    open_content,
    seal_content,
)
from toheal_protocol.errors import LocalError, MalformedFrame
from toheal_protocol.model import (
    MAX_TEXT_SIZE,
    Audience,
    CircleId,
    MemberId,
    MessageId,
    OperationId,
)

ids = st.binary(min_size=32, max_size=32).filter(any).map(MessageId)
u32s = st.integers(0, 2**32 - 1)


def parents_for(audience: Audience) -> st.SearchStrategy[tuple[Parent, ...]]:
    parents = st.builds(
        Parent,
        author_mark=st.binary(min_size=MARK_SIZE, max_size=MARK_SIZE),
        audience=st.sampled_from([one for one in Audience if one <= audience]),
        author_seq=u32s,
        mid=ids,
    )
    return st.lists(parents, max_size=MAX_PARENTS, unique_by=lambda one: one.mid).map(tuple)


def with_parents(content: Content) -> st.SearchStrategy[Content]:
    return parents_for(content.audience).map(lambda found: evolve(content, parents=found))


contents = st.builds(
    Content,
    circle_id=ids.map(lambda mid: CircleId(bytes(mid))),
    audience=st.sampled_from(Audience),
    author_seq=u32s,
    prev_own=st.none() | ids,
    parents=st.just(()),
    view=st.sets(ids, max_size=4).map(sorted).map(tuple),
    lamport=u32s,
    ttl=u32s,
    type=st.integers(0, 255),
    reply=st.none() | ids,
    body=st.binary(max_size=500),
).flatmap(with_parents)

PLAIN = Content(
    circle_id=CircleId(b"c" * 32),
    audience=Audience.CIRCLE,
    author_seq=7,
    prev_own=None,
    parents=(),
    view=(OperationId(b"v" * 32),),
    lamport=9,
    ttl=0,
    type=1,
    reply=None,
    body=b"",
)


A_REPLY = MessageId(b"r" * 32)


def some_parents(count: int) -> tuple[Parent, ...]:
    return tuple(
        Parent(bytes([i]) * MARK_SIZE, Audience.CIRCLE, i, MessageId(bytes([1 + i]) * 32))
        for i in range(count)
    )


@given(contents)
@settings(max_examples=100)
def test_content_comes_back_as_it_was(content: Content) -> None:
    assert decode_content(encode_content(content)) == content


@given(contents, st.binary(min_size=32, max_size=32))
@settings(max_examples=50)
def test_content_comes_back_through_the_seal(content: Content, key: bytes) -> None:
    common = seal_content(encode_content(content), ContentKey(key), author=MemberId(bytes(32)))
    assert (
        decode_content(open_content(common, ContentKey(key), author=MemberId(bytes(32)))) == content
    )


@given(st.binary(max_size=400))
@settings(max_examples=100)
def test_any_bytes_are_content_or_malformed(plain: bytes) -> None:
    for frame in (plain, bytes(100) + plain, b"c" * 32 + b"\x01" + b"c" * 36 + b"\x01" + plain):
        try:
            content = decode_content(frame)
        except MalformedFrame:
            continue
        assert encode_content(content) == frame


def test_content_cut_before_its_body_is_malformed() -> None:
    encoded = encode_content(evolve(PLAIN, parents=some_parents(2), reply=A_REPLY))
    for size in range(len(encoded)):
        with pytest.raises(MalformedFrame):
            decode_content(encoded[:size])


def test_32_parents_fit_and_33_do_not() -> None:
    most = evolve(PLAIN, parents=some_parents(MAX_PARENTS))
    assert decode_content(encode_content(most)) == most
    with pytest.raises(LocalError):
        encode_content(evolve(PLAIN, parents=some_parents(MAX_PARENTS + 1)))
    encoded = bytearray(encode_content(most) + b"x" * PARENT_SIZE)
    encoded[69] = MAX_PARENTS + 1  # the count
    with pytest.raises(MalformedFrame):
        decode_content(bytes(encoded))


def test_a_parent_is_a_mark_a_number_and_an_id() -> None:
    encoded = encode_content(
        evolve(PLAIN, parents=(Parent(b"8 bytes.", Audience.CIRCLE, 258, A_REPLY),))
    )
    assert encoded[69:115] == b"\x01" + b"8 bytes." + b"\x00" + b"\x00\x00\x01\x02" + A_REPLY
    assert len(encode_content(PLAIN)) + PARENT_SIZE == len(encoded)


def test_no_parent_is_for_fewer_than_its_child() -> None:
    note = Parent(b"8 bytes.", Audience.FACILITATORS, 1, A_REPLY)
    inside = evolve(PLAIN, audience=Audience.FACILITATORS, parents=(note, *some_parents(1)))
    assert decode_content(encode_content(inside)) == inside
    with pytest.raises(LocalError):
        encode_content(evolve(inside, audience=Audience.CIRCLE))
    told = bytearray(encode_content(inside))
    told[32] = Audience.CIRCLE
    with pytest.raises(MalformedFrame):
        decode_content(bytes(told))


def test_an_audience_there_is_not_is_malformed() -> None:
    encoded = bytearray(encode_content(PLAIN))
    for number in range(len(Audience), 256):
        encoded[32] = number
        with pytest.raises(MalformedFrame):
            decode_content(bytes(encoded))


def test_a_parent_named_twice_is_refused_on_both_sides() -> None:
    first, second = some_parents(2)
    same = second._replace(mid=first.mid)
    with pytest.raises(LocalError):
        encode_content(evolve(PLAIN, parents=(first, same)))
    encoded = encode_content(evolve(PLAIN, parents=(first, second)))
    doubled = encoded.replace(second.mid, first.mid)
    with pytest.raises(MalformedFrame):
        decode_content(doubled)


def test_a_view_that_does_not_rise_or_names_more_than_32_is_malformed() -> None:
    encoded = encode_content(evolve(PLAIN, view=(OperationId(b"v" * 32), OperationId(b"w" * 32))))
    assert encoded[70] == 2  # the count, after no parents
    falling = encoded.replace(b"v" * 32, b"x" * 32)
    with pytest.raises(MalformedFrame):
        decode_content(falling)
    with pytest.raises(MalformedFrame):
        decode_content(encoded[:70] + b"\x21" + bytes(range(256)) * 5)


def test_a_reply_is_there_or_not_and_nothing_between() -> None:
    encoded = bytearray(encode_content(PLAIN))
    assert encoded[-1] == 0
    for mark in range(2, 256):
        encoded[-1] = mark
        with pytest.raises(MalformedFrame):
            decode_content(bytes(encoded) + bytes(40))


def test_a_first_message_has_32_zero_bytes_where_the_one_before_would_be() -> None:
    assert encode_content(PLAIN)[37:69] == bytes(32)
    with pytest.raises(LocalError):
        encode_content(evolve(PLAIN, prev_own=MessageId(bytes(32))))


@pytest.mark.parametrize(
    "wrong",
    [
        {"circle_id": b"c" * 31},
        {"prev_own": b"p" * 33},
        {"parents": (Parent(b"q" * 8, Audience.CIRCLE, 0, MessageId(b"q" * 16)),)},
        {"parents": (Parent(b"q" * 7, Audience.CIRCLE, 0, MessageId(b"q" * 32)),)},
        {"parents": (Parent(b"q" * 8, Audience.CIRCLE, 2**32, MessageId(b"q" * 32)),)},
        {"view": (b"v" * 31,)},
        {"view": (b"w" * 32, b"v" * 32)},
        {"view": (b"v" * 32, b"v" * 32)},
        {"view": tuple(bytes([i]) * 32 for i in range(33))},
        {"reply": b"r"},
        {"author_seq": 2**32},
        {"author_seq": -1},
        {"lamport": 2**32},
        {"ttl": 2**32},
        {"type": 256},
    ],
    ids=str,
)
def test_a_field_of_the_wrong_size_is_our_bug(wrong: dict[str, Any]) -> None:
    with pytest.raises(LocalError):
        encode_content(evolve(PLAIN, **wrong))


@pytest.mark.parametrize("parents", [0, 1, MAX_PARENTS])
@pytest.mark.parametrize("is_reply", [False, True])
def test_the_largest_body_fits_and_one_byte_more_does_not(parents: int, *, is_reply: bool) -> None:
    size = max_body_size(parents=parents, view=1, is_reply=is_reply)
    content = evolve(
        PLAIN,
        parents=some_parents(parents),
        reply=A_REPLY if is_reply else None,
        body=bytes(size),
    )
    assert len(encode_content(content)) == MAX_CONTENT_SIZE
    with pytest.raises(LocalError):
        encode_content(evolve(content, body=bytes(size + 1)))
    with pytest.raises(MalformedFrame):
        decode_content(encode_content(content) + b"\x00")


def test_the_longest_text_fits_beside_all_references() -> None:
    assert max_body_size(parents=MAX_PARENTS, view=MAX_VIEW, is_reply=True) > MAX_TEXT_SIZE


def test_a_repr_shows_no_body() -> None:
    assert "secret" not in repr(evolve(PLAIN, body=b"secret"))
