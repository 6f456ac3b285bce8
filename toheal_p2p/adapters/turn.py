"""aioice's TURN client, closed to what a relay or a stranger can send through it.

A relay is somebody's machine, and whoever finds a relayed address can send to it. Stock aioice 0.13
makes a task per datagram, keeps datagrams for a peer without bound until its channel is there,
waits a minute for a silent relay when it closes, and stops at the first exception. Here a datagram
to a bound channel leaves in the same call, every queue has an end, and closing is quick.

It overrides methods and uses attributes of aioice that are not documented: `tests/adapters`
checks that they exist, and the lock file pins the version.

Source: RFC 8656. Spec: docs/protocol/link.md, section 7.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from socket import SO_RCVBUF, SOL_SOCKET
from typing import Any, Final

from aioice import stun
from aioice.ice import StunProtocol
from aioice.turn import TurnClientMixin, TurnClientTcpProtocol, TurnClientUdpProtocol

ALLOCATION_LIFE: Final = 600
"""Seconds we ask for; renewed at five sixths of what the relay grants (RFC 8656, section 3.2)."""
SHORTEST_LIFE: Final = 60
"""Seconds between renewals at least, whatever a relay says."""
CHANNEL_REFRESH: Final = 240
"""Seconds after which a channel is bound again: its permission lasts 300 (RFC 8656, section 9)."""
RELEASE_LONGEST: Final = 0.5
"""Seconds for giving an allocation back. A relay that does not hear it lets it run out."""
FIRST_WAIT: Final = 0.25
"""Seconds before a request is repeated; doubles each time. Longer than most round trips, and half
of what the RFC names: a lost packet on a bad line costs no more than it must."""
SOON_AGAIN: Final = 0.05
"""Seconds after which a packet of the set-up goes out a second time if nothing has come back, whatever
the round trip is: there are twenty of them one after the other, so on a line that loses one in twenty
most set-ups would wait for a repeat somewhere. Longer than a burst of losses mostly lasts."""
STREAM_WAIT: Final = 8.0
"""Seconds for an answer over TCP, which repeats by itself."""
MAX_PEER_ADDRESSES: Final = 24
"""Channels of one allocation: a peer's eight candidates, and others its NAT shows."""
MAX_WAITING: Final = 8
"""Datagrams kept per address while its channel is being bound. ICE repeats what is dropped."""
MAX_MESSAGE_SIZE: Final = 2048
"""Bytes of a message from the relay: a datagram of a peer with its header."""
MAX_BUFFERED: Final = 256 * 1024
"""Bytes that may wait for a relay over TCP; beyond, datagrams are dropped as on any full line."""
RECEIVE_BUFFER: Final = 256 * 1024
"""Bytes the kernel keeps for the socket."""

_FAMILY: Final = "REQUESTED-ADDRESS-FAMILY"
_IPV6: Final = 0x02 << 24
_NOT_THIS_FAMILY: Final = 440
"""RFC 8656, section 19."""

# aioice has no word for it (RFC 8656, section 18.8)
stun.ATTRIBUTES_BY_NAME[_FAMILY] = (0x0017, _FAMILY, stun.pack_unsigned, stun.unpack_unsigned)

_Address = tuple[str, int]


class QuickTransaction(stun.Transaction):
    """A request that is repeated sooner than aioice would; not over a stream, which does it itself."""

    def __init__(
        self,
        request: stun.Message,
        to: _Address,
        protocol: Any,  # aioice's protocol of protocols, which it keeps to itself
        *,
        is_stream: bool = False,
        **more: Any,  # as stock
    ) -> None:
        super().__init__(request, to, protocol, **more)
        self._Transaction__timeout_delay = STREAM_WAIT if is_stream else FIRST_WAIT
        self._is_stream = is_stream
        self._asking = protocol
        self._asked = (request, to)

    async def run(self) -> tuple[stun.Message, _Address]:
        """Ask, and wait for the answer."""
        if self._is_stream:
            return await super().run()
        again = asyncio.get_running_loop().call_later(
            SOON_AGAIN, self._asking.send_stun, *self._asked
        )
        try:
            return await super().run()
        finally:
            again.cancel()


class _GuardedTurn(TurnClientMixin):
    """What our two clients share: they take what the relay sends and let nothing out."""

    is_stream = False
    wants_ipv6 = False
    transport: Any  # a datagram transport in one class, a stream's in the other

    async def connect(self) -> _Address:
        """Get an address at the relay: of IPv4, or of IPv6 where it has nothing else."""
        try:
            return await super().connect()
        except stun.TransactionFailed as refused:
            if refused.response.error_code != _NOT_THIS_FAMILY:
                raise
        self.wants_ipv6 = True
        return await super().connect()

    def datagram_received(self, data: bytes | str, addr: _Address) -> None:
        """Take a message of the relay's; whatever is wrong with it, nothing else happens."""
        if not 4 <= len(data) <= MAX_MESSAGE_SIZE:
            return
        try:
            super().datagram_received(data, addr)
        except Exception:  # noqa: BLE001, S110  the relay, or who sends through it, chose these bytes
            pass

    async def request(self, request: stun.Message) -> tuple[stun.Message, _Address]:
        """Ask the relay; over UDP a lost packet is repeated soon."""
        if self.wants_ipv6 and request.message_method == stun.Method.ALLOCATE:
            request.attributes[_FAMILY] = _IPV6
        if self.integrity_key:
            self._TurnClientMixin__add_authentication(request)  # type: ignore[attr-defined]
        transaction = QuickTransaction(
            request,
            self.server,
            self,
            retransmissions=0 if self.is_stream else None,
            integrity_key=self.integrity_key,
            long_term_credential=True,
            is_stream=self.is_stream,
        )
        self.transactions[request.transaction_id] = transaction
        try:
            return await transaction.run()
        finally:
            del self.transactions[request.transaction_id]

    async def refresh(self, time_to_expiry: int) -> None:
        """Renew the allocation for as long as it is there; without it the link is over."""
        life = time_to_expiry
        try:
            while True:
                await asyncio.sleep(5 / 6 * max(life, SHORTEST_LIFE))
                request = stun.Message(stun.Method.REFRESH, stun.Class.REQUEST)
                request.attributes["LIFETIME"] = self.lifetime
                response, _ = await self.request_with_retry(request)
                life = response.attributes["LIFETIME"]
        except Exception:  # noqa: BLE001  refused, or an answer that is none: the relay chose it
            self.transport.abort()


class UdpTurn(_GuardedTurn, TurnClientUdpProtocol):
    """TURN over UDP. The socket is connected: only the relay's datagrams reach it."""

    transport: asyncio.DatagramTransport

    def error_received(self, exc: Exception) -> None:
        """The network said no: nothing to do, requests time out by themselves."""


class TcpTurn(_GuardedTurn, TurnClientTcpProtocol):
    """TURN over TCP or TLS."""

    is_stream = True
    transport: asyncio.Transport

    def data_received(self, data: bytes) -> None:
        """Take what the stream brings. A length that no message has ends it."""
        try:
            super().data_received(data)
        except Exception:  # noqa: BLE001  a relay that sends nonsense is not worth listening to
            self.transport.abort()
            return
        if len(self.buffer) > MAX_MESSAGE_SIZE:
            self.transport.abort()

    def _send(self, data: bytes) -> None:
        if self.transport.get_write_buffer_size() < MAX_BUFFERED:
            super()._send(data)


TurnClient = UdpTurn | TcpTurn


class RelayedSocket(asyncio.DatagramTransport):
    """An address at a relay, used like a socket by ICE."""

    def __init__(self, client: TurnClient, receiver: StunProtocol) -> None:
        super().__init__()
        self._client = client
        self._receiver = receiver
        self._address: _Address = ("", 0)
        self._waiting: dict[_Address, list[bytes]] = {}
        self._binding: dict[_Address, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing: asyncio.Task[None] | None = None

    async def allocate(self) -> None:
        """Get the address.

        Raises:
            ConnectionError, stun.TransactionError: the relay gives none.
        """
        self._address = await self._client.connect()
        self._client.receiver = self._receiver
        self._receiver.connection_made(self)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """`sockname` is the address at the relay. Nothing here tells where we are ourselves."""
        return self._address if name == "sockname" else default

    def is_closing(self) -> bool:
        """Say whether it is closed, or the relay is lost."""
        return self._closing is not None or self._client.transport.is_closing()

    def sendto(self, data: Any, addr: Any = None) -> None:
        """Send a datagram to a peer's address; the first one to it binds a channel."""
        if self.is_closing() or addr is None:
            return
        channel = self._client.peer_to_channel.get(addr)
        if channel is None:
            self._wait_for_channel(bytes(data), addr)
            return
        if time.time() > self._client.channel_refresh_at[channel]:
            self._client.channel_refresh_at[channel] = time.time() + CHANNEL_REFRESH
            self._start(self._renew(channel, addr))
        self._client._send(_header(channel, len(data)) + data)

    def close(self) -> None:
        """Give the address back, in the background."""
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._release())

    def abort(self) -> None:
        """Close at once."""
        self._client.transport.abort()

    def _wait_for_channel(self, data: bytes, addr: _Address) -> None:
        waiting = self._waiting.get(addr)
        if waiting is None:
            if len(self._client.peer_to_channel) + len(self._waiting) >= MAX_PEER_ADDRESSES:
                return
            self._waiting[addr] = [data]
            self._start(self._bind(addr))
        elif len(waiting) < MAX_WAITING:
            waiting.append(data)
            if addr in self._binding:
                self._client._send(_header(self._binding[addr], len(data)) + data)

    async def _bind(self, addr: _Address) -> None:
        """Bind a channel; what waits for it goes out right behind the request.

        It goes out once more with the answer: a relay that heard it before the request, or heard a
        repeat of the request only, dropped it.
        """
        client = self._client
        channel = client.peer_to_failed_channel.pop(addr, None)
        if channel is None:
            channel = client.channel_number
            client.channel_number += 1
        client.channel_to_peer[channel] = addr  # a datagram may overtake the answer
        try:
            answer = self._start(client.channel_bind(channel, addr))
            await asyncio.sleep(0)  # the request leaves
            self._binding[addr] = channel
            self._send_all(channel, self._waiting[addr])
            await answer
        except Exception:  # noqa: BLE001  refused, or an answer that is none: the relay chose it
            client.peer_to_failed_channel[addr] = channel
            del client.channel_to_peer[channel], self._waiting[addr], self._binding[addr]
            return
        client.channel_refresh_at[channel] = time.time() + CHANNEL_REFRESH
        client.peer_to_channel[addr] = channel
        del self._binding[addr]
        self._send_all(channel, self._waiting.pop(addr))

    def _send_all(self, channel: int, waiting: list[bytes]) -> None:
        for data in waiting:
            self._client._send(_header(channel, len(data)) + data)

    async def _renew(self, channel: int, addr: _Address) -> None:
        try:
            await self._client.channel_bind(channel, addr)
        except Exception:  # noqa: BLE001  as above
            self._client.transport.abort()  # nothing arrives any more: let the link know

    async def _release(self) -> None:
        client = self._client
        for task in self._tasks:
            task.cancel()
        if client.refresh_task is not None:
            client.refresh_task.cancel()
        request = stun.Message(stun.Method.REFRESH, stun.Class.REQUEST)
        request.attributes["LIFETIME"] = 0
        try:
            if client.integrity_key and not client.transport.is_closing():
                await asyncio.wait_for(client.request_with_retry(request), RELEASE_LONGEST)
        except (TimeoutError, stun.TransactionError, ConnectionError, ValueError):
            pass  # it runs out by itself
        finally:
            client.transport.abort()

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _header(channel: int, length: int) -> bytes:
    return channel.to_bytes(2, "big") + length.to_bytes(2, "big")


async def open_udp(address: _Address, username: str, password: str) -> UdpTurn:
    """Open a socket to a relay.

    Raises:
        OSError: no way there.
    """
    transport, client = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: UdpTurn(address, username, password, ALLOCATION_LIFE, CHANNEL_REFRESH),
        remote_addr=address,
    )
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(SOL_SOCKET, SO_RCVBUF, RECEIVE_BUFFER)
    return client


async def open_stream(
    address: _Address,
    username: str,
    password: str,
    *,
    check: Callable[[asyncio.BaseTransport], None],
    **tls: Any,
) -> TcpTurn:
    """Open a connection to a relay; `check` may refuse it before anything is sent over it.

    Raises:
        OSError: nobody answers, or `check` refused.
    """
    transport, client = await asyncio.get_running_loop().create_connection(
        lambda: TcpTurn(address, username, password, ALLOCATION_LIFE, CHANNEL_REFRESH),
        *address,
        **tls,
    )
    try:
        check(transport)
    except BaseException:
        transport.abort()
        raise
    return client
