"""Grants: where somebody may leave mail for us, and how to seal it.

A grant names one mailbox at one relay. Its number rises from 1; the sender moves on by at most
one number past what it last used, so that a clock that is years wrong breaks nothing.

```
grant = number[4] || class[1] || address[16] || token[16] || seal key[32] || relay[2 + n]
```
Spec: docs/protocol/circle.md, section 4.
"""

from __future__ import annotations

from typing import Final

from attrs import field, frozen

from toheal_protocol.crypto import SealKey
from toheal_protocol.errors import MalformedFrame
from toheal_protocol.model import ADDRESS_SIZE, TOKEN_SIZE, Address, DepositToken
from toheal_protocol.wire.codec import Reader, prefixed16, u8, u32
from toheal_protocol.wire.relay_address import RelayAddress, parse_relay_address

MAX_GRANTS: Final = 16
"""Grants in one message: four epochs of two classes at two relays."""

MAX_RELAY_SIZE: Final = 400
"""Bytes of a relay's address in text."""

MAIL: Final = 1
"""Class of a mailbox that keeps what it gets for up to 14 days."""
SIGNAL: Final = 2
"""Class of a mailbox for what is worthless in two minutes."""


@frozen
class Grant:
    """The right to deposit into one mailbox."""

    number: int
    kind: int
    relay: RelayAddress
    address: Address
    token: DepositToken = field(repr=False)
    seal_key: SealKey = field(repr=False)


def encode_grants(grants: tuple[Grant, ...]) -> bytes:
    """Write grants: `count[1] || grant...`."""
    return u8(len(grants)) + b"".join(_encode(grant) for grant in grants)


def take_grants(reader: Reader) -> tuple[Grant, ...]:
    """Read what `encode_grants` wrote.

    Raises:
        MalformedFrame: too many, of no class we know, or not the layout.
    """
    count = reader.u8()
    if count > MAX_GRANTS:
        raise MalformedFrame("too many grants")
    return tuple(_take(reader) for _ in range(count))


def _encode(grant: Grant) -> bytes:
    return (
        u32(grant.number)
        + u8(grant.kind)
        + grant.address
        + grant.token
        + grant.seal_key
        + encode_relays((grant.relay,))
    )


def _take(reader: Reader) -> Grant:
    number, kind = reader.u32(), reader.u8()
    if kind not in (MAIL, SIGNAL):
        raise MalformedFrame("a mailbox of no class we know")
    address = Address(reader.take(ADDRESS_SIZE))
    token = DepositToken(reader.take(TOKEN_SIZE))
    seal_key = SealKey(reader.take(32))
    return Grant(number, kind, take_relay(reader), address, token, seal_key)


def encode_relays(relays: tuple[RelayAddress, ...]) -> bytes:
    """Write addresses of relays as text, each with its length."""
    return b"".join(prefixed16(str(relay).encode()) for relay in relays)


def take_relay(reader: Reader) -> RelayAddress:
    """Read one address of a relay.

    Raises:
        MalformedFrame: it is none.
    """
    return parse_relay_address(take_text(reader, MAX_RELAY_SIZE))


def take_text(reader: Reader, most: int) -> str:
    """Read `length[2] || UTF-8`.

    Raises:
        MalformedFrame: longer than `most` bytes, or not UTF-8.
    """
    try:
        return reader.prefixed16(most).decode()
    except UnicodeDecodeError:
        raise MalformedFrame("text that is not UTF-8") from None
