"""Notes about chunks of files: asking for them, bringing one, and saying that they are not here.

All three are passing: what gets lost is asked for again.

Spec: docs/protocol/attachments.md, section 4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, assert_never

from attrs import field, frozen

from toheal_protocol.errors import MalformedFrame
from toheal_protocol.messages.file_chunks import CHUNK_SIZE, MAX_CHUNKS
from toheal_protocol.messages.file_tree import MAX_LEVELS, FileId
from toheal_protocol.model import ID_SIZE
from toheal_protocol.wire.codec import Reader, u8, u16

MAX_WANTED_RANGES: Final = 16
"""Ranges in one question."""

MAX_WANTED: Final = 64
"""Chunks asked for by one note: one megabyte."""

NOT_HERE: Final = 1
"""A reason: not here, or not any more."""

NOT_NOW: Final = 2
"""A reason: this member was served enough of it for now."""


@frozen
class ChunksWanted:
    """Please bring these chunks: inclusive ranges, rising."""

    file: FileId = field(repr=False)
    ranges: tuple[tuple[int, int], ...]

    @property
    def places(self) -> tuple[int, ...]:
        """The places asked for, one by one."""
        return tuple(at for first, last in self.ranges for at in range(first, last + 1))


@frozen
class Chunk:
    """One chunk of a file, and the proof that it is."""

    file: FileId = field(repr=False)
    place: int
    proof: tuple[bytes, ...] = field(repr=False)
    sealed: bytes = field(repr=False)


@frozen
class ChunksMissing:
    """What you asked for of this file does not come from here."""

    file: FileId = field(repr=False)
    reason: int


FileNote = ChunksWanted | Chunk | ChunksMissing


def want_places(file: FileId, places: Iterable[int]) -> ChunksWanted:
    """Return the question for these places, as far as it fits one note."""
    ranges: list[tuple[int, int]] = []
    for count, place in enumerate(sorted(places)):
        if count == MAX_WANTED:
            break
        if ranges and ranges[-1][1] == place - 1:
            ranges[-1] = (ranges[-1][0], place)
        elif len(ranges) == MAX_WANTED_RANGES:
            break
        else:
            ranges.append((place, place))
    return ChunksWanted(file, tuple(ranges))


def encode_file_note(note: FileNote) -> bytes:
    """Write the body of a note about chunks."""
    match note:
        case ChunksWanted(file, ranges):
            asked = b"".join(u16(first) + u16(last) for first, last in ranges)
            return file + u8(len(ranges)) + asked
        case Chunk(file, place, proof, sealed):
            return file + u16(place) + u8(len(proof)) + b"".join(proof) + sealed
        case ChunksMissing(file, reason):
            return file + u8(reason)
        case _:
            assert_never(note)


def _take_wanted(reader: Reader) -> ChunksWanted:
    file, count = FileId(reader.take(ID_SIZE)), reader.u8()
    if not 1 <= count <= MAX_WANTED_RANGES:
        raise MalformedFrame("no ranges, or more than the limit")
    ranges = tuple((reader.u16(), reader.u16()) for _ in range(count))
    before, asked = -2, 0
    for first, last in ranges:
        if not before + 1 < first <= last < MAX_CHUNKS:
            raise MalformedFrame("ranges that do not rise")
        before, asked = last, asked + last - first + 1
    if asked > MAX_WANTED:
        raise MalformedFrame("more chunks than one note may ask for")
    return ChunksWanted(file, ranges)


def _take_chunk(reader: Reader) -> Chunk:
    file, place, levels = FileId(reader.take(ID_SIZE)), reader.u16(), reader.u8()
    if place >= MAX_CHUNKS or levels > MAX_LEVELS:
        raise MalformedFrame("a place or a proof beyond the limit")
    proof = tuple(reader.take(ID_SIZE) for _ in range(levels))
    return Chunk(file, place, proof, reader.take(CHUNK_SIZE))


def _take_missing(reader: Reader) -> ChunksMissing:
    file, reason = FileId(reader.take(ID_SIZE)), reader.u8()
    if reason not in (NOT_HERE, NOT_NOW):
        raise MalformedFrame("a reason we do not know")
    return ChunksMissing(file, reason)


FILE_TAKERS: Final[Mapping[int, Callable[[Reader], FileNote]]] = {
    12: _take_wanted,
    13: _take_chunk,
    14: _take_missing,
}
"""What reads the body of each kind."""
