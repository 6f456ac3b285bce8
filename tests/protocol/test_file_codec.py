"""Files: sealed and opened, named and proved, announced and asked for."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.entropy import SeededEntropy
from tests.support.parsers_files import BODY
from toheal_protocol.errors import ForgedMessage, LocalError, MalformedFrame, RemoteError
from toheal_protocol.messages.attachment import (
    MAX_ABOUT_SIZE,
    Medium,
    decode_attachment,
    encode_attachment,
    medium_of,
)
from toheal_protocol.messages.file_chunks import (
    CHUNK_SIZE,
    MAX_CHUNKS,
    MAX_FILE_SIZE,
    PIECE_SIZE,
    FileKey,
    chunk_count,
    open_file,
    seal_file,
)
from toheal_protocol.messages.file_notes import (
    MAX_WANTED,
    Chunk,
    ChunksWanted,
    want_places,
)
from toheal_protocol.messages.file_tree import FileId, is_chunk_of
from toheal_protocol.messages.notes import decode_item, encode_item, encode_note

KEY = FileKey(b"k" * 32)
FILE = FileId(b"f" * 32)
sizes = st.integers(1, 5 * PIECE_SIZE)


def some(size: int) -> bytes:
    return SeededEntropy(size).draw(size)


@given(size=sizes)
@settings(max_examples=25)
def test_what_was_sealed_is_opened_as_it_was(size: int) -> None:
    content = some(size)
    sealed = seal_file(content, KEY)
    assert len(sealed.chunks) == chunk_count(size)
    assert {len(chunk) for chunk in sealed.chunks} == {CHUNK_SIZE}
    assert open_file(sealed.chunks, KEY, size=size) == content


@given(size=st.integers(1, MAX_FILE_SIZE))
def test_the_number_of_chunks_holds_the_file_and_tells_three_bits_of_it(size: int) -> None:
    count = chunk_count(size)
    assert size < count * PIECE_SIZE
    assert count <= MAX_CHUNKS
    assert bin(count).rstrip("0").count("1") + bin(count).rstrip("0").count("0") - 1 <= 3
    pieces = size // PIECE_SIZE + 1
    assert count <= max(pieces, pieces * 5 / 4)


def test_the_largest_file_has_the_most_chunks_and_one_byte_more_is_refused() -> None:
    assert chunk_count(MAX_FILE_SIZE) == MAX_CHUNKS
    for size in (0, MAX_FILE_SIZE + 1):
        with pytest.raises(LocalError):
            chunk_count(size)


def test_equal_pieces_do_not_look_equal() -> None:
    sealed = seal_file(bytes(4 * PIECE_SIZE), KEY)
    assert len(set(sealed.chunks)) == len(sealed.chunks)


@given(size=sizes, data=st.data())
@settings(max_examples=40)
def test_a_proof_fits_its_chunk_at_its_place_and_nothing_else(
    size: int, data: st.DataObject
) -> None:
    sealed = seal_file(some(size), KEY)
    count = len(sealed.chunks)
    place = data.draw(st.integers(0, count - 1))
    other = data.draw(st.integers(0, MAX_CHUNKS - 1).filter(lambda at: at != place))
    chunk, proof = sealed.chunks[place], sealed.proofs[place]

    def fits(chunk: bytes = chunk, at: int = place, count: int = count, size: int = size) -> bool:
        return is_chunk_of(sealed.id, chunk, place=at, size=size, count=count, proof=proof)

    assert fits()
    assert not fits(at=other)
    assert not fits(size=size + 1)
    flipped = data.draw(st.integers(0, CHUNK_SIZE - 1))
    spoiled = chunk[:flipped] + bytes([chunk[flipped] ^ 1]) + chunk[flipped + 1 :]
    assert not fits(chunk=spoiled)


def test_a_node_of_the_tree_does_not_pass_for_a_chunk() -> None:
    sealed = seal_file(some(2 * PIECE_SIZE - 5), KEY)
    inner = sealed.proofs[0][0]
    assert not is_chunk_of(sealed.id, inner, place=0, size=2 * PIECE_SIZE - 5, count=1, proof=())
    assert not is_chunk_of(sealed.id, bytes(32), place=0, size=1, count=1, proof=())


def test_a_file_of_another_key_does_not_open() -> None:
    sealed = seal_file(b"content", KEY)
    with pytest.raises(ForgedMessage):
        open_file(sealed.chunks, FileKey(bytes(32)), size=7)


@pytest.mark.parametrize("size", [6, 8, PIECE_SIZE + 1])
def test_a_size_that_is_not_the_announced_one_is_noticed(size: int) -> None:
    sealed = seal_file(b"content", KEY)
    with pytest.raises(MalformedFrame):
        open_file(sealed.chunks, KEY, size=size)


def test_chunks_in_another_order_do_not_open() -> None:
    sealed = seal_file(some(2 * PIECE_SIZE - 1), KEY)
    with pytest.raises(ForgedMessage):
        open_file(sealed.chunks[::-1], KEY, size=2 * PIECE_SIZE - 1)


def test_the_largest_proof_fits_the_note_it_was_made_for() -> None:
    note = Chunk(FILE, MAX_CHUNKS - 1, (b"s" * 32,) * 10, bytes(CHUNK_SIZE))
    assert len(encode_note(note, seq=0, through=(1 << 64) - 1)) == 16384


@given(places=st.sets(st.integers(0, MAX_CHUNKS - 1), min_size=1, max_size=200))
def test_a_question_asks_for_the_lowest_places_that_fit(places: set[int]) -> None:
    note = want_places(FILE, places)
    assert 1 <= len(note.places) <= MAX_WANTED
    assert list(note.places) == sorted(places)[: len(note.places)]
    assert decode_item(encode_item(note)) == note


@pytest.mark.parametrize(
    "ranges",
    [
        (),
        ((1, 0),),
        ((0, 3), (4, 5)),  # one range, written as two
        ((4, 5), (0, 1)),
        ((0, MAX_WANTED),),
        ((MAX_CHUNKS - 1, MAX_CHUNKS),),
        tuple((3 * at, 3 * at) for at in range(17)),
    ],
)
def test_a_question_out_of_bounds_is_refused(ranges: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(RemoteError):
        decode_item(encode_item(ChunksWanted(FILE, ranges)))


def test_an_announcement_is_read_back_as_it_was() -> None:
    assert decode_attachment(encode_attachment(BODY)) == BODY
    assert medium_of(BODY) is Medium.JPEG


@pytest.mark.parametrize(
    "change",
    [
        {"file": b"f" * 31},
        {"key": b"k" * 33},
        {"size": 0},
        {"size": MAX_FILE_SIZE + 1},
        {"about": "أ" * (MAX_ABOUT_SIZE // 2 + 1)},
        {"sent_at": -1},
        {"media": -1},
    ],
)
def test_an_announcement_out_of_bounds_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(MalformedFrame):
        decode_attachment(encode_attachment(msgspec.structs.replace(BODY, **change)))


def test_a_medium_of_a_later_version_is_read_and_unknown() -> None:
    later = msgspec.structs.replace(BODY, media=99, notes=("new", "newer"))
    read = decode_attachment(encode_attachment(later))
    assert medium_of(read) is None
    assert read.notes == ("other",)


def test_a_key_is_in_no_log() -> None:
    assert "kkkk" not in repr(BODY)
