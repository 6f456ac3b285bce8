"""Traffic for `bench_turn`: a client of a TURN server, a peer, and packets a window at a time."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol, TypeAlias

from attrs import Factory, define, frozen

from benchmarks.turn_servers import SECRET, Server
from tests.support.turn_client import TurnClient, send_indication
from toheal_protocol.crypto.turn import turn_password
from toheal_protocol.wire.stun import BINDING_REQUEST, StunMessage
from toheal_protocol.wire.stun_integrity import sign_stun
from toheal_protocol.wire.turn import encode_channel_data, split_stream

HOST: Final = "127.0.0.1"
CHANNEL: Final = 0x4001
PACKET: Final = bytes(1_000)
ICE_CHECK: Final = sign_stun(StunMessage(BINDING_REQUEST, bytes(12)), b"a password")
SLOWEST: Final = 1.0
"""Seconds a server has to answer a request."""
PATIENCE: Final = 0.02
"""Seconds after which a packet is lost: some servers drop a part of every burst."""
MANY: Final = 1_000
"""More messages than can be under way."""
LOOK: Final = 0.0001
"""Seconds between two looks whether something has come. Whoever waited in the kernel for packets on this
machine would be woken by the one who sends them, at its cost: nothing that a server on a network has to do, and
up to a half of all it does here."""


class End(Protocol):
    """One end of the traffic."""

    def send(self, message: bytes, count: int, /) -> None:
        """Send one message so many times."""

    def receive_now(self, count: int, /) -> int:
        """Take what has come, so many messages at most; return how many that were."""


@frozen
class Datagrams:
    """An end that has a UDP socket."""

    socket: socket.socket

    def send(self, message: bytes, count: int, /) -> None:
        """Send one message so many times, each by a call of its own."""
        for _ in range(count):
            self.socket.send(message)

    def receive_now(self, count: int, /) -> int:
        """Take what has come, so many messages at most; return how many that were."""
        for arrived in range(count):
            try:
                self.socket.recv(2048)
            except BlockingIOError:
                return arrived
        return count

    def receive(self) -> bytes:
        """Wait for one message."""
        self.socket.settimeout(SLOWEST)
        try:
            return self.socket.recv(2048)
        finally:
            self.socket.setblocking(False)


@define(eq=False)
class Stream:
    """An end that has a TCP or TLS connection."""

    socket: socket.socket
    _rest: bytes = b""
    _messages: list[bytes] = Factory(list)

    def send(self, message: bytes, count: int, /) -> None:
        """Send one message so many times, in one piece: what is written quickly goes out together."""
        self.socket.settimeout(SLOWEST)
        self.socket.sendall(message * count)
        self.socket.setblocking(False)

    def receive_now(self, count: int, /) -> int:
        """Take what has come, so many messages at most; return how many that were."""
        try:
            while len(self._messages) < count:
                self._take()
        except (BlockingIOError, ssl.SSLWantReadError):
            pass
        arrived = min(count, len(self._messages))
        del self._messages[:arrived]
        return arrived

    def receive(self) -> bytes:
        """Wait for one message."""
        self.socket.settimeout(SLOWEST)
        while not self._messages:
            self._take()
        self.socket.setblocking(False)
        return self._messages.pop(0)

    def _take(self) -> None:
        messages, self._rest = split_stream(self._rest + self.socket.recv(65536))
        self._messages += messages


NearEnd: TypeAlias = Datagrams | Stream


@frozen
class Flow:
    """One direction of the traffic: who sends what to whom."""

    sender: End
    receiver: End
    message: bytes


def pass_windows(flows: tuple[Flow, ...], *, count: int, window: int) -> int:
    """Send packets a window at a time, shared by all flows; return how many arrived."""
    share = max(window // len(flows), 1)
    arrived = 0
    for _ in range(count // (share * len(flows))):
        for flow in flows:
            flow.sender.send(flow.message, share)
        for flow in flows:
            arrived += _receive(flow.receiver, share)
    return arrived


def _receive(end: End, count: int) -> int:
    """Take so many messages, or as many as come before one is late; return how many that were."""
    arrived, heard_at = 0, time.monotonic()
    while (arrived := arrived + (new := end.receive_now(count - arrived))) < count:
        now = time.monotonic()
        if new:
            heard_at = now
        elif now > heard_at + PATIENCE:
            time.sleep(PATIENCE)
            end.receive_now(MANY)  # what comes too late must not be taken for what is sent next
            break
        time.sleep(LOOK)
    return arrived


@contextmanager
def traffic(server: Server, transport: str, form: str, way: str) -> Iterator[tuple[Flow, ...]]:
    """Give the flows of one kind of traffic, ready; the allocations end with the block."""
    with _client_end(server, transport) as near, _udp() as far_socket:
        far = Datagrams(far_socket)
        client = _client(near)
        relayed = client.allocate()
        if way == "two members":
            yield from _between_members(server, client, near, far, relayed)
        else:
            yield _with_elsewhere(client, near, far, relayed, form)[way]
        client.refresh(0)


def _between_members(
    server: Server, client: TurnClient, near: NearEnd, far: Datagrams, relayed: tuple[str, int]
) -> Iterator[tuple[Flow, ...]]:
    far.socket.connect((HOST, server.port))
    other = _client(far)
    client.bind(CHANNEL, *other.allocate())
    other.bind(CHANNEL, *relayed)
    yield (Flow(near, far, encode_channel_data(CHANNEL, PACKET)),)
    other.refresh(0)


def _with_elsewhere(
    client: TurnClient, near: NearEnd, far: Datagrams, relayed: tuple[str, int], form: str
) -> dict[str, tuple[Flow, ...]]:
    address = far.socket.getsockname()
    message = encode_channel_data(CHANNEL, PACKET)
    if form == "channels":
        client.bind(CHANNEL, *address)
    else:
        client.permit(address[0])
        message = send_indication(*address, PACKET)
        near.send(message, 1)  # before that some servers know no peer of this address
        far.receive()
    far.socket.connect(relayed)
    far.send(ICE_CHECK, 1)  # as every peer does before packets are sent to it
    near.receive()
    there, back = Flow(near, far, message), Flow(far, near, PACKET)
    return {"to elsewhere": (there,), "from elsewhere": (back,), "both ways": (there, back)}


def _client(end: NearEnd) -> TurnClient:
    def exchange(request: bytes) -> bytes:
        end.send(request, 1)
        while (answer := end.receive())[8:20] != request[8:20]:
            pass  # a packet that was late
        return answer

    name = f"{int(time.time()) + 3600}:bench"
    return TurnClient(exchange, name, turn_password(SECRET.encode(), name))


@contextmanager
def _client_end(server: Server, transport: str) -> Iterator[NearEnd]:
    if transport == "UDP":
        with _udp() as end:
            end.connect((HOST, server.port))
            yield Datagrams(end)
        return
    with socket.create_connection((HOST, server.port), timeout=SLOWEST) as tcp:
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if transport == "TCP":
            yield Stream(tcp)
            return
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(server.certificate)
        with context.wrap_socket(tcp) as tls:
            yield Stream(tls)


@contextmanager
def _udp() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        end.bind((HOST, 0))
        end.setblocking(False)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024 * 1024)
        yield end
