"""SOCKS5 on the wire: what a client says to a proxy, and what it may answer. Pure.

```
greeting   05 || count[1] || method..              choice   05 || method[1]
login      01 || len[1] || user || len[1] || pass  verdict  01 || 00 (yes) or another
connect    05 || 01 || 00 || address || port[2]    reply    05 || code[1] || 00 || address || port[2]
address    01 || ipv4[4]   or   03 || len[1] || name   or   04 || ipv6[16]
```
Names go to the proxy as they are: nobody here looks them up.

Source: RFC 1928, sections 3 to 6; RFC 1929, section 2. Docs: docs/command-line.md, section 8.
"""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final

from attrs import frozen

from toheal_protocol.errors import LocalError, MalformedFrame
from toheal_protocol.wire.codec import Reader, u8, u16

VERSION: Final = 5
LOGIN_VERSION: Final = 1
CONNECT: Final = 1

NO_LOGIN: Final = 0x00
LOGIN: Final = 0x02
NO_METHOD: Final = 0xFF
"""What a proxy answers that takes none of the methods offered."""

CHOICE_SIZE: Final = 2
VERDICT_SIZE: Final = 2
REPLY_HEAD: Final = 5
"""Bytes of a reply after which its whole size is known."""

MAX_WORD: Final = 255
"""Bytes of a user, a password or a name: their length is one byte."""

_IPV4, _NAME, _IPV6 = 1, 3, 4
_ADDRESS_SIZES: Final = {_IPV4: 4, _IPV6: 16}


@frozen
class SocksReply:
    """What became of a wish to be connected; 0 is well."""

    code: int

    @property
    def is_forbidden(self) -> bool:
        """Say whether the proxy could, and will not: 2 its rules, 7 and 8 its abilities."""
        return self.code in (2, 7, 8)


def encode_greeting(methods: tuple[int, ...]) -> bytes:
    """Offer ways to log in."""
    return u8(VERSION) + u8(len(methods)) + bytes(methods)


def encode_login(user: bytes, password: bytes) -> bytes:
    """Say who we are: 1 to 255 bytes each."""
    for word in (user, password):
        if not 1 <= len(word) <= MAX_WORD:
            raise LocalError("a user and a password for a proxy have 1 to 255 bytes")
    return u8(LOGIN_VERSION) + u8(len(user)) + user + u8(len(password)) + password


def encode_connect(host: str, port: int) -> bytes:
    """Ask to be connected to a host and port; a name is looked up by the proxy."""
    return u8(VERSION) + u8(CONNECT) + u8(0) + _encode_address(host) + u16(port)


def decode_choice(answer: bytes) -> int:
    """Read which way to log in a proxy chose; `NO_METHOD` if none.

    Raises:
        MalformedFrame: not an answer to a greeting.
    """
    reader = Reader(answer)
    version, method = reader.u8(), reader.u8()
    reader.end()
    if version != VERSION:
        raise MalformedFrame("not a SOCKS5 proxy")
    return method


def decode_verdict(answer: bytes) -> bool:
    """Read whether a login was accepted.

    Raises:
        MalformedFrame: not an answer to a login.
    """
    reader = Reader(answer)
    version, status = reader.u8(), reader.u8()
    reader.end()
    if version != LOGIN_VERSION:
        raise MalformedFrame("not an answer to a login")
    return status == 0


def reply_size(head: bytes) -> int:
    """Return how many bytes a reply has, from its first `REPLY_HEAD` ones: 22 to 262 at most.

    Raises:
        MalformedFrame: not a reply.
    """
    reader = Reader(head)
    version, _, reserved, kind, first = (reader.u8() for _ in range(REPLY_HEAD))
    reader.end()
    if version != VERSION or reserved != 0:
        raise MalformedFrame("not a reply of a SOCKS5 proxy")
    if kind == _NAME:
        return REPLY_HEAD + first + 2
    if kind not in _ADDRESS_SIZES:
        raise MalformedFrame("an address of no known kind")
    return REPLY_HEAD - 1 + _ADDRESS_SIZES[kind] + 2


def decode_reply(reply: bytes) -> SocksReply:
    """Read a whole reply. The address in it, the proxy's own, is of no use to us.

    Raises:
        MalformedFrame: not a reply.
    """
    if len(reply) < REPLY_HEAD or reply_size(reply[:REPLY_HEAD]) != len(reply):
        raise MalformedFrame("a reply of another size")
    return SocksReply(reply[1])


def _encode_address(host: str) -> bytes:
    for kind, parse in ((_IPV4, IPv4Address), (_IPV6, IPv6Address)):
        try:
            return u8(kind) + parse(host).packed
        except AddressValueError:
            continue
    name = host.encode("ascii")
    if not 1 <= len(name) <= MAX_WORD:
        raise LocalError("a host's name has 1 to 255 bytes")
    return u8(_NAME) + u8(len(name)) + name
