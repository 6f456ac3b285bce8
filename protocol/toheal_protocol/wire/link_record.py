"""Records: what travels in one message of a link's channel, sealed, at most 16 KiB.

Frames do not map one to one onto records. All frames of one direction form a stream
`(length[4] || frame)*`, and a record carries the next piece of it: many small frames share a
record, a large one is spread over several. The other records are a few bytes each.

Keys are made for one connection from secrets that both sides sent through the pair's ratchet,
and live only in memory. The nonce is the number of the record, since the channel is ordered.

Spec: docs/protocol/link.md, sections 3 and 4.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import Final

from attrs import field, frozen

from toheal_protocol.crypto import NONCE_SIZE, TAG_SIZE, SealKey, open_sealed, prf, seal
from toheal_protocol.errors import LocalError, MalformedFrame
from toheal_protocol.model import MAX_FRAME_SIZE, Frame
from toheal_protocol.wire.codec import Reader, u8, u32, u64

MAX_RECORD_SIZE: Final = 16 * 1024
"""Bytes of a sealed record: what SCTP sends without fragment trains that overflow a socket."""
MAX_PIECE_SIZE: Final = MAX_RECORD_SIZE - TAG_SIZE - 1
"""Bytes of the stream that fit one record beside its kind and its seal."""
FRAME_OVERHEAD: Final = 4
"""Bytes the stream adds to each frame: its length."""
LINK_VERSION: Final = 1
"""The first byte of an opening. Another set of records is another number."""
LINK_SECRET_SIZE: Final = 32
"""Bytes each side draws for one connection and sends through the ratchet."""
PROOF_SIZE: Final = 32
"""Bytes that prove the channel is the one the ratchet's keys were meant for."""


@frozen
class LinkKeys:
    """The keys of one connection as one side holds them. Never stored."""

    send: SealKey = field(repr=False)
    receive: SealKey = field(repr=False)
    binding: bytes = field(repr=False)
    """32 bytes that only prove: see `opening_proof`."""
    controlling: bool
    """Whether this side is the controlling one; the other one is not."""


@frozen
class Opening:
    """The first record of each side: this channel and these keys belong together."""

    proof: bytes


@frozen
class Piece:
    """The next bytes of the sender's stream of frames."""

    stream: bytes


@frozen
class Credit:
    """How many bytes of its stream the other side may have sent in all."""

    total: int


@frozen
class Ping:
    """Are you there?"""

    number: int


@frozen
class Pong:
    """I am: the answer to the ping of this number."""

    number: int


@frozen
class Drain:
    """Nothing of my stream follows. Tell me when you have taken all of it."""


@frozen
class Drained:
    """I have taken all of your stream."""


Record = Opening | Piece | Credit | Ping | Pong | Drain | Drained


class _Kind(IntEnum):
    OPENING = 1
    PIECE = 2
    CREDIT = 3
    PING = 4
    PONG = 5
    DRAIN = 6
    DRAINED = 7


def derive_link_keys(controlling: bytes, controlled: bytes, *, is_controlling: bool) -> LinkKeys:
    """Derive both directions' keys from what both sides drew for this connection.

    Each side contributes, so the keys are fresh even if one of them repeats itself. The caller
    forgets both secrets afterwards.

    Args:
        controlling: 32 bytes drawn by the controlling side.
        controlled: 32 bytes drawn by the controlled side.
        is_controlling: which of them we are.

    Spec: docs/protocol/link.md, section 3.
    """
    if len(controlling) != LINK_SECRET_SIZE or len(controlled) != LINK_SECRET_SIZE:
        raise LocalError("a link secret has 32 bytes")
    root = prf(controlling, "th1/link-root", controlled)
    downwards, upwards, binding = (
        prf(root, "th1/link-key", part) for part in (b"controlling", b"controlled", b"binding")
    )
    send, receive = (downwards, upwards) if is_controlling else (upwards, downwards)
    return LinkKeys(SealKey(send), SealKey(receive), binding, is_controlling)


def opening_proof(keys: LinkKeys, exporter: bytes, *, by_controlling: bool) -> bytes:
    """Compute the 32 bytes that tie a side's DTLS connection to the keys from the ratchet.

    Args:
        keys: of either side: the binding key is the same.
        exporter: 32 bytes of the connection's keying material (RFC 5705), equal on both ends only
            if nobody stands between them.
        by_controlling: whose proof: the two differ, so that none can be sent back.
    """
    side = b"controlling" if by_controlling else b"controlled"
    return prf(keys.binding, "th1/dtls", exporter, side)


def seal_record(key: SealKey, number: int, plain: bytes) -> bytes:
    """Seal the record of this number (from 0) of one direction; 16 bytes longer."""
    return seal(key, number.to_bytes(NONCE_SIZE, "big"), plain)


def open_record(key: SealKey, number: int, sealed: bytes) -> Record:
    """Open and read the record of this number.

    Raises:
        ForgedMessage: another key or number, or a bit changed on the way.
        MalformedFrame: too long, or not a layout we know.
    """
    if len(sealed) > MAX_RECORD_SIZE:
        raise MalformedFrame("a record longer than its limit")
    return decode_record(open_sealed(key, number.to_bytes(NONCE_SIZE, "big"), sealed))


def encode_record(record: Record) -> bytes:
    """Write a record: `kind[1] || body`."""
    match record:
        case Opening(proof):
            return u8(_Kind.OPENING) + u8(LINK_VERSION) + proof
        case Piece(stream):
            return u8(_Kind.PIECE) + stream
        case Credit(total):
            return u8(_Kind.CREDIT) + u64(total)
        case Ping(number):
            return u8(_Kind.PING) + u32(number)
        case Pong(number):
            return u8(_Kind.PONG) + u32(number)
        case Drain():
            return u8(_Kind.DRAIN)
        case Drained():
            return u8(_Kind.DRAINED)


def decode_record(plain: bytes) -> Record:
    """Read a record.

    Raises:
        MalformedFrame: any other bytes than `encode_record` writes.
    """
    reader = Reader(plain)
    kind = reader.u8()
    if kind == _Kind.PIECE:
        return _read_piece(plain)
    record = _read_short(kind, reader)
    reader.end()
    return record


def write_stream(frames: Iterable[Frame]) -> bytes:
    """Join frames to the stream's bytes: `(length[4] || frame)*`."""
    return b"".join([part for frame in frames for part in (len(frame).to_bytes(4, "big"), frame)])


def read_stream(stream: bytes) -> tuple[tuple[Frame, ...], bytes]:
    """Take the whole frames off the front of a stream; return them and what is left.

    Raises:
        MalformedFrame: a length of zero, or above the limit of a frame: refused as soon as the
            length is there, so nobody makes us wait for more than one frame.
    """
    frames: list[Frame] = []
    at, end = 0, len(stream)
    while at + FRAME_OVERHEAD <= end:
        begin = at + FRAME_OVERHEAD
        size = int.from_bytes(stream[at:begin], "big")
        if not 0 < size <= MAX_FRAME_SIZE:
            raise MalformedFrame("a frame that is empty or longer than its limit")
        if begin + size > end:
            break
        at = begin + size
        frames.append(Frame(stream[begin:at]))
    return tuple(frames), stream[at:]


def cut_pieces(stream: bytes) -> Iterator[bytes]:
    """Cut stream bytes into encoded pieces, each fit for one record."""
    for at in range(0, len(stream), MAX_PIECE_SIZE):
        yield bytes((_Kind.PIECE,)) + stream[at : at + MAX_PIECE_SIZE]


def _read_piece(plain: bytes) -> Piece:
    if len(plain) == 1:
        raise MalformedFrame("an empty piece")
    return Piece(plain[1:])


def _read_short(kind: int, reader: Reader) -> Record:
    match kind:
        case _Kind.OPENING:
            if reader.u8() != LINK_VERSION:
                raise MalformedFrame("a link of an unknown version")
            return Opening(reader.take(PROOF_SIZE))
        case _Kind.CREDIT:
            return Credit(reader.u64())
        case _Kind.PING:
            return Ping(reader.u32())
        case _Kind.PONG:
            return Pong(reader.u32())
        case _Kind.DRAIN:
            return Drain()
        case _Kind.DRAINED:
            return Drained()
        case _:
            raise MalformedFrame("a record of an unknown kind")
