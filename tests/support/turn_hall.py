"""A TURN server without sockets, for tests: its clients, its ports, and a clock that the test turns."""

from __future__ import annotations

from collections import deque

from attrs import define, field

from tests.support.entropy import SeededEntropy
from tests.support.turn_client import TurnClient, read_data
from toheal_protocol.errors import RemoteError
from toheal_protocol.model import Instant, WallTime
from toheal_protocol.wire.turn import decode_channel_data
from toheal_relay.admission import Admission
from toheal_relay.limits import Limits
from toheal_relay.turn.allocation import Client, Port
from toheal_relay.turn.credentials import Credentials
from toheal_relay.turn.machine import Turn
from toheal_relay.turn.rules import Network, PeerRules, site_of

HOST = "198.51.100.7"
"""Where the relay is. An address of documentation: peers there are refused but for relayed ports."""

SIX = "2a01:4f8:1:2::7"
"""Its address of IPv6, where it has one."""

OWN = "10.1.2.3"
"""Another address of the relay's machine."""

LISTENING = 3478
NOON = 1_800_000_000
FRIEND = "5.5.5.5"
"""Somewhere on the internet."""


@define(eq=False)
class FakePort:
    """A relayed port: what was sent from it lies in `sent`."""

    address: tuple[str, int]
    sent: deque[tuple[tuple[str, int], bytes]] = field(factory=deque)

    def send(self, block: bytes, size: int, to: tuple[str, int]) -> None:
        self.sent += [(to, packet) for packet in packets_of(block, size)]


def packets_of(block: bytes, size: int) -> list[bytes]:
    """Return the packets that a block is made of."""
    return [block[at : at + size] for at in range(0, len(block), size)] if size else [block]


@define(eq=False)
class Hall:
    """A server and everybody around it."""

    limits: Limits = field(factory=Limits)
    allowed: tuple[Network, ...] = ()
    hosts: tuple[str, ...] = (HOST,)
    now: Instant = Instant(10_000.0)
    wall: int = NOON
    ports: dict[int, FakePort] = field(factory=dict)
    ports_left: int = 10_000
    turn: Turn = field(init=False)
    credentials: Credentials = field(init=False)
    _last_port: int = field(default=49_999, init=False)

    def __attrs_post_init__(self) -> None:
        draw = SeededEntropy(7).draw
        self.credentials = Credentials(b"s" * 32, (), draw, lambda: WallTime(self.wall))
        self.turn = Turn(
            self.limits,
            hosts=self.hosts,
            credentials=self.credentials,
            admission=Admission(self.limits, draw=draw),
            rules=PeerRules(self._is_ours, frozenset({LISTENING}), self.allowed, site_of(SIX)),
            open_port=self._open,
            close_port=self._close,
            draw=draw,
        )

    def guest(self, host: str = "9.9.9.9", port: int = 1000, *, is_stream: bool = False) -> Guest:
        """Return somebody with fresh credentials."""
        grant = self.credentials.grant(1)
        return Guest(self, host, port, grant.username, grant.password, is_stream=is_stream)

    def pass_time(self, seconds: float, *, sweep: bool = False) -> None:
        """Let time pass on both clocks."""
        self.now = Instant(self.now + seconds)
        self.wall += int(seconds)
        if sweep:
            self.turn.sweep(now=self.now)

    def arrive(self, number: int, sender: tuple[str, int], *packets: bytes) -> None:
        """Let packets of one size come to a relayed port from elsewhere, together."""
        out = self.turn.from_peer(self.ports[number], sender, list(packets), now=self.now)
        if out is not None:
            send, block, size, to = out
            send(block, size, to)

    def _open(self, host: str, even: bool) -> FakePort | None:
        if len(self.ports) >= self.ports_left:
            return None
        self._last_port += 2 if even and self._last_port % 2 == 0 else 1
        port = self.ports[self._last_port] = FakePort((host, self._last_port))
        return port

    def _close(self, port: Port) -> None:
        del self.ports[port.address[1]]

    def _is_ours(self, host: str) -> bool:
        return host in (HOST, OWN, SIX) or host.startswith("127.")


@define(eq=False)
class Guest:
    """Somebody at one five-tuple; what the server sent it lies in `inbox`."""

    hall: Hall
    host: str
    port: int
    username: str
    password: str
    is_stream: bool = False
    inbox: deque[bytes] = field(factory=deque)
    turn: TurnClient = field(init=False)
    relayed: tuple[str, int] = field(init=False, default=("", 0))

    def __attrs_post_init__(self) -> None:
        self.turn = TurnClient(self._exchange, self.username, self.password)

    @property
    def key(self) -> object:
        return self if self.is_stream else (self.host, self.port)

    @property
    def client(self) -> Client:
        key = self if self.is_stream else (self.host, self.port)
        return Client(key, self._take, None, self.host, self.port, is_stream=self.is_stream)

    @property
    def sent(self) -> deque[tuple[tuple[str, int], bytes]]:
        """What left our relayed port for elsewhere."""
        return self.hall.ports[self.relayed[1]].sent

    def allocate(self) -> tuple[str, int]:
        self.relayed = self.turn.allocate()
        return self.relayed

    def say(self, *messages: bytes) -> None:
        """Send anything, as the server's shell would bring it: alike messages together."""
        turn, client = self.hall.turn, self.client
        out = turn.relay(client.key, list(messages), self.hall.now)
        if out is not None:
            send, block, size, to = out
            send(block, size, to)
            return
        for message in messages:
            try:
                out = turn.receive(client, message, now=self.hall.now)
            except RemoteError:
                continue
            if out is not None:
                send, block, size, to = out
                send(block, size, to)

    def heard(self) -> list[tuple[object, bytes]]:
        """Take everything out of the inbox: (channel or sender, packet)."""
        found: list[tuple[object, bytes]] = []
        while self.inbox:
            message = self.inbox.popleft()
            is_channel = message[0] >= 0x40
            found.append(decode_channel_data(message) if is_channel else read_data(message))
        return found

    def _take(self, block: bytes, size: int, _to: object) -> None:
        self.inbox += packets_of(block, size)

    def _exchange(self, request: bytes) -> bytes | None:
        before = len(self.inbox)
        self.say(request)
        return self.inbox.pop() if len(self.inbox) > before else None


def pair(hall: Hall, *, is_stream: bool = False) -> tuple[Guest, Guest]:
    """Return two members with a channel 0x4001 to each other."""
    ours = hall.guest("9.9.9.1", 1001, is_stream=is_stream)
    theirs = hall.guest("9.9.9.2", 1002, is_stream=is_stream)
    ours.allocate()
    theirs.allocate()
    ours.turn.bind(0x4001, *theirs.relayed)
    theirs.turn.bind(0x4001, *ours.relayed)
    return ours, theirs
