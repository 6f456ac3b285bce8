"""Reaching relays through a SOCKS5 proxy, such as the one of Tor.

The proxy alone learns where we want to go, by name where it is a name. Nothing is looked up here
and no UDP is sent. A user and password that were not given are drawn for each connection: Tor
gives another user another circuit, so nobody behind it sees which connections are one person's.

Source: RFC 1928, RFC 1929; Tor's socks-extensions.txt (isolation by user and password).
Docs: docs/command-line.md, section 8.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Final
from urllib.parse import unquote_to_bytes

import trio
from attrs import field, frozen

from toheal_p2p.adapters import socks_codec as codec
from toheal_p2p.ports.relays import Reason, RelayLost
from toheal_protocol.errors import MalformedFrame, RemoteError

PROXY_ANSWERS: Final = 10.0
"""Seconds for the proxy itself to be reached and to let us in: it is on this machine or near."""

RELAY_ANSWERS: Final = 45.0
"""Seconds for the proxy to reach a relay: a first circuit of Tor takes up to half a minute."""

LONGEST_URL: Final = 1024
"""Characters of a proxy's URL: a user and a password of 255 bytes, both escaped in part."""

_URL: Final = re.compile(
    r"socks5h?://(?:(?P<user>[^:@/\s]+):(?P<password>[^:@/\s]+)@)?"
    r"(?P<host>localhost|[0-9.]+|\[[0-9a-f:]+\]):(?P<port>[1-9][0-9]{0,4})/?"
)

_LOCAL: Final = ("127.0.0.1", "::1")
"""What `localhost` means, without asking anybody (RFC 6761, section 6.3)."""


@frozen
class ProxyAddress:
    """Where a SOCKS5 proxy listens, and as whom we log in; empty: as somebody new each time."""

    host: str
    port: int
    user: bytes = field(default=b"", repr=False)
    password: bytes = field(default=b"", repr=False)

    @property
    def hosts(self) -> tuple[str, ...]:
        """The addresses to try."""
        return _LOCAL if self.host == "localhost" else (self.host,)

    @property
    def shown(self) -> str:
        """The URL without the password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        login = "***:***@" if self.user else ""
        return f"socks5://{login}{host}:{self.port}"


def parse_proxy(text: str) -> ProxyAddress:
    """Read `socks5://[USER:PASSWORD@]HOST:PORT`; HOST is an IP address or `localhost`.

    A name would have to be looked up, and with a proxy nothing is.

    Raises:
        MalformedFrame: anything else.
    """
    parts = _URL.fullmatch(text) if len(text) <= LONGEST_URL else None
    if parts is None or int(parts["port"]) > 65535:
        raise MalformedFrame("not the URL of a SOCKS5 proxy")
    host = parts["host"].strip("[]")
    if host != "localhost":
        try:
            host = str(ip_address(host))
        except ValueError:
            raise MalformedFrame("neither an IP address nor localhost") from None
    user = unquote_to_bytes(parts["user"] or "")
    password = unquote_to_bytes(parts["password"] or "")
    if max(len(user), len(password)) > codec.MAX_WORD:
        raise MalformedFrame("a user or password of more than 255 bytes")
    return ProxyAddress(host, int(parts["port"]), user, password)


async def open_through(
    proxy: ProxyAddress, isolation: bytes, host: str, port: int
) -> trio.SocketStream:
    """Open a stream to a host and port through a proxy.

    Args:
        isolation: the user and password where the address names none.

    Raises:
        RelayLost: proxy_unreachable, proxy_refused; or unreachable: the proxy does not get there.
    """
    with _within(PROXY_ANSWERS, "proxy_unreachable"):
        stream = await _reach(proxy)
    try:
        with _within(PROXY_ANSWERS, "proxy_unreachable"):
            await _log_in(stream, proxy.user or isolation, proxy.password or isolation)
        with _within(RELAY_ANSWERS, "unreachable"):
            await _ask(stream, host, port)
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise
    return stream


@contextmanager
def _within(seconds: float, reason: Reason) -> Iterator[None]:
    """Name whatever goes wrong inside, and lateness, by one reason."""
    try:
        with trio.fail_after(seconds):
            yield
    except (trio.TooSlowError, trio.BrokenResourceError, RemoteError):
        raise RelayLost(reason) from None


async def _reach(proxy: ProxyAddress) -> trio.SocketStream:
    for host in proxy.hosts:
        family = trio.socket.AF_INET6 if ":" in host else trio.socket.AF_INET
        try:
            socket = trio.socket.socket(family, trio.socket.SOCK_STREAM)
        except OSError:
            continue  # this machine has no such addresses
        try:
            await socket.connect((host, proxy.port))  # numbers: nothing is looked up
        except OSError:
            socket.close()
            continue
        except BaseException:
            socket.close()
            raise
        return trio.SocketStream(socket)
    raise RelayLost("proxy_unreachable")


async def _log_in(stream: trio.SocketStream, user: bytes, password: bytes) -> None:
    await stream.send_all(codec.encode_greeting((codec.LOGIN, codec.NO_LOGIN)))
    method = codec.decode_choice(await _receive(stream, codec.CHOICE_SIZE))
    if method == codec.NO_LOGIN:
        return
    if method != codec.LOGIN:
        raise RelayLost("proxy_refused")
    await stream.send_all(codec.encode_login(user, password))
    if not codec.decode_verdict(await _receive(stream, codec.VERDICT_SIZE)):
        raise RelayLost("proxy_refused")


async def _ask(stream: trio.SocketStream, host: str, port: int) -> None:
    await stream.send_all(codec.encode_connect(host, port))
    head = await _receive(stream, codec.REPLY_HEAD)
    rest = await _receive(stream, codec.reply_size(head) - len(head))
    reply = codec.decode_reply(head + rest)
    if reply.is_forbidden:
        raise RelayLost("proxy_refused")
    if reply.code:
        raise RelayLost("unreachable")


async def _receive(stream: trio.SocketStream, size: int) -> bytes:
    """Read exactly so many bytes: what follows belongs to whoever is behind the proxy."""
    received = bytearray()
    while len(received) < size:
        piece = await stream.receive_some(size - len(received))
        if not piece:
            raise MalformedFrame("the proxy hung up")
        received += piece
    return bytes(received)
