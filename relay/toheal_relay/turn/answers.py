"""How a TURN server answers: signed if it knows by whom it was asked, and short if it does not.

Source: RFC 8489, sections 6.3.1 and 9.2; RFC 8656, section 19.
"""

from __future__ import annotations

from typing import Final

from toheal_protocol.wire.codec import u16, u32
from toheal_protocol.wire.stun import (
    ERROR_CODE,
    NONCE,
    REALM,
    UNKNOWN_ATTRIBUTES,
    XOR_MAPPED_ADDRESS,
    StunMessage,
    encode_error_code,
    encode_stun,
    encode_xor_address,
)
from toheal_protocol.wire.stun_integrity import sign_stun
from toheal_protocol.wire.turn import (
    ADDRESS_ERROR_CODE,
    LIFETIME,
    XOR_RELAYED_ADDRESS,
    Kind,
    Method,
    Refusal,
)
from toheal_relay.turn.allocation import Allocation

REALM_NAME: Final = b"toheal"
"""The realm of our credentials. A client takes it from our answer."""

CHALLENGE_SIZE: Final = 60
"""Bytes of the longest answer to somebody of whom we know nothing. The bare request has 28: on the
wire, with IP and UDP, the answer is 1.57 times as long. RFC 8489 wants realm and nonce in it."""

_MOST_UNKNOWN: Final = 8
"""Unknown attributes we name: more tells nobody anything."""

_IPV6: Final = 0x02

Attributes = tuple[tuple[int, bytes], ...]


def success(
    method: Method, request: StunMessage, attributes: Attributes, key: bytes, integrity: int
) -> bytes:
    """Write a signed success answer."""
    answer = StunMessage(method | Kind.SUCCESS, request.transaction, attributes)
    return sign_stun(answer, key, kind=integrity)


def allocated(allocation: Allocation, lifetime: int, *, no_ipv6: bool = False) -> Attributes:
    """Return what an Allocate is answered with. `no_ipv6`: it wanted a second address, of IPv6."""
    client, transaction = allocation.client, allocation.transaction
    attributes: Attributes = (
        (XOR_RELAYED_ADDRESS, encode_xor_address(*allocation.port.address, transaction)),
        (LIFETIME, u32(lifetime)),
        (XOR_MAPPED_ADDRESS, encode_xor_address(client.host, client.port, transaction)),
    )
    if no_ipv6:
        family = _IPV6 << 24
        code = encode_error_code(Refusal.ADDRESS_FAMILY_NOT_SUPPORTED)
        attributes += ((ADDRESS_ERROR_CODE, u32(family | int.from_bytes(code, "big"))),)
    return attributes


def refusal(
    method: Method,
    request: StunMessage,
    why: Refusal,
    *,
    key: bytes | None = None,
    integrity: int = 0,
    unknown: tuple[int, ...] = (),
) -> bytes:
    """Write an error answer, signed with a key if it is known. No words: they would only be longer."""
    attributes: Attributes = ((ERROR_CODE, encode_error_code(why)),)
    if unknown:
        names = b"".join(map(u16, unknown[:_MOST_UNKNOWN]))
        attributes += ((UNKNOWN_ATTRIBUTES, names),)
    answer = StunMessage(method | Kind.ERROR, request.transaction, attributes)
    return encode_stun(answer) if key is None else sign_stun(answer, key, kind=integrity)


def challenge(method: Method, request: StunMessage, why: Refusal, nonce: bytes) -> bytes:
    """Write a 401 or 438, with what a client needs to ask properly: 60 bytes.

    Source: RFC 8489, section 9.2.4.
    """
    attributes = ((ERROR_CODE, encode_error_code(why)), (REALM, REALM_NAME), (NONCE, nonce))
    return encode_stun(StunMessage(method | Kind.ERROR, request.transaction, attributes))
