"""What an operator decided about TURN: our own, somebody else's, or none.

Spec: docs/relay.md, section 5.
"""

from __future__ import annotations

import re
import sys
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Final

from attrs import field, frozen

from toheal_protocol.errors import LocalError
from toheal_protocol.wire.turn_grant import MAX_TURN_SERVERS, TurnServer, TurnTransport
from toheal_relay.turn.rules import Network

SHORTEST_SECRET: Final = 16
"""Bytes of a secret that cannot be guessed from a name and a password."""

_LONGEST_SECRET: Final = 4096

_URL = re.compile(
    r"(?P<scheme>turns?):(?:\[(?P<v6>[0-9a-f:.]+)\]|(?P<host>[^:?\[\]]+))"
    r"(?::(?P<port>[0-9]{1,5}))?(?:\?transport=(?P<transport>udp|tcp))?"
)
_DEFAULT_PORTS: Final = {"turn": 3478, "turns": 5349}


class UnusableTurn(Exception):
    """What was said about TURN cannot be used; the message is for the operator."""


class UnusableSecret(Exception):
    """The file of the secret cannot be used; the message is for the operator."""


@frozen
class TurnConfig:
    """How TURN is offered.

    `servers` are elsewhere and know `secret`; without any, this relay is the TURN server. `address`
    is what others reach its relayed ports at, if that is not plain, and `allowed` are networks whose
    machines may be peers although they are not on the internet.
    """

    is_offered: bool = True
    servers: tuple[TurnServer, ...] = ()
    secret: bytes | None = field(default=None, repr=False)
    address: str | None = None
    allowed: tuple[Network, ...] = ()


def configure_turn(
    urls: tuple[str, ...],
    secret_file: Path | None,
    *,
    is_off: bool,
    address: str | None = None,
    allowed: tuple[str, ...] = (),
) -> TurnConfig:
    """Read what was said on the command line.

    Raises:
        UnusableTurn: it contradicts itself, or is no TURN URL, address or network.
        UnusableSecret: the file holds no secret.
    """
    if is_off and (urls or secret_file or address):
        raise UnusableTurn("--no-turn goes with no other option about TURN")
    if urls and secret_file is None:
        raise UnusableTurn("--turn needs --turn-secret: the secret that server knows")
    if urls and address:
        raise UnusableTurn("--turn-address is for this relay's own TURN, not for one elsewhere")
    if len(urls) > MAX_TURN_SERVERS:
        raise UnusableTurn(f"--turn can be given {MAX_TURN_SERVERS} times at most")
    if address is not None and not _is_address(address):
        raise UnusableTurn("--turn-address is an address like 198.51.100.7 or 2001:db8::7")
    return TurnConfig(
        is_offered=not is_off,
        servers=tuple(map(parse_turn_url, urls)),
        secret=None if secret_file is None else read_secret(secret_file),
        address=address,
        allowed=tuple(map(_read_network, allowed)),
    )


def parse_turn_url(text: str) -> TurnServer:
    """Read `turn:HOST[:PORT][?transport=udp|tcp]` or `turns:HOST[:PORT]`.

    Raises:
        UnusableTurn: anything else; TURN over DTLS as well, which our clients do not speak.

    Source: RFC 7065, section 3.1.
    """
    parts = _URL.fullmatch(text)
    if parts is None or (parts["scheme"] == "turns" and parts["transport"] == "udp"):
        raise UnusableTurn(f"{text!r} is not turn:HOST:PORT or turns:HOST:PORT")
    transport = TurnTransport.TCP if parts["transport"] == "tcp" else TurnTransport.UDP
    if parts["scheme"] == "turns":
        transport = TurnTransport.TLS
    port = int(parts["port"] or _DEFAULT_PORTS[parts["scheme"]])
    try:
        return TurnServer(transport, (parts["v6"] or parts["host"]).lower(), port)
    except LocalError:
        raise UnusableTurn(f"{text!r} names no host and port that others could use") from None


def read_secret(path: Path) -> bytes:
    """Return what a file holds, without the line end.

    Raises:
        UnusableSecret: it cannot be read, everybody can read it, or it is too short or too long.
    """
    try:
        with path.open("rb") as file:
            is_open_to_all = path.stat().st_mode & 0o007
            secret = file.read(_LONGEST_SECRET + 1).rstrip(b"\r\n")
    except OSError as problem:
        raise UnusableSecret(f"{path}: {problem.strerror}") from None
    if is_open_to_all and sys.platform != "win32":
        raise UnusableSecret(f"{path} can be read by everybody: chmod o= it")
    if not SHORTEST_SECRET <= len(secret) <= _LONGEST_SECRET:
        raise UnusableSecret(f"{path} holds no secret of {SHORTEST_SECRET} bytes or more")
    return secret


def _is_address(text: str) -> bool:
    try:
        return str(ip_address(text)) == text
    except ValueError:
        return False


def _read_network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError:
        raise UnusableTurn(f"{text!r} is not a network like 10.0.0.0/8") from None
