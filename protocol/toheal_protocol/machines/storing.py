"""How the stored parts of a circle are encoded for the vault.

The hot parts have a fixed layout, because they are written with every message. The cold part is
msgpack. Nothing here is hashed or sent; the vault's seal protects it. A blob that does not decode
means a damaged vault.

Spec: docs/vault.md, section 4.
"""

from __future__ import annotations

from typing import Final

import msgspec

from toheal_protocol.envelope import MARK_SIZE, Parent, read_audience
from toheal_protocol.errors import LocalError, MalformedFrame
from toheal_protocol.machines.state import Cold, Held, Log, Newest, Pair, Position, Stream
from toheal_protocol.machines.streams import Gap
from toheal_protocol.model import ID_SIZE, Audience, MemberId, MessageId, WallTime
from toheal_protocol.ratchet import decode_session, encode_session
from toheal_protocol.wire.codec import Reader, prefixed, u8, u16, u32, u64

_VERSION: Final = 1

_cold_encoder = msgspec.msgpack.Encoder()
_cold_decoder = msgspec.msgpack.Decoder(Cold)


def encode_cold(cold: Cold) -> bytes:
    """Write the cold part."""
    return u8(_VERSION) + _cold_encoder.encode(cold)


def decode_cold(blob: bytes) -> Cold:
    """Read the cold part."""
    if blob[:1] != bytes([_VERSION]):
        raise MalformedFrame("a circle of another version")
    try:
        return _cold_decoder.decode(blob[1:])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, LocalError):
        raise MalformedFrame("not a circle") from None  # LocalError: a value its class refuses


def encode_log(log: Log) -> bytes:
    """Write the log's heads, frontiers and clocks."""
    heads = b"".join(
        _stream(stream) + u32(position.seq) + position.mid + u8(stream in log.anchored)
        for stream, position in log.heads.items()
    )
    return (
        u8(_VERSION)
        + u16(len(log.heads))
        + heads
        + u8(len(log.newest))
        + b"".join(u8(audience) + _newest(newest) for audience, newest in log.newest.items())
        + u16(len(log.gaps_shown))
        + b"".join(_stream(stream) + u32(seq) for stream, seq in log.gaps_shown.items())
        + u16(len(log.gaps))
        + b"".join(_stream(stream) + _gaps(gaps) for stream, gaps in log.gaps.items())
        + u16(len(log.unsure))
        + b"".join(_stream(stream) + u32(seq) for stream, seq in log.unsure.items())
        + u16(len(log.readers))
        + b"".join(
            _stream(stream) + u8(len(members)) + b"".join(sorted(members))
            for stream, members in log.readers.items()
        )
    )


def decode_log(blob: bytes) -> Log:
    """Read what `encode_log` wrote; what is held is filled in by the shell."""
    reader = _reader(blob)
    heads: dict[Stream, Position] = {}
    anchored: set[Stream] = set()
    for _ in range(reader.u16()):
        stream = _take_stream(reader)
        heads[stream] = Position(reader.u32(), MessageId(reader.take(ID_SIZE)))
        if reader.u8():
            anchored.add(stream)
    newest: dict[Audience, Newest] = {}
    for _ in range(reader.u8()):
        audience = read_audience(reader.u8())
        newest[audience] = _take_newest(reader)
    gaps_shown = {_take_stream(reader): reader.u32() for _ in range(reader.u16())}
    gaps = {_take_stream(reader): _take_gaps(reader) for _ in range(reader.u16())}
    unsure = {_take_stream(reader): reader.u32() for _ in range(reader.u16())}
    readers = {_take_stream(reader): _take_members(reader) for _ in range(reader.u16())}
    reader.end()
    return Log(
        heads=heads,
        newest=newest,
        anchored=frozenset(anchored),
        gaps_shown=gaps_shown,
        gaps=gaps,
        unsure=unsure,
        readers=readers,
    )


def _stream(stream: Stream) -> bytes:
    return stream.author + u8(stream.audience)


def _take_stream(reader: Reader) -> Stream:
    return Stream(MemberId(reader.take(ID_SIZE)), read_audience(reader.u8()))


def _gaps(gaps: tuple[Gap, ...]) -> bytes:
    return u8(len(gaps)) + b"".join(
        u32(gap.first)
        + u32(gap.last)
        + (gap.above or bytes(ID_SIZE))
        + u8(gap.is_quiet)
        + u8(len(gap.missing))
        + b"".join(u32(first) + u32(last) for first, last in gap.missing)
        for gap in gaps
    )


def _take_gaps(reader: Reader) -> tuple[Gap, ...]:
    gaps = []
    for _ in range(reader.u8()):
        first, last, above = reader.u32(), reader.u32(), reader.take(ID_SIZE)
        is_quiet = bool(reader.u8())
        missing = tuple((reader.u32(), reader.u32()) for _ in range(reader.u8()))
        above_mid = MessageId(above) if any(above) else None
        gaps.append(Gap(first, last, missing, above_mid, is_quiet))
    return tuple(gaps)


def _take_members(reader: Reader) -> frozenset[MemberId]:
    return frozenset(MemberId(reader.take(ID_SIZE)) for _ in range(reader.u8()))


def _newest(newest: Newest) -> bytes:
    parents = (p.author_mark + u8(p.audience) + u32(p.author_seq) + p.mid for p in newest.frontier)
    return u32(newest.lamport) + u16(len(newest.frontier)) + b"".join(parents)


def _take_newest(reader: Reader) -> Newest:
    lamport = reader.u32()
    frontier = tuple(
        Parent(
            reader.take(MARK_SIZE),
            read_audience(reader.u8()),
            reader.u32(),
            MessageId(reader.take(ID_SIZE)),
        )
        for _ in range(reader.u16())
    )
    return Newest(frontier, lamport)


def encode_pair(pair: Pair) -> bytes:
    """Write a pair with its session."""
    session = b"" if pair.session is None else encode_session(pair.session)
    return b"".join(
        (
            u8(_VERSION),
            u32(pair.generation),
            u64(pair.base),
            u64(pair.next_seq),
            u64(pair.acked_through),
            u64(pair.received_through),
            _numbers(pair.acked_beyond),
            _numbers(pair.received_beyond),
            session,
        )
    )


def decode_pair(blob: bytes) -> Pair:
    """Read what `encode_pair` wrote."""
    reader = _reader(blob)
    generation, base, next_seq = reader.u32(), reader.u64(), reader.u64()
    acked_through, received_through = reader.u64(), reader.u64()
    acked_beyond, received_beyond = _take_numbers(reader), _take_numbers(reader)
    session = reader.rest()
    return Pair(
        session=decode_session(session) if session else None,
        generation=generation,
        base=base,
        next_seq=next_seq,
        acked_through=acked_through,
        acked_beyond=acked_beyond,
        received_through=received_through,
        received_beyond=received_beyond,
    )


def encode_held(held: Held) -> bytes:
    """Write a held message."""
    passer = held.passed_on_by or bytes(ID_SIZE)
    return u8(_VERSION) + held.author + passer + held.key + u64(held.since) + prefixed(held.common)


def decode_held(blob: bytes) -> Held:
    """Read what `encode_held` wrote."""
    reader = _reader(blob)
    author, passer = MemberId(reader.take(ID_SIZE)), reader.take(ID_SIZE)
    key = reader.take(32)
    since, common = WallTime(reader.u64()), reader.prefixed(1 << 20)
    reader.end()
    passed_on_by = MemberId(passer) if any(passer) else None
    return Held(author=author, key=key, common=common, since=since, passed_on_by=passed_on_by)


def _reader(blob: bytes) -> Reader:
    reader = Reader(blob)
    if reader.u8() != _VERSION:
        raise MalformedFrame("a record of another version")
    return reader


def _numbers(numbers: frozenset[int]) -> bytes:
    if not numbers:
        return u16(0)
    return u16(len(numbers)) + b"".join(u64(number) for number in sorted(numbers))


def _take_numbers(reader: Reader) -> frozenset[int]:
    return frozenset(reader.u64() for _ in range(reader.u16()))
