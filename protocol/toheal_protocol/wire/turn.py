"""TURN: what a client asks of a server that passes packets on for it.

    client ──request, ChannelData──▶ server ══UDP══▶ peer

Requests and indications are STUN messages. Most packets travel as ChannelData instead:

    ChannelData = channel[2] (4000 to 7fff) || length[2] || packet (|| padding to four, over TCP)

Source: RFC 8656, sections 12.4, 18 and 19; RFC 8489, section 14.8.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from toheal_protocol.errors import LocalError, MalformedFrame
from toheal_protocol.wire.codec import Reader, u16
from toheal_protocol.wire.stun import HEADER_SIZE, MAX_STUN_SIZE

# attributes (RFC 8656, section 18)
CHANNEL_NUMBER: Final = 0x000C
LIFETIME: Final = 0x000D
XOR_PEER_ADDRESS: Final = 0x0012
DATA: Final = 0x0013
XOR_RELAYED_ADDRESS: Final = 0x0016
REQUESTED_ADDRESS_FAMILY: Final = 0x0017
EVEN_PORT: Final = 0x0018
REQUESTED_TRANSPORT: Final = 0x0019
DONT_FRAGMENT: Final = 0x001A
RESERVATION_TOKEN: Final = 0x0022
ADDITIONAL_ADDRESS_FAMILY: Final = 0x8000
ADDRESS_ERROR_CODE: Final = 0x8001

UDP: Final = 17
"""The one transport between a server and a peer (an IP protocol number)."""

FIRST_CHANNEL: Final = 0x4000
LAST_CHANNEL: Final = 0x7FFF
"""What a client may call a channel. RFC 8656, section 12, keeps the numbers from 5000 for DTLS, which
does not come to our ports; clients of RFC 5766, which may use them, do."""

CHANNEL_HEADER: Final = 4
"""Bytes before the packet of a ChannelData message."""


class Method(IntEnum):
    """What a message is about (RFC 8656, section 17)."""

    ALLOCATE = 0x003
    REFRESH = 0x004
    SEND = 0x006
    DATA = 0x007
    CREATE_PERMISSION = 0x008
    CHANNEL_BIND = 0x009


class Kind(IntEnum):
    """What a message is; joined to its method it is the type (RFC 8489, section 5)."""

    REQUEST = 0x000
    INDICATION = 0x010
    SUCCESS = 0x100
    ERROR = 0x110


class Refusal(IntEnum):
    """Why a server will not (RFC 8489, section 14.8; RFC 8656, section 19)."""

    BAD_REQUEST = 400
    UNAUTHENTICATED = 401
    FORBIDDEN = 403
    UNKNOWN_ATTRIBUTE = 420
    ALLOCATION_MISMATCH = 437
    STALE_NONCE = 438
    ADDRESS_FAMILY_NOT_SUPPORTED = 440
    WRONG_CREDENTIALS = 441
    UNSUPPORTED_TRANSPORT = 442
    PEER_FAMILY_MISMATCH = 443
    ALLOCATION_QUOTA = 486
    INSUFFICIENT_CAPACITY = 508


_METHODS: Final = {method.value: method for method in Method}
_KIND_BITS: Final = 0x0110


def read_type(message_type: int) -> tuple[Method, Kind] | None:
    """Take a message type apart; None for a method that is not TURN's."""
    method = _METHODS.get(message_type & ~_KIND_BITS)
    return None if method is None else (method, Kind(message_type & _KIND_BITS))


def decode_channel_number(value: bytes) -> int:
    """Read the value of a CHANNEL-NUMBER.

    Raises:
        MalformedFrame: not four bytes, or a number no client may use.
    """
    reader = Reader(value)
    number = reader.u16()
    reader.u16()  # reserved
    reader.end()
    if not FIRST_CHANNEL <= number <= LAST_CHANNEL:
        raise MalformedFrame("no channel has this number")
    return number


def decode_lifetime(value: bytes) -> int:
    """Read the value of a LIFETIME: seconds.

    Raises:
        MalformedFrame: not four bytes.
    """
    reader = Reader(value)
    seconds = reader.u32()
    reader.end()
    return seconds


def decode_requested_transport(value: bytes) -> int:
    """Read the value of a REQUESTED-TRANSPORT: an IP protocol number.

    Raises:
        MalformedFrame: not four bytes.
    """
    reader = Reader(value)
    protocol = reader.u8()
    reader.take(3)
    reader.end()
    return protocol


def encode_channel_data(number: int, packet: bytes, *, is_stream: bool = False) -> bytes:
    """Write one ChannelData message; over a stream it is filled up to a multiple of four bytes.

    Source: RFC 8656, section 12.5.
    """
    if not FIRST_CHANNEL <= number <= LAST_CHANNEL:
        raise LocalError("no channel has this number")
    padding = bytes(-len(packet) % 4) if is_stream else b""
    return u16(number) + u16(len(packet)) + packet + padding


def decode_channel_data(message: bytes) -> tuple[int, bytes]:
    """Read one ChannelData message: its channel and its packet. Padding is left out.

    Raises:
        MalformedFrame: it is none, or shorter than it says.
    """
    reader = Reader(message)
    number, packet = reader.u16(), reader.prefixed16(MAX_STUN_SIZE)
    if not FIRST_CHANNEL <= number <= LAST_CHANNEL:
        raise MalformedFrame("no channel has this number")
    return number, packet


def split_stream(received: bytes) -> tuple[list[bytes], bytes]:
    """Cut what came over a stream into whole messages and the beginning of the next one.

    Padding between messages is left out. What is left over is shorter than `MAX_STUN_SIZE` and a
    header.

    Raises:
        MalformedFrame: neither STUN nor ChannelData begins like this, or it would be too long.

    Source: RFC 8656, section 12.5; RFC 8489, section 5.
    """
    messages, at, end = [], 0, len(received)
    header, size, padded = b"", 0, 0
    while end - at >= CHANNEL_HEADER:
        if received[at : at + CHANNEL_HEADER] != header:  # many messages begin like the one before
            header = received[at : at + CHANNEL_HEADER]
            size = _size_of(header[0], int.from_bytes(header[2:], "big"))
            padded = size + -size % 4
        if end - at < padded:
            break
        messages.append(received[at : at + size])
        at += padded
    return messages, received[at:]


def _size_of(first: int, length: int) -> int:
    if length > MAX_STUN_SIZE:
        raise MalformedFrame("a message longer than any packet")
    if first <= 0x03:
        return HEADER_SIZE + length
    if FIRST_CHANNEL >> 8 <= first <= LAST_CHANNEL >> 8:
        return CHANNEL_HEADER + length
    raise MalformedFrame("neither STUN nor ChannelData")
