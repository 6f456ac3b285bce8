"""The content seal: one common part, one key, one plain; and sizes that say little."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toheal_protocol.crypto import SealKey, prf, seal
from toheal_protocol.envelope import (
    COMMON_OVERHEAD,
    COMMON_SIZES,
    MAX_CONTENT_SIZE,
    ContentKey,
    message_id,
    open_content,
    seal_content,
)
from toheal_protocol.errors import ForgedMessage, LocalError, MalformedFrame, RemoteError
from toheal_protocol.model import MemberId
from toheal_protocol.wire.padding import BUCKETS, pad_to_bucket

KEY = ContentKey(bytes(range(32)))
AUTHOR = MemberId(b"a" * 32)
keys = st.binary(min_size=32, max_size=32).map(ContentKey)


def seal_by_hand(key: ContentKey, inside: bytes, *, commitment: bytes, version: int = 1) -> bytes:
    """Make a common part step by step, with whatever a cheating author would put in."""
    front = bytes([version]) + commitment
    return front + seal(SealKey(prf(key, "th1/content")), bytes(24), inside, front + AUTHOR)


@given(st.binary(max_size=3000), keys)
@settings(max_examples=100)
def test_what_is_sealed_opens_with_the_same_key(plain: bytes, key: ContentKey) -> None:
    assert open_content(seal_content(plain, key, author=AUTHOR), key, author=AUTHOR) == plain


@given(st.binary(max_size=3000), keys)
@settings(max_examples=50)
def test_the_layout_is_version_commitment_and_seal(plain: bytes, key: ContentKey) -> None:
    by_hand = seal_by_hand(key, pad_to_bucket(plain), commitment=prf(key, "th1/commit"))
    assert seal_content(plain, key, author=AUTHOR) == by_hand


@given(st.integers(0, MAX_CONTENT_SIZE))
@settings(max_examples=60)
def test_a_size_says_the_bucket_and_nothing_else(size: int) -> None:
    common = seal_content(bytes(size), KEY, author=AUTHOR)
    assert len(common) == min(b for b in BUCKETS if b > size) + COMMON_OVERHEAD
    assert len(common) in COMMON_SIZES


def test_all_plains_of_one_bucket_look_alike() -> None:
    sizes = {len(seal_content(bytes(size), KEY, author=AUTHOR)) for size in range(512, 896)}
    assert sizes == {896 + COMMON_OVERHEAD}


def test_every_bit_of_a_common_part_flipped_is_refused() -> None:
    common = seal_content(b"a word in confidence", KEY, author=AUTHOR)
    whole = int.from_bytes(common, "big")
    for bit in range(8 * len(common)):
        mauled = (whole ^ (1 << bit)).to_bytes(len(common), "big")
        with pytest.raises(RemoteError):
            open_content(mauled, KEY, author=AUTHOR)
        assert message_id(mauled) != message_id(common)


@given(keys)
@settings(max_examples=50)
def test_another_key_opens_nothing(key: ContentKey) -> None:
    common = seal_content(b"plain", KEY, author=AUTHOR)
    if key == KEY:
        assert open_content(common, key, author=AUTHOR) == b"plain"
    else:
        with pytest.raises(ForgedMessage):
            open_content(common, key, author=AUTHOR)


def test_two_keys_for_one_common_part_fail_even_if_the_seal_would_open() -> None:
    """A cheating author who finds bytes that open under two keys still commits to one of them."""
    first, second = ContentKey(b"1" * 32), ContentKey(b"2" * 32)
    inside = pad_to_bucket(b"another story")
    common = seal_by_hand(second, inside, commitment=prf(first, "th1/commit"))
    for key in (first, second):
        with pytest.raises(ForgedMessage):
            open_content(common, key, author=AUTHOR)


def test_the_commitment_is_sealed_in() -> None:
    key = ContentKey(b"1" * 32)
    commitment = prf(key, "th1/commit")
    sealed = seal(SealKey(prf(key, "th1/content")), bytes(24), pad_to_bucket(b""), b"")
    with pytest.raises(ForgedMessage):
        open_content(b"\x01" + commitment + sealed, key, author=AUTHOR)


@pytest.mark.parametrize("version", [0, 2, 255])
def test_another_version_is_malformed(version: int) -> None:
    commitment = prf(KEY, "th1/commit")
    common = seal_by_hand(KEY, pad_to_bucket(b""), commitment=commitment, version=version)
    with pytest.raises(MalformedFrame):
        open_content(common, KEY, author=AUTHOR)


def test_content_without_padding_or_in_no_bucket_is_malformed() -> None:
    commitment = prf(KEY, "th1/commit")
    for inside in (bytes(256), b"x" * 256, b"\x80" + bytes(256), b"\x80" + bytes(254), b""):
        with pytest.raises(MalformedFrame):
            open_content(seal_by_hand(KEY, inside, commitment=commitment), KEY, author=AUTHOR)


def test_a_common_part_of_any_other_length_is_malformed() -> None:
    common = seal_content(bytes(600), KEY, author=AUTHOR)
    for size in [*range(60), *range(len(common) - 40, len(common))]:
        with pytest.raises(MalformedFrame):
            open_content(common[:size], KEY, author=AUTHOR)
    with pytest.raises(MalformedFrame):
        open_content(common + b"\x00", KEY, author=AUTHOR)


@given(st.binary(max_size=3000), st.binary(max_size=40))
@settings(max_examples=100)
def test_any_bytes_open_or_are_refused(common: bytes, key: bytes) -> None:
    for frame in (common, b"\x01" + common.ljust(304, b"\x00")[:304]):
        with pytest.raises(RemoteError):
            open_content(frame, ContentKey(key), author=AUTHOR)


def test_a_key_of_another_size_is_our_bug_when_sealing_and_malformed_when_opening() -> None:
    common = seal_content(b"", KEY, author=AUTHOR)
    for key in (b"", bytes(31), bytes(33)):
        with pytest.raises(LocalError):
            seal_content(b"", ContentKey(key), author=AUTHOR)
        with pytest.raises(MalformedFrame):
            open_content(common, ContentKey(key), author=AUTHOR)


def test_content_larger_than_the_largest_bucket_is_our_bug() -> None:
    assert len(seal_content(bytes(MAX_CONTENT_SIZE), KEY, author=AUTHOR)) == max(COMMON_SIZES)
    with pytest.raises(LocalError):
        seal_content(bytes(MAX_CONTENT_SIZE + 1), KEY, author=AUTHOR)


def test_commitment_and_seal_are_under_different_keys() -> None:
    assert prf(KEY, "th1/commit") != prf(KEY, "th1/content")
    assert prf(KEY, "th1/content") not in seal_content(b"", KEY, author=AUTHOR)


def test_what_one_member_sealed_does_not_open_as_the_words_of_another() -> None:
    common = seal_content(b"what I wrote", KEY, author=AUTHOR)
    with pytest.raises(ForgedMessage):
        open_content(common, KEY, author=MemberId(b"b" * 32))


def test_an_author_of_another_size_is_our_own_mistake() -> None:
    with pytest.raises(LocalError):
        seal_content(b"", KEY, author=MemberId(b"short"))
