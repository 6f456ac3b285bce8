"""Dialling a relay: TCP, TLS 1.3 with a pinned key, WebSocket.

The fingerprint in the address is all that is checked: no name, no date, no authority. Nothing but
the TLS handshake is sent before it was.

The WebSocket part is small and the client's own. The relay has another, for the other role; to
share one, the client would need a relay installed, or the core a codec of somebody else.

Source: RFC 8446, RFC 6455. Spec: docs/protocol/mailboxes.md, sections 1 and 2.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from ipaddress import ip_address
from typing import Final

import trio
from attrs import define, field
from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Pong,
    Request,
)
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from toheal_p2p.ports.relays import Reason, RelayLost
from toheal_protocol.crypto import equal
from toheal_protocol.crypto.certificates import key_fingerprint
from toheal_protocol.errors import RemoteError
from toheal_protocol.wire.mailbox_answers import MAX_ANSWER_SIZE
from toheal_protocol.wire.relay_address import RelayAddress

PATH: Final = "/th1"

_READ_SIZE: Final = 64 * 1024
"""Bytes read at once: four TLS records."""

MOST_PARTS: Final = 4096
"""Parts of one message, the empty ones too: parts without bytes would fill memory unseen."""

_REASONS: Final[dict[int, Reason]] = {
    CloseReason.TRY_AGAIN_LATER: "full",
    CloseReason.POLICY_VIOLATION: "refused",
}
"""What a relay's last word means; any other is `closed`."""

OpenStream = Callable[[str, int], Awaitable[trio.abc.Stream]]
"""How to open a TCP stream to a host and port: directly, or through a proxy. Raises `OSError` where
it cannot, or `RelayLost` where it knows the reason."""


async def dial(address: RelayAddress) -> TlsRelayChannel:
    """Connect to a relay directly. Fulfils `ports.relays.Dial`.

    Raises:
        RelayLost: it cannot be reached, or is somebody else.
    """
    return await dial_through(trio.open_tcp_stream, address)


async def dial_through(open_stream: OpenStream, address: RelayAddress) -> TlsRelayChannel:
    """Connect to a relay over streams that `open_stream` opens.

    Raises:
        RelayLost: it cannot be reached, or is somebody else.
    """
    try:
        tcp = await open_stream(address.host, address.port)
    except OSError:  # name resolution included
        raise RelayLost("unreachable") from None
    stream = trio.SSLStream(
        tcp, _context(), server_hostname=_server_name(address.host), https_compatible=True
    )
    channel = TlsRelayChannel(stream)
    try:
        await _handshake(stream, address)
        await channel.open(address.authority)
    except BaseException:
        await channel.aclose()
        raise
    return channel


@define(eq=False)
class TlsRelayChannel:
    """An open WebSocket over TLS. Fulfils `ports.relays.RelayChannel`."""

    _stream: trio.SSLStream[trio.abc.Stream]
    _websocket: WSConnection = field(factory=lambda: WSConnection(ConnectionType.CLIENT))
    _parts: list[bytes] = field(factory=list, init=False)
    _size: int = field(default=0, init=False)
    _is_open: bool = field(default=False, init=False)
    _lost: Reason | None = field(default=None, init=False)
    _waiting: list[bytes] = field(factory=list, init=False)
    _sending: trio.Lock = field(factory=trio.Lock, init=False)

    async def open(self, host: str) -> None:
        """Ask for the WebSocket and wait for the answer.

        Raises:
            RelayLost: it is not a relay, or it went away.
        """
        await self._write(self._websocket.send(Request(host=host, target=PATH)))
        while not self._is_open:
            self._waiting += await self._read()

    async def send(self, messages: Sequence[bytes]) -> None:
        """Send messages, in order."""
        try:
            encode = self._websocket.send
            frames = b"".join(encode(BytesMessage(data=message)) for message in messages)
        except LocalProtocolError:  # the relay has closed it; receiving says why
            raise RelayLost("closed") from None
        await self._write(frames)

    async def receive(self) -> Sequence[bytes]:
        """Wait for messages and return all that have arrived, at least one."""
        while not self._waiting:
            if self._lost is not None:
                raise RelayLost(self._lost)
            self._waiting += await self._read()
        messages, self._waiting = self._waiting, []
        return messages

    async def aclose(self) -> None:
        """Close it, without waiting for anybody."""
        await trio.aclose_forcefully(self._stream)

    async def _write(self, frames: bytes) -> None:
        try:
            async with self._sending:
                await self._stream.send_all(frames)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise RelayLost("closed") from None

    async def _read(self) -> list[bytes]:
        try:
            part = await self._stream.receive_some(_READ_SIZE)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise RelayLost("closed") from None
        if not part:
            raise RelayLost("closed" if self._is_open else "unreachable")
        try:
            self._websocket.receive_data(bytes(part))
            events = list(self._websocket.events())
        except (RemoteProtocolError, LocalProtocolError, ValueError):
            raise RelayLost("unreachable") from None
        messages = []
        for event in events:
            message = await self._take(event)
            if message is not None:
                messages.append(message)
        return messages

    async def _take(self, event: Event) -> bytes | None:
        match event:
            case BytesMessage():
                return self._collect(event)
            case Ping() if self._websocket.state is ConnectionState.OPEN:
                await self._write(self._websocket.send(event.response()))
            case Ping():
                pass  # it closed in the same breath, and wants no answer any more
            case Pong():
                pass
            case AcceptConnection():
                self._is_open = True
            case CloseConnection(code=code):
                self._lost = _REASONS.get(code, "closed")
                self._is_open = True  # as far as `open` is concerned
            case _:
                raise RelayLost("unreachable")
        return None

    def _collect(self, event: BytesMessage) -> bytes | None:
        self._size += len(event.data)
        if self._size > MAX_ANSWER_SIZE or len(self._parts) >= MOST_PARTS:
            raise RelayLost("unreachable")
        self._parts.append(bytes(event.data))
        if not event.message_finished:
            return None
        message = b"".join(self._parts)
        self._parts, self._size = [], 0
        return message


async def _handshake(stream: trio.SSLStream[trio.abc.Stream], address: RelayAddress) -> None:
    try:
        await stream.do_handshake()
        certificate = stream.getpeercert(binary_form=True) or b""
        fingerprint = key_fingerprint(certificate)
    except (trio.BrokenResourceError, RemoteError):
        raise RelayLost("unreachable") from None
    if not equal(fingerprint, address.fingerprint):
        raise RelayLost("wrong_fingerprint")


@cache
def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = (
        ssl.CERT_NONE
    )  # the fingerprint is verified instead, before anything is sent
    return context


def _server_name(host: str) -> str | None:
    """Name the relay in the clear only where a name was dialled: port sharing needs it."""
    try:
        ip_address(host)
    except ValueError:
        return host
    return None
