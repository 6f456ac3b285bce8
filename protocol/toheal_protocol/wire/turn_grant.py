"""Where TURN is to be had, as whom, and for how long: a relay's answer to `AskTurn`.

The name says when it ends and the password follows from it under a secret that the relay and its
TURN server share, so neither keeps a list of who was given what.

Spec: docs/protocol/mailboxes.md, section 5.4. Vectors: tests/vectors/mailboxes.json.
"""

from __future__ import annotations

import re
from enum import IntEnum
from typing import Final

from attrs import field, frozen

from toheal_protocol.errors import LocalError, MalformedFrame
from toheal_protocol.wire.codec import Reader, u8, u16, u32
from toheal_protocol.wire.relay_address import MAX_HOST_LENGTH, is_host

MAX_TURN_SERVERS: Final = 4
"""Servers in one grant: UDP, TCP and TLS of one machine, and one to spare."""

_NAME = re.compile(r"[!-~]{1,255}")
"""Printable ASCII without spaces: what every TURN client sends as it was given."""


class TurnTransport(IntEnum):
    """How a client reaches a TURN server. What it relays is UDP in any case."""

    UDP = 0
    TCP = 1
    TLS = 2


@frozen
class TurnServer:
    """One place where TURN is to be had.

    `host` is empty where it is the relay's own; by TLS such a server shows the relay's own key.
    Otherwise it is a host as in a `RelayAddress`, and by TLS has a certificate for that name.
    Anything else raises `LocalError`.
    """

    transport: TurnTransport
    host: str = field()
    port: int = field()

    @host.validator
    def _check_host(self, _attribute: object, host: str) -> None:
        if host and not is_host(host):
            raise LocalError("a TURN server's host is like a relay's, or empty")

    @port.validator
    def _check_port(self, _attribute: object, port: int) -> None:
        if not 1 <= port <= 65535:
            raise LocalError("a TURN server's port is between 1 and 65535")


@frozen
class TurnGrant:
    """The answer to the `AskTurn` with this number: what to use in the next `life` seconds.

    `username` and `password` are long-term credentials of STUN (RFC 8489, section 9.2), each 1 to
    255 printable ASCII characters. One to four servers, the one to try first in front.
    """

    number: int
    life: int
    username: str = field(repr=False)
    password: str = field(repr=False)
    servers: tuple[TurnServer, ...]


def encode_turn_grant(grant: TurnGrant) -> bytes:
    """Write `number[4] || life[4] || len[1] username || len[1] password || count[1] || server..`.

    Raises:
        LocalError: no life, no server or too many, or credentials that are not printable ASCII.
    """
    if grant.life < 1 or not 1 <= len(grant.servers) <= MAX_TURN_SERVERS:
        raise LocalError("a grant has a life and one to four servers")
    if not _NAME.fullmatch(grant.username) or not _NAME.fullmatch(grant.password):
        raise LocalError("credentials are 1 to 255 printable ASCII characters")
    servers = b"".join(map(_encode_server, grant.servers))
    credentials = _short(grant.username) + _short(grant.password)
    return u32(grant.number) + u32(grant.life) + credentials + u8(len(grant.servers)) + servers


def read_turn_grant(reader: Reader) -> TurnGrant:
    """Take one grant.

    Raises:
        MalformedFrame: it breaks a rule of `TurnGrant`.
    """
    number, life = reader.u32(), reader.u32()
    username, password = _read_name(reader), _read_name(reader)
    count = reader.u8()
    if life == 0 or not 1 <= count <= MAX_TURN_SERVERS:
        raise MalformedFrame("a grant outside its rules")
    servers = tuple(_read_server(reader) for _ in range(count))
    return TurnGrant(number, life, username, password, servers)


def _short(text: str) -> bytes:
    return u8(len(text)) + text.encode("ascii")


def _encode_server(server: TurnServer) -> bytes:
    return u8(server.transport) + u16(server.port) + _short(server.host)


def _read_short(reader: Reader) -> str:
    try:
        return reader.take(reader.u8()).decode("ascii")
    except UnicodeDecodeError:
        raise MalformedFrame("a text that is not ASCII") from None


def _read_name(reader: Reader) -> str:
    name = _read_short(reader)
    if not _NAME.fullmatch(name):
        raise MalformedFrame("credentials that are not printable")
    return name


def _read_server(reader: Reader) -> TurnServer:
    transport, port, host = reader.u8(), reader.u16(), _read_short(reader)
    if transport > TurnTransport.TLS or port == 0 or len(host) > MAX_HOST_LENGTH:
        raise MalformedFrame("a TURN server outside its rules")
    if host and not is_host(host):
        raise MalformedFrame("a TURN server without a proper host")
    return TurnServer(TurnTransport(transport), host, port)
