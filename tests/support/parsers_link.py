"""The link's parsers, for the fuzz entry point: any bytes in, a value or a `RemoteError` out."""

from __future__ import annotations

from collections.abc import Callable

from toheal_p2p.adapters.sctp import check_packet
from toheal_protocol.wire.connection_blob import decode_blob
from toheal_protocol.wire.link_record import decode_record, read_stream

PARSERS: tuple[tuple[str, Callable[[bytes], object]], ...] = (
    ("connection blob", decode_blob),
    ("link record", decode_record),
    ("link stream", read_stream),
    ("sctp packet", check_packet),
)
