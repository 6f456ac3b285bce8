"""STUN: how somebody behind a NAT learns its address from outside.

The header, attributes as they are, addresses, errors and FINGERPRINT. Who may ask for more than
that is settled by `stun_integrity`; what is asked for then is in `turn`.

    type[2] || length[2] || 2112a442 || transaction[12] || attributes
    attribute = type[2] || length[2] || value || padding to a multiple of four

Source: RFC 8489, sections 5, 6.3 and 14. Vectors: RFC 5769, sections 2.1 to 2.3.
Spec: docs/protocol/mailboxes.md, section 7.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final
from zlib import crc32

from attrs import field, frozen

from toheal_protocol.errors import LocalError, MalformedFrame
from toheal_protocol.wire.codec import Reader, u8, u16, u32

COOKIE: Final = 0x2112A442
HEADER_SIZE: Final = 20
TRANSACTION_SIZE: Final = 12

BINDING_REQUEST: Final = 0x0001
BINDING_SUCCESS: Final = 0x0101
"""What we answer. Errors are never answered: an error would be longer than a short request."""

USERNAME: Final = 0x0006
MESSAGE_INTEGRITY: Final = 0x0008
ERROR_CODE: Final = 0x0009
UNKNOWN_ATTRIBUTES: Final = 0x000A
REALM: Final = 0x0014
NONCE: Final = 0x0015
MESSAGE_INTEGRITY_SHA256: Final = 0x001C
XOR_MAPPED_ADDRESS: Final = 0x0020
PRIORITY: Final = 0x0024
USE_CANDIDATE: Final = 0x0025
SOFTWARE: Final = 0x8022
FINGERPRINT: Final = 0x8028
_FINGERPRINT_SIZE: Final = 8
_FINGERPRINT_XOR: Final = 0x5354554E

OPTIONAL: Final = 0x8000
"""Attributes from here on may be ignored by whoever does not know them."""

_HARMLESS: Final = frozenset({USERNAME, MESSAGE_INTEGRITY, PRIORITY, USE_CANDIDATE})
"""What ICE adds and a Binding can ignore."""

_AFTER_INTEGRITY: Final = frozenset({MESSAGE_INTEGRITY, MESSAGE_INTEGRITY_SHA256})
"""With FINGERPRINT all that counts after a MESSAGE-INTEGRITY: nothing vouches for the rest."""

_BLANK_NAME: Final = b" " * 20
"""A SOFTWARE name that names nothing and makes a request as long as the longest answer."""

MAX_STUN_SIZE: Final = 2048
"""Bytes of a message we look at: a packet of an ordinary path (1500) inside an indication."""

_FAMILIES: Final = {4: 0x01, 6: 0x02}


@frozen
class StunMessage:
    """One message, its attributes in order and unread.

    Of a message that was read, FINGERPRINT is checked and left out, and so is what comes after a
    MESSAGE-INTEGRITY; `datagram` is how it arrived.
    """

    type: int
    transaction: bytes
    attributes: tuple[tuple[int, bytes], ...] = ()
    datagram: bytes = field(default=b"", eq=False, repr=False)

    def find(self, attribute: int) -> bytes | None:
        """Return the value of the first attribute of a type; later ones are to be ignored."""
        return next((value for name, value in self.attributes if name == attribute), None)


def decode_stun(datagram: bytes) -> StunMessage:
    """Read one message that fills a datagram.

    Raises:
        MalformedFrame: it is not STUN, or its FINGERPRINT does not fit.

    Source: RFC 8489, sections 5, 14 and 14.7.
    """
    if not HEADER_SIZE <= len(datagram) <= MAX_STUN_SIZE:
        raise MalformedFrame("no STUN message has this size")
    reader = Reader(datagram)
    kind, length, cookie = reader.u16(), reader.u16(), reader.u32()
    if kind & 0xC000 or cookie != COOKIE or length != len(datagram) - HEADER_SIZE or length % 4:
        raise MalformedFrame("not a STUN header")
    transaction = reader.take(TRANSACTION_SIZE)
    attributes: list[tuple[int, bytes]] = []
    is_covered = True
    while reader.left:
        name, value = _read_attribute(reader)
        if name == FINGERPRINT:
            reader.end()  # it is the last attribute or it is wrong
            _check_fingerprint(datagram, value)
        elif is_covered or name in _AFTER_INTEGRITY:
            attributes.append((name, value))
            is_covered = is_covered and name not in _AFTER_INTEGRITY
    return StunMessage(kind, transaction, tuple(attributes), datagram)


def encode_stun(message: StunMessage, *, fingerprint: bool = False) -> bytes:
    """Write one message, with FINGERPRINT at its end if wanted."""
    if len(message.transaction) != TRANSACTION_SIZE:
        raise LocalError("a transaction id has 12 bytes")
    body = b"".join(encode_attribute(name, value) for name, value in message.attributes)
    if not fingerprint:
        return _encode_header(message, len(body)) + body
    return add_fingerprint(_encode_header(message, len(body)) + body)


def encode_attribute(name: int, value: bytes) -> bytes:
    """Write one attribute, filled up with zeros to a multiple of four bytes."""
    return u16(name) + u16(len(value)) + value + bytes(-len(value) % 4)


def add_fingerprint(datagram: bytes) -> bytes:
    """Return a whole message with a FINGERPRINT at its end; 8 bytes more.

    Source: RFC 8489, section 14.7.
    """
    covered = with_length(datagram, len(datagram) - HEADER_SIZE + _FINGERPRINT_SIZE)
    return covered + encode_attribute(FINGERPRINT, _fingerprint_of(covered))


def with_length(datagram: bytes, length: int) -> bytes:
    """Return a message that says to have so many bytes after its header."""
    return datagram[:2] + u16(length) + datagram[4:]


def encode_xor_address(host: str, port: int, transaction: bytes) -> bytes:
    """Write the value of an address attribute that is XORed: 8 bytes for IPv4, 20 for IPv6.

    Source: RFC 8489, section 14.2.
    """
    address = ip_address(host)
    pad = u32(COOKIE) + transaction
    family = _FAMILIES[address.version]
    return u16(family) + u16(port ^ (COOKIE >> 16)) + _xor(address.packed, pad)


def decode_xor_address(value: bytes, transaction: bytes) -> tuple[str, int]:
    """Read the value of an address attribute that is XORed.

    Raises:
        MalformedFrame: neither an IPv4 nor an IPv6 address.
    """
    reader = Reader(value)
    family, port = reader.u16() & 0xFF, reader.u16() ^ (COOKIE >> 16)
    packed = _xor(reader.rest(), u32(COOKIE) + transaction)
    match family, len(packed):
        case 0x01, 4:
            return str(IPv4Address(packed)), port
        case 0x02, 16:
            return str(IPv6Address(packed)), port
        case _:
            raise MalformedFrame("neither an IPv4 nor an IPv6 address")


def encode_error_code(code: int) -> bytes:
    """Write the value of an ERROR-CODE without words: 4 bytes, so that an answer stays short.

    Source: RFC 8489, section 14.8.
    """
    return u16(0) + u8(code // 100) + u8(code % 100)


def decode_error_code(value: bytes) -> int:
    """Read the value of an ERROR-CODE, from 300 to 699; its words are for nobody.

    Raises:
        MalformedFrame: no code is written like this.
    """
    reader = Reader(value)
    reader.u16()
    hundreds, rest = reader.u8() & 0x07, reader.u8()
    if not 3 <= hundreds <= 6 or rest > 99:
        raise MalformedFrame("not an error code")
    return hundreds * 100 + rest


def binding_request(transaction: bytes, *, answer_fits: bool = True) -> bytes:
    """Write a Binding request.

    With `answer_fits` it is as long as the longest answer (44 bytes), by a blank SOFTWARE name: a
    relay that must not amplify answers such requests more freely than the bare 20 bytes.
    """
    attributes = ((SOFTWARE, _BLANK_NAME),) if answer_fits else ()
    return encode_stun(StunMessage(BINDING_REQUEST, transaction, attributes))


def answer_binding(datagram: bytes, host: str, port: int) -> bytes | None:
    """Answer a Binding request with where it came from: 32 bytes for IPv4, 44 for IPv6.

    None for everything else that is STUN, and for a request with a demand we do not know
    (RFC 8489 would have it refused in words; silence cannot be used against a third party).

    Raises:
        MalformedFrame: it is not STUN.

    Source: RFC 8489, section 6.3.1.
    """
    request = decode_stun(datagram)
    if request.type != BINDING_REQUEST:
        return None
    if any(name < OPTIONAL and name not in _HARMLESS for name, _ in request.attributes):
        return None
    mapped = encode_xor_address(host, port, request.transaction)
    answer = StunMessage(BINDING_SUCCESS, request.transaction, ((XOR_MAPPED_ADDRESS, mapped),))
    return encode_stun(answer)


def _read_attribute(reader: Reader) -> tuple[int, bytes]:
    name, length = reader.u16(), reader.u16()
    value = reader.take(length)
    reader.take(-length % 4)  # padding may be anything
    return name, value


def _encode_header(message: StunMessage, length: int) -> bytes:
    return u16(message.type) + u16(length) + u32(COOKIE) + message.transaction


def _check_fingerprint(datagram: bytes, value: bytes) -> None:
    if value != _fingerprint_of(datagram[:-_FINGERPRINT_SIZE]):
        raise MalformedFrame("a STUN fingerprint that does not fit")


def _fingerprint_of(covered: bytes) -> bytes:
    return u32(crc32(covered) ^ _FINGERPRINT_XOR)


def _xor(part: bytes, pad: bytes) -> bytes:
    return bytes(ours ^ theirs for ours, theirs in zip(part, pad, strict=False))
