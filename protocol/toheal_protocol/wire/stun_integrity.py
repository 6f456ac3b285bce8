"""Who says so: MESSAGE-INTEGRITY of STUN messages, by SHA-1 or SHA-256.

What is covered is everything before the attribute, with a header that says to end right after it.
So a check needs the bytes as they arrived, padding included.

Source: RFC 8489, sections 9.2, 14.5 and 14.6. Vectors: RFC 5769; RFC 8489, appendix B.1.
"""

from __future__ import annotations

from typing import Final

from toheal_protocol.crypto import equal
from toheal_protocol.crypto.turn import (
    INTEGRITY_SHA256_SIZE,
    INTEGRITY_SIZE,
    message_integrity,
    message_integrity_sha256,
)
from toheal_protocol.errors import ForgedMessage
from toheal_protocol.wire.stun import (
    HEADER_SIZE,
    MESSAGE_INTEGRITY,
    MESSAGE_INTEGRITY_SHA256,
    StunMessage,
    add_fingerprint,
    encode_attribute,
    encode_stun,
    with_length,
)

_SIZES: Final = {
    MESSAGE_INTEGRITY: INTEGRITY_SIZE,
    MESSAGE_INTEGRITY_SHA256: INTEGRITY_SHA256_SIZE,
}
_ATTRIBUTE_HEADER: Final = 4


def check_integrity(message: StunMessage, key: bytes) -> int:
    """Return which attribute vouches for a message that was read: the SHA-256 one if it is there.

    Args:
        key: as `long_term_key` gives it, or a short-term password.

    Raises:
        ForgedMessage: none does, or it was made with another key.

    Source: RFC 8489, section 9.2.4.
    """
    for kind in (MESSAGE_INTEGRITY_SHA256, MESSAGE_INTEGRITY):
        value = message.find(kind)
        if value is not None:
            at = _place_of(message.datagram, kind)
            if len(value) == _SIZES[kind] and equal(value, _mac(message.datagram[:at], kind, key)):
                return kind
            break  # the stronger one decides alone: the weaker may have been put in by others
    raise ForgedMessage("nobody with the key vouches for this STUN message")


def sign_stun(
    message: StunMessage, key: bytes, *, kind: int = MESSAGE_INTEGRITY, fingerprint: bool = False
) -> bytes:
    """Write a message with a MESSAGE-INTEGRITY (or _SHA256) at its end, and FINGERPRINT if wanted."""
    covered = encode_stun(message)
    value = encode_attribute(kind, _mac(covered, kind, key))
    signed = with_length(covered + value, len(covered) + len(value) - HEADER_SIZE)
    return add_fingerprint(signed) if fingerprint else signed


def _mac(before: bytes, kind: int, key: bytes) -> bytes:
    covered = with_length(before, len(before) - HEADER_SIZE + _ATTRIBUTE_HEADER + _SIZES[kind])
    if kind == MESSAGE_INTEGRITY:
        return message_integrity(key, covered)
    return message_integrity_sha256(key, covered)


def _place_of(datagram: bytes, wanted: int) -> int:
    """Return where the first attribute of a kind begins in a message that was read before."""
    at = HEADER_SIZE
    while int.from_bytes(datagram[at : at + 2], "big") != wanted:
        length = int.from_bytes(datagram[at + 2 : at + 4], "big")
        at += _ATTRIBUTE_HEADER + length + -length % 4
    return at
