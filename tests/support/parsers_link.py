"""The link's parsers, for the fuzz entry point: any bytes in, a value or a `RemoteError` out."""

from __future__ import annotations

import struct
from collections.abc import Callable

from tests.support.sctp_wire import chunk, padded, sign
from toheal_p2p.adapters.sctp import check_packet
from toheal_protocol.model import Frame
from toheal_protocol.wire.connection_blob import (
    Candidate,
    CandidateKind,
    ConnectionBlob,
    decode_blob,
    encode_blob,
)
from toheal_protocol.wire.link_record import (
    Credit,
    Drain,
    Opening,
    Piece,
    Ping,
    decode_record,
    encode_record,
    read_stream,
    write_stream,
)

PARSERS: tuple[tuple[str, Callable[[bytes], object]], ...] = (
    ("connection blob", decode_blob),
    ("link record", decode_record),
    ("link stream", read_stream),
    ("sctp packet", check_packet),
)

_BLOB = ConnectionBlob(
    "abcd",
    "p" * 22,
    bytes(32),
    (
        Candidate(CandidateKind.REFLEXIVE, "203.0.113.7", 40000),
        Candidate(CandidateKind.HOST, "2001:470:1::5", 50000),
    ),
)
_STREAM = write_stream([Frame(b"one"), Frame(b"another"), Frame(bytes(300))])
_PARAMETER = struct.pack("!HH4s", 0x8008, 6, b"\x82\xc0")

SEEDS: tuple[bytes, ...] = (
    encode_blob(_BLOB),
    _STREAM,
    *[
        encode_record(record)
        for record in (Opening(bytes(32)), Piece(_STREAM), Credit(2**20), Ping(7), Drain())
    ],
    sign(0, chunk(1, struct.pack("!LLHHL", 7, 2**18, 1, 1, 99) + _PARAMETER)),
    sign(9, chunk(2, struct.pack("!LLHHL", 7, 2**18, 1, 1, 99) + _PARAMETER)),
    sign(9, chunk(10, bytes(24))),
    sign(9, chunk(11, b"")),
    sign(9, padded(chunk(0, struct.pack("!LHHL", 99, 0, 0, 53) + b"record", 3))),
    sign(9, chunk(3, struct.pack("!LLHHHH", 99, 2**17, 1, 0, 2, 3))),
    sign(9, chunk(4, _PARAMETER)),
    sign(9, chunk(6, b"")),
)
